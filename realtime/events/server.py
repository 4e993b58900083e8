"""Server events as dataclasses whose field order is the wire's key order (CONTRACT 4, 8).

`type` comes first, `event_id` second. They are serialised as they are, so an
event with other keys or in another order cannot be built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from realtime.events.items import Item, RetrievedItem
from realtime.events.mcp_events import McpEvent
from realtime.events.playback_events import PlaybackEvent
from realtime.events.response_events import (
    CallArgumentsDelta,
    CallArgumentsDone,
    ContentPartAdded,
    ContentPartDone,
    OutputAudioDelta,
    OutputAudioDone,
    OutputItemAdded,
    OutputItemDone,
    OutputTextDelta,
    OutputTextDone,
    ResponseCreated,
    ResponseDone,
    TranscriptDelta,
    TranscriptDone,
)
from realtime.events.transcription_events import (
    TranscriptionCompleted,
    TranscriptionCompletedInFull,
    TranscriptionCompletedWithLanguages,
    TranscriptionCompletedWithLogprobs,
    TranscriptionDelta,
    TranscriptionDeltaWithLogprobs,
    TranscriptionFailed,
)
from realtime.session.config import AnySessionConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCreated:
    """The first event of a connection."""

    type: Literal["session.created"] = "session.created"
    event_id: str
    session: AnySessionConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUpdated:
    """The whole effective session after an accepted update."""

    type: Literal["session.updated"] = "session.updated"
    event_id: str
    session: AnySessionConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """`error.event_id` is the client's event, or null."""

    type: str
    code: str | None
    message: str
    param: str | None
    event_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent:
    """A fault; fatal only when a CLOSE follows."""

    type: Literal["error"] = "error"
    event_id: str
    error: ErrorBody


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """A turn began; ms of audio since the session began, padding included."""

    type: Literal["input_audio_buffer.speech_started"] = "input_audio_buffer.speech_started"
    event_id: str
    audio_start_ms: int
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped:
    """A turn ended; ms of audio since the session began, silence included."""

    type: Literal["input_audio_buffer.speech_stopped"] = "input_audio_buffer.speech_stopped"
    event_id: str
    audio_end_ms: int
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutTriggered:
    """Nobody spoke for `idle_timeout_ms`; from the end of playback to now (CONTRACT 8.8)."""

    type: Literal["input_audio_buffer.timeout_triggered"] = "input_audio_buffer.timeout_triggered"
    event_id: str
    audio_start_ms: int
    audio_end_ms: int
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioCommitted:
    """The buffer became an item."""

    type: Literal["input_audio_buffer.committed"] = "input_audio_buffer.committed"
    event_id: str
    previous_item_id: str | None
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioCleared:
    """The buffer was forgotten."""

    type: Literal["input_audio_buffer.cleared"] = "input_audio_buffer.cleared"
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAdded:
    """An item joined the conversation."""

    type: Literal["conversation.item.added"] = "conversation.item.added"
    event_id: str
    previous_item_id: str | None
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDone:
    """An item is final."""

    type: Literal["conversation.item.done"] = "conversation.item.done"
    event_id: str
    previous_item_id: str | None
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRetrieved:
    """An item with its audio."""

    type: Literal["conversation.item.retrieved"] = "conversation.item.retrieved"
    event_id: str
    item: RetrievedItem


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemTruncated:
    """An assistant item was cut."""

    type: Literal["conversation.item.truncated"] = "conversation.item.truncated"
    event_id: str
    item_id: str
    content_index: int
    audio_end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDeleted:
    """An item is gone."""

    type: Literal["conversation.item.deleted"] = "conversation.item.deleted"
    event_id: str
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """One allowance."""

    name: Literal["tokens", "requests"]
    limit: int
    remaining: int
    reset_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitsUpdated:
    """Allowances after a response."""

    type: Literal["rate_limits.updated"] = "rate_limits.updated"
    event_id: str
    rate_limits: list[RateLimit]


ServerEvent: TypeAlias = (
    SessionCreated
    | SessionUpdated
    | ErrorEvent
    | SpeechStarted
    | SpeechStopped
    | TimeoutTriggered
    | AudioCommitted
    | AudioCleared
    | ItemAdded
    | ItemDone
    | ItemRetrieved
    | ItemTruncated
    | ItemDeleted
    | TranscriptionDelta
    | TranscriptionDeltaWithLogprobs
    | TranscriptionCompleted
    | TranscriptionCompletedWithLogprobs
    | TranscriptionCompletedWithLanguages
    | TranscriptionCompletedInFull
    | TranscriptionFailed
    | ResponseCreated
    | ResponseDone
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | OutputTextDelta
    | OutputTextDone
    | TranscriptDelta
    | TranscriptDone
    | OutputAudioDelta
    | OutputAudioDone
    | CallArgumentsDelta
    | CallArgumentsDone
    | McpEvent
    | PlaybackEvent
    | RateLimitsUpdated
)
