"""The machine of a translation session: speech in one language in, speech in another out.

A handler beside the protocol machine, as a relay is: there are no turns, items
or responses here, and nothing to be committed (CONTRACT 13).

Invariants: client events are answered in the order they came, also while
admission is asked; audio after `session.close` is not heard; what was said
before it is translated before `session.closed`; after the end no effect is
produced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from realtime.engine import (
    BrainFailed,
    BrainFinished,
    BrainText,
    DetectionLost,
    EngineFault,
    RecognitionFailed,
    RecognitionRequest,
    SpeechFailed,
    SpeechFinished,
    SpeechProbability,
    SpeechProduced,
    TranscriptFinal,
    TranscriptPartial,
)
from realtime.errors import SessionExpired, WireFault
from realtime.events.translation import (
    SourceTranscriptDelta,
    TranslatedTranscriptDelta,
    TranslationClose,
    TranslationSessionClosed,
    TranslationSessionCreated,
    TranslationSessionUpdated,
)
from realtime.ports import IdSource
from realtime.session.effects import Ask, Close, Effect
from realtime.session.inputs import (
    Allowed,
    AudioAppended,
    EndReason,
    EngineTraits,
    Input,
    InvalidFromClient,
    Joined,
    Opened,
    Refused,
    Revoked,
    Shutdown,
    TokensRefused,
    TokensReserved,
)
from realtime.session.outbox import Outbox
from realtime.translation.config import TranslationSessionConfig
from realtime.translation.effects import RecordTranslation, SendTranslatedFrame
from realtime.translation.frames import FrameClock
from realtime.translation.inputs import TranslationFromClient
from realtime.translation.limits import TranslationLimits
from realtime.translation.requests import translation_updated
from realtime.translation.source import Source
from realtime.translation.translating import DEFAULT_VOICE, Translating
from realtime.translation.words import SourceWords

TRANSLATE: Final = "response.automatic"
"""What admission is asked before each translation: the model answers unasked."""

CLOSED_CODE: Final = 1000


class TranslationFault(WireFault):
    """A part could not do its work; the session goes on (CONTRACT 16: `server_error`)."""

    type = "server_error"

    def __init__(self, fault: EngineFault) -> None:
        super().__init__(fault.message, code=fault.code)


class TranslationSession:
    """A session that translates."""

    def __init__(
        self,
        config: TranslationSessionConfig,
        *,
        ids: IdSource,
        limits: TranslationLimits | None = None,
        traits: EngineTraits | None = None,
        opened_ms: int = 0,
        voice: str | None = None,
    ) -> None:
        """Of `traits` the voice activity, the transcription models and the language count."""
        self._config = config
        self._limits = limits or TranslationLimits()
        self._traits = traits or EngineTraits()
        self._outbox = outbox = Outbox(ids, lambda _: "")
        self._translating = Translating(
            outbox,
            self._limits,
            language=lambda: self._config.audio.output.language,
            ask=lambda: self._ask(TRANSLATE, None),
            told=self._translation_told,
            failed=self._failed,
            voice=voice or DEFAULT_VOICE,
        )
        self._words = SourceWords(
            language=self._traits.language,
            told=self._source_told,
            spoken=self._translating.spoken,
            failed=self._failed,
        )
        self._source = Source(
            outbox,
            self._limits,
            listens=self._traits.listens,
            opened=self._stretch_opened,
            closed=self._words.close,
        )
        self._clock = FrameClock(pace=self._limits.pace, opened_ms=opened_ms)
        self._expires_ms = opened_ms + self._limits.max_duration_ms
        self._questions = 0
        self._asked: tuple[int, TranslationFromClient] | None = None
        self._waiting: list[TranslationFromClient | InvalidFromClient] = []
        self._closing_ms: int | None = None
        """When something last came of what is still to come, after `session.close`."""
        self._quiet_ms: int | None = None
        """When voice activity has had its time after `session.close`, until all is heard."""
        self._closed = False

    # --- what a runner asks ---

    @property
    def closed(self) -> bool:
        """True once the session ended."""
        return self._closed

    @property
    def congested(self) -> bool:
        """True while as much waits as may: for admission, for words, for a voice."""
        return (
            len(self._waiting) >= self._limits.max_pending_events
            or len(self._words) + self._source.waiting >= self._limits.max_pending_stretches
            or self._translating.congested
        )

    @property
    def flooded(self) -> bool:
        """True while as many client events wait as may."""
        return len(self._waiting) >= self._limits.max_pending_events

    def effects(self) -> list[Effect]:
        """Return what must be done, in order, and forget it."""
        return self._outbox.drain()

    def deadline(self) -> int | None:
        """Return the next instant at which `expire` must be called."""
        if self._closed:
            return None
        due = [self._expires_ms]
        frame = self._clock.due_ms(self._translating.available, flowing=self._translating.flowing)
        if frame is not None:
            due.append(frame)
        if self._closing_ms is not None:
            due.append(self._closing_ms + self._limits.drain_ms)
        if self._quiet_ms is not None:
            due.append(self._quiet_ms)
        return min(due)

    def expire(self, now_ms: int) -> None:
        """Say that the deadline has passed."""
        if self._closed:
            return
        if now_ms >= self._expires_ms:
            self._end(SessionExpired(self._limits.max_duration_ms // 60_000), EndReason.EXPIRED)
            return
        if self._quiet_ms is not None and now_ms >= self._quiet_ms:
            self._all_heard()
        self._go_on(now_ms)

    def receive(self, given: Input, now_ms: int) -> None:
        """Apply one input."""
        if self._closed:
            return
        handler = _HANDLERS.get(type(given))
        if handler is not None:
            handler(self, given, now_ms)
            if self._closing_ms is not None and not isinstance(given, _FROM_CLIENTS):
                self._closing_ms = now_ms
            if not self._closed:
                self._go_on(now_ms)

    # --- lifecycle ---

    def _opened(self, given: Opened, _now_ms: int) -> None:
        self._outbox.do(RecordTranslation(self._config))
        self._show(given)
        self._source.begin()

    def _show(self, given: Opened | Joined) -> None:
        event_id = self._outbox.event_id()
        created = TranslationSessionCreated(event_id=event_id, session=self._config)
        self._outbox.send(created, to=given.controller)

    def _end(self, fault: WireFault, reason: EndReason) -> None:
        self._outbox.send_fault(fault, event_id=None)
        self._close(fault.close_code or 1001, fault.close_reason, reason)

    def _close(self, code: int, text: str, reason: EndReason) -> None:
        self._translating.end()
        self._outbox.do(Close(code, text, reason))
        self._closed = True

    def _revoked(self, given: Revoked, _now_ms: int) -> None:
        self._end(given.fault, given.reason)

    def _shutdown(self, given: Shutdown, _now_ms: int) -> None:
        self._close(given.close_code, given.close_reason, given.reason)

    # --- client events, in order ---

    def _from_client(self, given: TranslationFromClient | InvalidFromClient, now_ms: int) -> None:
        if self._asked is not None:
            self._waiting.append(given)
        else:
            self._consider(given, now_ms)

    def _consider(self, given: TranslationFromClient | InvalidFromClient, now_ms: int) -> None:
        if isinstance(given, InvalidFromClient):
            self._outbox.send_fault(given.fault, event_id=given.event_id, to=given.controller)
        elif self._closing_ms is not None:
            return  # it is over; what is still to be sent is decided
        elif isinstance(given.event, TranslationClose):
            self._drain(now_ms)
        else:
            self._asked = (self._ask("session.update", given.event), given)

    def _ask(self, action: str, event: Any) -> int:
        self._questions += 1
        facts: dict[str, Any] = {"model": self._config.model}
        if event is not None:
            facts["event"] = event
        self._outbox.do(Ask(self._questions, action, facts))
        return self._questions

    def _allowed(self, given: Allowed, now_ms: int) -> None:
        if self._translating.allowed(given.question):
            return
        if self._asked is not None and self._asked[0] == given.question:
            asked = self._asked[1]
            self._asked = None
            self._update(asked)
            self._resume(now_ms)

    def _refused(self, given: Refused, now_ms: int) -> None:
        if self._translating.refused(given.question, given.fault):
            return
        if self._asked is not None and self._asked[0] == given.question:
            asked = self._asked[1]
            self._asked = None
            self._tell(given.fault, asked)
            self._resume(now_ms)

    def _resume(self, now_ms: int) -> None:
        while self._waiting and self._asked is None:
            self._consider(self._waiting.pop(0), now_ms)

    def _update(self, given: TranslationFromClient) -> None:
        if isinstance(given.event, TranslationClose):
            return
        models = self._traits.transcription_models
        try:
            self._config = translation_updated(
                self._config, given.event.session, transcription_models=models
            )
        except WireFault as fault:
            self._tell(fault, given)
            return
        event_id = self._outbox.event_id()
        self._outbox.send(TranslationSessionUpdated(event_id=event_id, session=self._config))
        self._outbox.do(RecordTranslation(self._config))

    def _tell(self, fault: WireFault, given: TranslationFromClient) -> None:
        self._outbox.send_fault(fault, event_id=given.event.event_id, to=given.controller)

    # --- the source ---

    def _appended(self, given: AudioAppended, _now_ms: int) -> None:
        if self._closing_ms is None:
            self._source.append(given.samples)
            self._clock.heard(self._source.heard)

    def _detected(self, given: SpeechProbability, now_ms: int) -> None:
        self._source.observe(given)
        self._clock.heard(self._source.heard)
        if self._quiet_ms is not None:
            self._quiet_ms = now_ms + self._limits.quiet_ms

    def _detection_lost(self, _given: DetectionLost, _now_ms: int) -> None:
        self._source.lost()

    def _stretch_opened(self) -> RecognitionRequest:
        utterance_id = self._outbox.ids("utt")
        self._words.open(utterance_id)
        shown = self._config.audio.input.transcription
        return RecognitionRequest(
            utterance_id=utterance_id,
            model="" if shown is None else shown.model,
            partials=shown is not None,
        )

    # --- reports ---

    def _understood(self, given: TranscriptFinal, _now_ms: int) -> None:
        if self._words.final(given.utterance_id, given.text):
            self._source.recognised()

    def _not_understood(self, given: RecognitionFailed, _now_ms: int) -> None:
        if self._words.failed(given.utterance_id, given.fault):
            self._source.recognised()

    def _source_told(self, text: str) -> None:
        if self._config.audio.input.transcription is None:
            return
        event_id, elapsed_ms = self._outbox.event_id(), self._clock.elapsed_ms
        self._outbox.send(
            SourceTranscriptDelta(event_id=event_id, delta=text, elapsed_ms=elapsed_ms)
        )

    def _translation_told(self, text: str) -> None:
        event_id, elapsed_ms = self._outbox.event_id(), self._clock.elapsed_ms
        self._outbox.send(
            TranslatedTranscriptDelta(event_id=event_id, delta=text, elapsed_ms=elapsed_ms)
        )

    def _failed(self, fault: WireFault | EngineFault) -> None:
        """Say what is missing: nothing else on this wire could."""
        told = TranslationFault(fault) if isinstance(fault, EngineFault) else fault
        self._outbox.send_fault(told, event_id=None)

    # --- frames, and the end ---

    def _go_on(self, now_ms: int) -> None:
        """Send what is due; end what is over."""
        speech = self._translating
        while True:
            samples = self._clock.take(speech.available, now_ms, flowing=speech.flowing)
            if samples is None:
                break
            event_id, elapsed_ms = self._outbox.event_id(), self._clock.elapsed_ms
            self._outbox.do(SendTranslatedFrame(event_id, samples, elapsed_ms))
            if samples:
                speech.heard(samples)
            if self._closing_ms is not None:
                self._closing_ms = now_ms
        if self._closing_ms is not None:
            self._look_for_the_end(now_ms)

    def _drain(self, now_ms: int) -> None:
        self._closing_ms = now_ms
        self._quiet_ms = now_ms + self._limits.quiet_ms

    def _all_heard(self) -> None:
        self._quiet_ms = None
        self._clock.draining = True
        self._source.finish()

    def _look_for_the_end(self, now_ms: int) -> None:
        if self._quiet_ms is not None and self._source.all_heard:
            self._all_heard()
        understood = self._quiet_ms is None and not self._words and not self._source.waiting
        over = understood and self._translating.idle
        if over or now_ms >= (self._closing_ms or 0) + self._limits.drain_ms:
            self._outbox.send(TranslationSessionClosed(event_id=self._outbox.event_id()))
            self._close(CLOSED_CODE, "", EndReason.CLIENT_CLOSED)


_FROM_CLIENTS: Final = (TranslationFromClient, InvalidFromClient, AudioAppended)
_HANDLERS: dict[type, Callable[[TranslationSession, Any, int], None]] = {
    Opened: TranslationSession._opened,
    Joined: lambda s, it, _: s._show(it),
    TranslationFromClient: TranslationSession._from_client,
    InvalidFromClient: TranslationSession._from_client,
    Allowed: TranslationSession._allowed,
    Refused: TranslationSession._refused,
    TokensReserved: lambda s, it, _: s._translating.reserved(it.response_id),
    TokensRefused: lambda s, it, _: s._translating.unreserved(it.response_id, it.fault),
    Revoked: TranslationSession._revoked,
    Shutdown: TranslationSession._shutdown,
    AudioAppended: TranslationSession._appended,
    SpeechProbability: TranslationSession._detected,
    DetectionLost: TranslationSession._detection_lost,
    TranscriptPartial: lambda s, it, _: s._words.partial(it.utterance_id, it.delta),
    TranscriptFinal: TranslationSession._understood,
    RecognitionFailed: TranslationSession._not_understood,
    BrainText: lambda s, it, _: s._translating.brain(it),
    BrainFinished: lambda s, it, _: s._translating.brain(it),
    BrainFailed: lambda s, it, _: s._translating.brain(it),
    SpeechProduced: lambda s, it, _: s._translating.produced(it),
    SpeechFinished: lambda s, it, _: s._translating.segment_ended(it),
    SpeechFailed: lambda s, it, _: s._translating.segment_ended(it),
}
"""What is not here (images, tools, playback) is none of a translation's business."""
