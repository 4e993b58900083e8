"""Client events: the closed set of what a client may send (CONTRACT 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from realtime.errors import InvalidEvent, InvalidValue, WireFault
from realtime.events.base import EventId, Incoming
from realtime.events.faults import fault_of, json_kind
from realtime.events.items import CreatableItem, ResponseInputItem
from realtime.events.session import ResponseOverrides, SessionIn

SUPPORTED = (
    "session.update",
    "session.close",
    "input_audio_buffer.append",
    "session.input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.truncate",
    "conversation.item.delete",
    "conversation.item.retrieve",
    "response.create",
    "response.cancel",
)
"""The live service's own list, in its order, as its error text prints it (CONTRACT 7)."""

SUPPORTED_IN_TRANSCRIPTION = (
    "session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.truncate",
    "conversation.item.delete",
    "conversation.item.retrieve",
)
"""What a transcription session takes: nothing about answers (CONTRACT 12; the list is ours)."""

TRANSLATION_ONLY = frozenset({"session.close", "session.input_audio_buffer.append"})
MAX_APPEND_BYTES = 15 * 1024 * 1024


class ClientEventBase(Incoming):
    """What every client event may carry."""

    event_id: EventId | None = None


class SessionUpdate(ClientEventBase):
    """Change the session's configuration."""

    type: Literal["session.update"]
    session: SessionIn


class AudioAppend(ClientEventBase):
    """Audio for the input buffer, base64 in the session's input format."""

    type: Literal["input_audio_buffer.append"]
    audio: str


class AudioCommit(ClientEventBase):
    """End the user's turn with what the buffer holds."""

    type: Literal["input_audio_buffer.commit"]


class AudioClear(ClientEventBase):
    """Forget what the buffer holds."""

    type: Literal["input_audio_buffer.clear"]


class OutputAudioClear(ClientEventBase):
    """Drop audio queued for playback; only where the server plays."""

    type: Literal["output_audio_buffer.clear"]


class ItemCreate(ClientEventBase):
    """Insert an item."""

    type: Literal["conversation.item.create"]
    previous_item_id: str | None = None
    item: CreatableItem


class ItemRetrieve(ClientEventBase):
    """Ask for an item with its audio."""

    type: Literal["conversation.item.retrieve"]
    item_id: str


class ItemTruncate(ClientEventBase):
    """Cut assistant audio to what was heard."""

    type: Literal["conversation.item.truncate"]
    item_id: str
    content_index: Annotated[int, Field(ge=0)]
    audio_end_ms: Annotated[int, Field(ge=0)]


class ItemDelete(ClientEventBase):
    """Remove an item."""

    type: Literal["conversation.item.delete"]
    item_id: str


class ResponseParams(ResponseOverrides):
    """The overrides of one response, with its own context if `input` is given."""

    input: list[ResponseInputItem] | None = None


class ResponseCreate(ClientEventBase):
    """Make the model answer."""

    type: Literal["response.create"]
    response: ResponseParams | None = None


class ResponseCancel(ClientEventBase):
    """Stop a running response."""

    type: Literal["response.cancel"]
    response_id: str | None = None


ClientEvent: TypeAlias = (
    SessionUpdate
    | AudioAppend
    | AudioCommit
    | AudioClear
    | OutputAudioClear
    | ItemCreate
    | ItemRetrieve
    | ItemTruncate
    | ItemDelete
    | ResponseCreate
    | ResponseCancel
)

MODELS: Mapping[str, type[ClientEventBase]] = {
    "session.update": SessionUpdate,
    "input_audio_buffer.append": AudioAppend,
    "input_audio_buffer.commit": AudioCommit,
    "input_audio_buffer.clear": AudioClear,
    "output_audio_buffer.clear": OutputAudioClear,
    "conversation.item.create": ItemCreate,
    "conversation.item.retrieve": ItemRetrieve,
    "conversation.item.truncate": ItemTruncate,
    "conversation.item.delete": ItemDelete,
    "response.create": ResponseCreate,
    "response.cancel": ResponseCancel,
}

_SESSION: TypeAdapter[SessionIn] = TypeAdapter(SessionIn)


def client_event(data: object) -> ClientEvent:
    """Return the validated event of a decoded frame.

    Raises:
        WireFault: what is wrong with it, as CONTRACT 16 words it.
    """
    if not isinstance(data, dict):
        raise InvalidEvent(f"Invalid event: expected an object, but got {json_kind(data)} instead.")
    kind = data.get("type")
    if kind is None:
        raise InvalidEvent("The 'type' field is missing.")
    model = MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise _unknown_type(kind)
    try:
        return model.model_validate(data)  # type: ignore[return-value]  # MODELS holds the union's members
    except ValidationError as error:
        raise fault_of(error, data) from None


def _unknown_type(kind: object) -> WireFault:
    if not isinstance(kind, str):
        return WireFault(
            f"Invalid type for 'type': expected a string, but got {json_kind(kind)} instead.",
            param="type",
            code="invalid_type",
        )
    return InvalidValue.unsupported(kind, SUPPORTED, param="type")


def session_in(data: object, *, root: tuple[str, ...] = ("session",)) -> SessionIn:
    """Return the validated session of a REST body; `root` prefixes the fault's `param`.

    Raises:
        WireFault: what is wrong with it.
    """
    try:
        return _SESSION.validate_python(data)
    except ValidationError as error:
        raise fault_of(error, data, root=root) from None


def event_id_of(data: Any) -> str | None:
    """Return the client's `event_id`, for `error.event_id`, if it is one."""
    sent = data.get("event_id") if isinstance(data, dict) else None
    return sent if isinstance(sent, str) and len(sent) <= 512 else None
