"""Input transcription: from recogniser reports to the conversation and its events (CONTRACT 9.3).

An utterance bears the id of the item it becomes. Whether its transcript is
shown is decided by the configuration in force at the commit. Its deltas reach
the client after the item does, but for models that stream: theirs come while
the words are spoken, if the configuration said so when speech began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from realtime.conversation import samples_to_ms
from realtime.engine import (
    EngineFault,
    RecognitionRequest,
    TokenLogprob,
    TranscriptFinal,
    TranscriptPartial,
)
from realtime.events.items import InputAudio, MessageItem
from realtime.events.transcription_events import (
    Logprob,
    TranscriptionCompleted,
    TranscriptionCompletedInFull,
    TranscriptionCompletedWithLanguages,
    TranscriptionCompletedWithLogprobs,
    TranscriptionDelta,
    TranscriptionDeltaWithLogprobs,
    TranscriptionDuration,
    TranscriptionFailed,
    TranscriptionFault,
    TranscriptionInputDetails,
    TranscriptionLanguage,
    TranscriptionTokens,
)
from realtime.session.config import ByMeaning, Transcription
from realtime.session.effects import CloseRecognition
from realtime.session.state import SessionState
from realtime.turns.models import transcription_model
from realtime.usage import text_tokens, user_audio_tokens

LOGPROBS = "item.input_audio_transcription.logprobs"


@dataclass(slots=True)
class _Utterance:
    samples: int = 0
    held: list[TranscriptPartial] = field(default_factory=list)
    sent: str = ""
    sent_logprobs: int = 0
    committed: bool = False
    shown: Transcription | None = None
    logprobs: bool = False
    content_index: int = 0


class Transcripts:
    """The utterances whose transcripts are awaited."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._open: dict[str, _Utterance] = {}

    @property
    def wanted(self) -> bool:
        """Spoken input must be recognised: for the brain, the client, or the end of the turn."""
        heard = self._state.config.audio.input
        return (
            self._brain_reads
            or heard.transcription is not None
            or isinstance(heard.turn_detection, ByMeaning)
        )

    @property
    def _brain_reads(self) -> bool:
        return self._state.converses and self._state.traits.needs_transcript

    @property
    def _foresees(self) -> bool:
        """What is understood at a pause is wanted: to judge it, or to think about it already."""
        detection = self._state.config.audio.input.turn_detection
        if isinstance(detection, ByMeaning):
            return True
        thinks = self._brain_reads and self._state.traits.speculations > 0
        return thinks and detection is not None and detection.create_response

    @property
    def streams(self) -> bool:
        """The configured model gives words while they are spoken."""
        chosen = self._state.config.audio.input.transcription
        return chosen is not None and transcription_model(chosen.model).streams

    @property
    def _with_logprobs(self) -> bool:
        return LOGPROBS in (self._state.config.include or ())

    def request(self, item_id: str) -> RecognitionRequest:
        """Begin an utterance and return what to ask of the recogniser."""
        heard = self._state.config.audio.input
        utterance = self._open[item_id] = _Utterance()
        chosen = heard.transcription
        if self.streams:
            utterance.shown, utterance.logprobs = chosen, self._with_logprobs
        return RecognitionRequest(
            utterance_id=item_id,
            model=chosen.model if chosen else "",
            language=self._state.spoken_language,
            languages=heard.wishes.languages,
            prompt=chosen.prompt if chosen else None,
            keywords=heard.wishes.keywords,
            delay=heard.wishes.delay,
            partials=self.streams,
            hypotheses=self._foresees,
            logprobs=self._with_logprobs,
        )

    def commit(self, item_id: str, samples: int, *, content_index: int = 0) -> None:
        """The utterance is an item now; what was held may be shown."""
        utterance = self._open.get(item_id)
        if utterance is None:
            return
        utterance.samples = samples
        utterance.committed = True
        utterance.content_index = content_index
        if not utterance.sent:
            utterance.shown = self._state.config.audio.input.transcription
            utterance.logprobs = self._with_logprobs
        held, utterance.held = utterance.held, []
        for partial in held:
            self._show(item_id, utterance, partial.delta, partial.logprobs)

    def pending(self) -> set[str]:
        """Return the items whose transcript is awaited."""
        return {item_id for item_id, utterance in self._open.items() if utterance.committed}

    def close(self, item_id: str) -> None:
        """Forget the utterance: its audio was cleared or its item deleted."""
        if self._open.pop(item_id, None) is not None:
            self._state.outbox.do(CloseRecognition(item_id))

    def partial(self, report: TranscriptPartial) -> None:
        """More words are known."""
        utterance = self._open.get(report.utterance_id)
        if utterance is None:
            return
        if utterance.committed or utterance.shown is not None:
            self._show(report.utterance_id, utterance, report.delta, report.logprobs)
        else:
            utterance.held.append(report)

    def _show(
        self, item_id: str, utterance: _Utterance, delta: str, logprobs: Sequence[TokenLogprob]
    ) -> None:
        if not delta or utterance.shown is None:
            return
        utterance.sent += delta
        utterance.sent_logprobs += len(logprobs)
        outbox = self._state.outbox
        told: dict[str, Any] = {
            "event_id": outbox.event_id(),
            "item_id": item_id,
            "content_index": utterance.content_index,
            "delta": delta,
            "obfuscation": outbox.padding(delta),
        }
        event: TranscriptionDelta | TranscriptionDeltaWithLogprobs
        if utterance.logprobs:
            event = TranscriptionDeltaWithLogprobs(**told, logprobs=_shown_logprobs(logprobs))
        else:
            event = TranscriptionDelta(**told)
        outbox.send(event)

    def final(self, report: TranscriptFinal) -> bool:
        """All words are known; return whether anybody waited for them."""
        item_id, text = report.utterance_id, report.text
        utterance = self._open.get(item_id)
        if utterance is None or not utterance.committed:
            return False
        del self._open[item_id]
        self._remember(item_id, utterance, text)
        if utterance.shown is not None:
            self._show_rest(item_id, utterance, report)
            self._complete(item_id, utterance, report)
        return True

    def silent(self, item_id: str, samples: int) -> None:
        """The item holds no speech at all: there is nothing to recognise."""
        self._open[item_id] = _Utterance()
        self.commit(item_id, samples)
        self.final(TranscriptFinal(item_id, ""))

    def _show_rest(self, item_id: str, utterance: _Utterance, report: TranscriptFinal) -> None:
        """Send what no delta had; the first of a stream may begin with a space (CONTRACT 12)."""
        sent = utterance.sent.removeprefix(" ")
        if report.text.startswith(sent):
            rest = report.logprobs[utterance.sent_logprobs :]
            self._show(item_id, utterance, report.text[len(sent) :], rest)

    def _remember(self, item_id: str, utterance: _Utterance, text: str) -> None:
        entry = self._state.conversation.get(item_id)
        if entry is None or not isinstance(entry.item, MessageItem):
            return
        entry.spoken_text = text
        if utterance.shown is not None:
            content = list(entry.item.content)
            content[utterance.content_index] = InputAudio(transcript=text)
            entry.item = replace(entry.item, content=content)

    def _complete(self, item_id: str, utterance: _Utterance, report: TranscriptFinal) -> None:
        told: dict[str, Any] = {
            "event_id": self._state.outbox.event_id(),
            "item_id": item_id,
            "content_index": utterance.content_index,
            "transcript": report.text,
            "usage": _usage(utterance, report.text),
        }
        heard = report.languages or ((report.language,) if report.language else ())
        detects = transcription_model(_model_of(utterance)).detects_languages
        languages = [TranscriptionLanguage(code=code) for code in heard] if detects else []
        logprobs = _shown_logprobs(report.logprobs)
        event: TranscriptionCompleted
        if languages and utterance.logprobs:
            event = TranscriptionCompletedInFull(**told, languages=languages, logprobs=logprobs)
        elif languages:
            event = TranscriptionCompletedWithLanguages(**told, languages=languages)
        elif utterance.logprobs:
            event = TranscriptionCompletedWithLogprobs(**told, logprobs=logprobs)
        else:
            event = TranscriptionCompleted(**told)
        self._state.outbox.send(event)

    def failed(self, item_id: str, fault: EngineFault) -> bool:
        """There will be no words; return whether anybody waited for them."""
        utterance = self._open.get(item_id)
        if utterance is None:
            return False
        del self._open[item_id]
        if utterance.shown is not None and utterance.committed:
            outbox = self._state.outbox
            outbox.send(
                TranscriptionFailed(
                    event_id=outbox.event_id(),
                    item_id=item_id,
                    content_index=utterance.content_index,
                    error=TranscriptionFault(
                        type="server_error", code=fault.code, message=fault.message
                    ),
                )
            )
        return utterance.committed

    def is_open(self, item_id: str) -> bool:
        """Say whether reports of the utterance are still expected."""
        return item_id in self._open


def _model_of(utterance: _Utterance) -> str:
    return utterance.shown.model if utterance.shown else ""


def _shown_logprobs(found: Sequence[TokenLogprob]) -> list[Logprob] | None:
    """Return log probabilities as the wire has them, null where there are none."""
    return [
        Logprob(token=one.token, logprob=one.logprob, bytes=list(one.token.encode()))
        for one in found
    ] or None


def _usage(utterance: _Utterance, text: str) -> TranscriptionTokens | TranscriptionDuration:
    if transcription_model(_model_of(utterance)).billed == "duration":
        return TranscriptionDuration(seconds=-(-samples_to_ms(utterance.samples) // 1000))
    heard, written = user_audio_tokens(utterance.samples), text_tokens(text)
    return TranscriptionTokens(
        total_tokens=heard + written,
        input_tokens=heard,
        input_token_details=TranscriptionInputDetails(text_tokens=0, audio_tokens=heard),
        output_tokens=written,
    )
