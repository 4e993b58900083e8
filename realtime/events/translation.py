"""Events of translation sessions, client's and server's (CONTRACT 13).

The server's are dataclasses whose field order is the wire's key order, as in
`realtime.events.server`; `error` is that of every session. `elapsed_ms` is the
translation's own time, in steps of a frame (200 ms).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from pydantic import ValidationError

from realtime.errors import InvalidEvent, InvalidValue, WireFault
from realtime.events.client import ClientEventBase
from realtime.events.faults import fault_of, json_kind
from realtime.events.server import ErrorEvent, ServerEvent
from realtime.translation.config import TranslationSessionConfig
from realtime.translation.requests import TranslationUpdateIn

SUPPORTED: Final = ("session.update", "session.input_audio_buffer.append", "session.close")
"""In the order of the service's own list."""

SHOWN_CHARS: Final = 64
"""Longer names are shortened in the middle; where the service begins to is unknown."""


# --- the client's ---------------------------------------------------------------


class TranslationUpdate(ClientEventBase):
    """Change the translation."""

    type: Literal["session.update"]
    session: TranslationUpdateIn


class TranslationAudioAppend(ClientEventBase):
    """Source audio: base64 of PCM16 mono at 24 kHz."""

    type: Literal["session.input_audio_buffer.append"]
    audio: str


class TranslationClose(ClientEventBase):
    """Translate what is still to be translated, then end."""

    type: Literal["session.close"]


TranslationClientEvent: TypeAlias = TranslationUpdate | TranslationAudioAppend | TranslationClose

MODELS: Mapping[str, type[ClientEventBase]] = {
    "session.update": TranslationUpdate,
    "session.input_audio_buffer.append": TranslationAudioAppend,
    "session.close": TranslationClose,
}


def translation_event(data: object) -> TranslationClientEvent:
    """Return the validated event of a decoded frame.

    Raises:
        WireFault: what is wrong with it, as CONTRACT 13 and 16 word it.
    """
    if not isinstance(data, dict):
        raise InvalidEvent(f"Invalid event: expected an object, but got {json_kind(data)} instead.")
    kind = data.get("type")
    if kind is None:
        raise InvalidEvent("The 'type' field is missing.")
    if not isinstance(kind, str):
        raise WireFault(
            f"Invalid type for 'type': expected a string, but got {json_kind(kind)} instead.",
            param="type",
            code="invalid_type",
        )
    if kind not in MODELS:
        raise InvalidValue.unsupported(_shortened(kind), SUPPORTED, param="type")
    try:
        return MODELS[kind].model_validate(data)  # type: ignore[return-value]  # as MODELS says
    except ValidationError as error:
        raise fault_of(error, data) from None


def _shortened(name: str) -> str:
    if len(name) <= SHOWN_CHARS:
        return name
    half = (SHOWN_CHARS - 3) // 2
    return f"{name[:half]}...{name[-half:]}"


# --- the server's ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationSessionCreated:
    """The first event of a connection."""

    type: Literal["session.created"] = "session.created"
    event_id: str
    session: TranslationSessionConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationSessionUpdated:
    """The whole effective session after an accepted update."""

    type: Literal["session.updated"] = "session.updated"
    event_id: str
    session: TranslationSessionConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationSessionClosed:
    """Everything was sent; the socket closes."""

    type: Literal["session.closed"] = "session.closed"
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTranscriptDelta:
    """More of what was said; only where transcription is set."""

    type: Literal["session.input_transcript.delta"] = "session.input_transcript.delta"
    event_id: str
    delta: str
    elapsed_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatedTranscriptDelta:
    """More of the translation, as text."""

    type: Literal["session.output_transcript.delta"] = "session.output_transcript.delta"
    event_id: str
    delta: str
    elapsed_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatedAudioDelta:
    """A frame of the translation, base64; the shell writes it, it stands here for the schema."""

    type: Literal["session.output_audio.delta"] = "session.output_audio.delta"
    event_id: str
    delta: str
    sample_rate: int = 24_000
    channels: int = 1
    format: Literal["pcm16"] = "pcm16"
    elapsed_ms: int


TranslationEvent: TypeAlias = (
    TranslationSessionCreated
    | TranslationSessionUpdated
    | TranslationSessionClosed
    | SourceTranscriptDelta
    | TranslatedTranscriptDelta
    | TranslatedAudioDelta
    | ErrorEvent
)
AnyServerEvent: TypeAlias = ServerEvent | TranslationEvent
"""What any kind of session sends."""
