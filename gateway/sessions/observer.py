"""What is measured and recorded of a session, beside the call itself.

Plain numbers on the session, folded into metrics at its turns; rows go to a
write-behind recorder, so that the audio path never waits for a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from gateway.recording.recorder import SessionRecorder
from gateway.sessions.admission import Denied
from gateway.telemetry import metrics, tracing
from gateway.tools.ports import LogEntry
from realtime.engine import BrainSpent, ToolCall
from realtime.events.server import ErrorEvent, ItemDeleted, ItemDone, ItemTruncated
from realtime.events.transcription_events import TranscriptionCompleted
from realtime.events.translation import AnyServerEvent
from realtime.session.config import AnySessionConfig
from realtime.session.effects import CommitBrain, DiscardBrain, RecordUsage
from realtime.translation.config import TranslationSessionConfig
from realtime.usage import OutputDetails, Usage, text_tokens


class SessionObserver:
    """Sees what a session does."""

    def __init__(self, recorder: SessionRecorder) -> None:
        self._recorder = recorder
        self._spans = tracing.TurnSpans(recorder.session_id)
        self._turn_ended_s: float | None = None
        self._thinking_s: dict[str, float] = {}
        self._speaking_s: float | None = None
        self._audio_out = 0

    def received(self, kind: str, body: object, at_ms: int, size_bytes: int) -> None:
        """A client event came."""
        self._recorder.event("client", at_ms, kind, body, size_bytes=size_bytes)

    def sent(self, event: AnyServerEvent, text: str, at_ms: int) -> None:
        """A server event went."""
        self._recorder.event("server", at_ms, event.type, text)
        if isinstance(event, ErrorEvent):
            metrics.ERRORS.labels(event.error.code or event.error.type).inc()
        elif isinstance(event, ItemDone):
            self._recorder.item(event.item, event.previous_item_id)
        elif isinstance(event, TranscriptionCompleted):
            self._recorder.transcript(event.item_id, event.transcript)
        elif isinstance(event, ItemDeleted):
            self._recorder.item_deleted(event.item_id)
        elif isinstance(event, ItemTruncated):
            self._recorder.item_truncated(event.item_id, event.audio_end_ms)

    def relayed(self, event: Mapping[str, Any], text: str, at_ms: int) -> None:
        """An event of an upstream went on; what it holds is nobody's promise."""
        kind = str(event["type"])
        self._recorder.event("server", at_ms, kind, text)
        item, item_id = event.get("item"), event.get("item_id")
        if kind == "error":
            metrics.ERRORS.labels("upstream").inc()
        elif kind == "conversation.item.done" and isinstance(item, Mapping):
            self._recorder.relayed_item(item, event.get("previous_item_id"))
        elif not isinstance(item_id, str):
            return
        elif kind == "conversation.item.input_audio_transcription.completed":
            self._recorder.transcript(item_id, str(event.get("transcript", "")))
        elif kind == "conversation.item.deleted":
            self._recorder.item_deleted(item_id)
        elif kind == "conversation.item.truncated" and type(event.get("audio_end_ms")) is int:
            self._recorder.item_truncated(item_id, event["audio_end_ms"])

    def configured(
        self, config: AnySessionConfig | TranslationSessionConfig | Mapping[str, Any]
    ) -> None:
        """The effective configuration changed."""
        self._recorder.config(config)

    def usage(self, effect: RecordUsage) -> None:
        """A response is over."""
        self._recorder.usage(effect)
        metrics.RESPONSES.labels(effect.status).inc()
        metrics.AUDIO_OUT_SAMPLES.inc(self._audio_out)
        self._audio_out = 0
        self._thinking_s.pop(effect.response_id, None)
        about: tracing.Attributes = {
            tracing.RESPONSE_ID: effect.response_id,
            tracing.RESPONSE_STATUS: effect.status,
        }
        self._spans.finish(about)

    def speculated(self, outcome: Literal["started", "used"]) -> None:
        """An answer was begun early, or its fate is known."""
        metrics.SPECULATIONS.labels("brain", outcome).inc()

    def discarded(self, effect: DiscardBrain | CommitBrain, spent: BrainSpent) -> None:
        """An answer that was begun early is not used: what it cost stands in the record."""
        metrics.SPECULATIONS.labels("brain", "discarded").inc()
        given, made = effect.given, OutputDetails(text_tokens(spent.text))
        counted = spent.usage
        if counted is not None:
            given = replace(
                given,
                text_tokens=counted.input_text_tokens,
                cached_tokens=counted.cached_text_tokens,
            )
            made = OutputDetails(counted.output_text_tokens)
        usage = Usage.of(replace(given, audio_tokens=0), made)
        metrics.SPECULATED_TOKENS_DISCARDED.labels("input").inc(usage.input_tokens)
        metrics.SPECULATED_TOKENS_DISCARDED.labels("output").inc(usage.output_tokens)
        self._recorder.usage(
            RecordUsage(
                response_id=effect.recorded_as,
                status="discarded",
                usage=usage,
                estimated=counted is None,
            )
        )

    def tool_called(self, call: ToolCall) -> None:
        """The brain made a call, for whoever carries it out."""
        metrics.TOOL_CALLS.labels(call.route.executor).inc()

    def tool_logged(self, entry: LogEntry) -> None:
        """Something stands in the action log, or has changed there."""
        self._recorder.tool_call(entry.row(), entry.at_ms)

    def denied(self, verdict: Denied) -> None:
        """Policy said no."""
        metrics.DENIALS.labels(verdict.reason).inc()

    def turn_ended(self, now_s: float) -> None:
        """The clock of turn latency starts."""
        self._turn_ended_s = now_s
        self._spans.begin()
        self._spans.begin_stage(tracing.STAGE_STT)

    def brain_started(self, response_id: str, now_s: float) -> None:
        """The brain was asked."""
        self._thinking_s[response_id] = now_s
        self._spans.end_stage(tracing.STAGE_STT)
        self._spans.begin_stage(tracing.STAGE_BRAIN)
        if self._turn_ended_s is not None:
            metrics.STAGE_SECONDS.labels("stt").observe(now_s - self._turn_ended_s)

    def speech_started(self, response_id: str, now_s: float) -> None:
        """Synthesis was asked; the first time of a response ends the brain's stage."""
        asked = self._thinking_s.pop(response_id, None)
        if asked is not None:
            metrics.STAGE_SECONDS.labels("brain").observe(now_s - asked)
            self._speaking_s = now_s
            self._spans.end_stage(tracing.STAGE_BRAIN)
            self._spans.begin_stage(tracing.STAGE_TTS)

    def audio_sent(self, now_s: float, samples: int) -> None:
        """Audio went to the client; the first of a turn ends its latency."""
        self._audio_out += samples
        if self._speaking_s is not None:
            metrics.STAGE_SECONDS.labels("tts").observe(now_s - self._speaking_s)
            self._speaking_s = None
            self._spans.end_stage(tracing.STAGE_TTS)
        if self._turn_ended_s is not None:
            metrics.TURN_LATENCY_SECONDS.observe(now_s - self._turn_ended_s)
            self._turn_ended_s = None
