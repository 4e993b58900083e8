"""Input transcription: from recogniser reports to the conversation and its events (CONTRACT 9.3).

An utterance bears the id of the item it becomes. Deltas reach the client only
after the item does; whether at all is decided by the configuration in force at
the commit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from realtime.conversation import samples_to_ms
from realtime.engine import EngineFault, RecognitionRequest
from realtime.events.items import InputAudio, MessageItem
from realtime.events.server import (
    TranscriptionCompleted,
    TranscriptionDelta,
    TranscriptionDuration,
    TranscriptionFailed,
    TranscriptionFault,
    TranscriptionInputDetails,
    TranscriptionTokens,
)
from realtime.session.config import Transcription
from realtime.session.effects import CloseRecognition
from realtime.session.state import SessionState
from realtime.usage import text_tokens, user_audio_tokens

TOKEN_MODELS = ("gpt-4o-transcribe", "gpt-4o-mini-transcribe")
"""Prefixes of models billed by tokens; the others are billed by time."""


@dataclass(slots=True)
class _Utterance:
    samples: int = 0
    held: str = ""
    sent: str = ""
    committed: bool = False
    shown: Transcription | None = None
    content_index: int = 0


class Transcripts:
    """The utterances whose transcripts are awaited."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._open: dict[str, _Utterance] = {}

    @property
    def wanted(self) -> bool:
        """Spoken input must be recognised: the brain or the client wants the words."""
        state = self._state
        return state.traits.needs_transcript or state.config.audio.input.transcription is not None

    def request(self, item_id: str) -> RecognitionRequest:
        """Begin an utterance and return what to ask of the recogniser."""
        self._open[item_id] = _Utterance()
        configured = self._state.config.audio.input.transcription
        return RecognitionRequest(
            utterance_id=item_id,
            language=configured.language if configured else None,
            prompt=configured.prompt if configured else None,
        )

    def commit(self, item_id: str, samples: int, *, content_index: int = 0) -> None:
        """The utterance is an item now; what was held may be shown."""
        utterance = self._open.get(item_id)
        if utterance is None:
            return
        utterance.samples = samples
        utterance.committed = True
        utterance.content_index = content_index
        utterance.shown = self._state.config.audio.input.transcription
        held, utterance.held = utterance.held, ""
        self._show(item_id, utterance, held)

    def pending(self) -> set[str]:
        """Return the items whose transcript is awaited."""
        return {item_id for item_id, utterance in self._open.items() if utterance.committed}

    def close(self, item_id: str) -> None:
        """Forget the utterance: its audio was cleared or its item deleted."""
        if self._open.pop(item_id, None) is not None:
            self._state.outbox.do(CloseRecognition(item_id))

    def partial(self, item_id: str, delta: str) -> None:
        """More words are known."""
        utterance = self._open.get(item_id)
        if utterance is None:
            return
        if utterance.committed:
            self._show(item_id, utterance, delta)
        else:
            utterance.held += delta

    def _show(self, item_id: str, utterance: _Utterance, delta: str) -> None:
        if not delta or utterance.shown is None:
            return
        utterance.sent += delta
        outbox = self._state.outbox
        outbox.send(
            TranscriptionDelta(
                event_id=outbox.event_id(),
                item_id=item_id,
                content_index=utterance.content_index,
                delta=delta,
                obfuscation=outbox.padding(delta),
            )
        )

    def final(self, item_id: str, text: str) -> bool:
        """All words are known; return whether anybody waited for them."""
        utterance = self._open.get(item_id)
        if utterance is None or not utterance.committed:
            return False
        del self._open[item_id]
        self._remember(item_id, utterance, text)
        if utterance.shown is not None:
            if not utterance.sent:
                self._show(item_id, utterance, text)
            elif text.startswith(utterance.sent):
                self._show(item_id, utterance, text[len(utterance.sent) :])
            self._complete(item_id, utterance, text)
        return True

    def _remember(self, item_id: str, utterance: _Utterance, text: str) -> None:
        entry = self._state.conversation.get(item_id)
        if entry is None or not isinstance(entry.item, MessageItem):
            return
        entry.spoken_text = text
        if utterance.shown is not None:
            content = list(entry.item.content)
            content[utterance.content_index] = InputAudio(transcript=text)
            entry.item = replace(entry.item, content=content)

    def _complete(self, item_id: str, utterance: _Utterance, text: str) -> None:
        outbox = self._state.outbox
        outbox.send(
            TranscriptionCompleted(
                event_id=outbox.event_id(),
                item_id=item_id,
                content_index=utterance.content_index,
                transcript=text,
                usage=_usage(utterance, text),
            )
        )

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


def _usage(utterance: _Utterance, text: str) -> TranscriptionTokens | TranscriptionDuration:
    model = utterance.shown.model if utterance.shown else ""
    if not model.startswith(TOKEN_MODELS):
        return TranscriptionDuration(seconds=-(-samples_to_ms(utterance.samples) // 1000))
    heard, written = user_audio_tokens(utterance.samples), text_tokens(text)
    return TranscriptionTokens(
        total_tokens=heard + written,
        input_tokens=heard,
        input_token_details=TranscriptionInputDetails(text_tokens=0, audio_tokens=heard),
        output_tokens=written,
    )
