"""Conversation items: as clients send them (pydantic) and as we show them (dataclasses).

Shown items follow CONTRACT 9.1: `id, type, status, role, content` in that
order, no `object` key, audio bytes only in `conversation.item.retrieved`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag

from realtime.events.base import Incoming, custom_fault
from realtime.events.mcp_items import McpItem, RetrievedMcpItem

ItemStatus: TypeAlias = Literal["completed", "incomplete", "in_progress"]
MAX_CONTENT_PARTS = 1_024
MAX_ID_CHARS = 512

# --- sent by clients ------------------------------------------------------------


class TextIn(Incoming):
    """Text written by the user or the system."""

    type: Literal["input_text"]
    text: str


class AudioPartIn(Incoming):
    """Recorded user audio: base64 in the session's input format."""

    type: Literal["input_audio"]
    audio: str
    transcript: str | None = None


def _image_url(value: str) -> str:
    if not value.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")):
        raise custom_fault(
            "invalid_value",
            "Invalid '{param}'. Expected a base64-encoded data URL of a PNG or JPEG image.",
        )
    return value


class ImageIn(Incoming):
    """An image as a data URI."""

    type: Literal["input_image"]
    image_url: Annotated[str, AfterValidator(_image_url)]
    detail: Literal["auto", "low", "high"] = "auto"


class SpokenIn(Incoming):
    """Assistant speech; history cannot carry audio, so only its transcript counts."""

    type: Literal["output_audio", "audio"]
    transcript: str | None = None
    audio: str | None = None


class WrittenIn(Incoming):
    """Assistant text; the beta name `text` is accepted (CONTRACT 9)."""

    type: Literal["output_text", "text"]
    text: str


UserPart = Annotated[TextIn | AudioPartIn | ImageIn, Field(discriminator="type")]
AssistantPart = Annotated[WrittenIn | SpokenIn, Field(discriminator="type")]
SystemPart = Annotated[TextIn, Field()]

ItemIdIn = Annotated[str, Field(max_length=MAX_ID_CHARS)]


class ItemIn(Incoming):
    """What every item may carry; `status` and `object` are accepted and have no effect."""

    id: ItemIdIn | None = None
    object: Literal["realtime.item"] | None = None
    status: ItemStatus | None = None


class UserMessageIn(ItemIn):
    """A user message."""

    type: Literal["message"]
    role: Literal["user"]
    content: Annotated[list[UserPart], Field(max_length=MAX_CONTENT_PARTS)]


class AssistantMessageIn(ItemIn):
    """An assistant message, as history."""

    type: Literal["message"]
    role: Literal["assistant"]
    content: Annotated[list[AssistantPart], Field(max_length=MAX_CONTENT_PARTS)]
    phase: str | None = None


class SystemMessageIn(ItemIn):
    """A system message."""

    type: Literal["message"]
    role: Literal["system"]
    content: Annotated[list[SystemPart], Field(max_length=MAX_CONTENT_PARTS)]


class FunctionCallIn(ItemIn):
    """A function call, as history."""

    type: Literal["function_call"]
    name: str
    arguments: str
    call_id: str | None = None


class FunctionOutputIn(ItemIn):
    """The client's answer to a function call."""

    type: Literal["function_call_output"]
    call_id: str
    output: str


class McpApprovalResponseIn(ItemIn):
    """The client's answer to an approval request (CONTRACT 8.5)."""

    type: Literal["mcp_approval_response"]
    approval_request_id: str
    approve: bool
    reason: str | None = None


class ItemReferenceIn(Incoming):
    """An item of the conversation, by id; only inside `response.create`."""

    type: Literal["item_reference"]
    id: str


MessageIn = Annotated[
    UserMessageIn | AssistantMessageIn | SystemMessageIn, Field(discriminator="role")
]


def _item_type(value: object) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if isinstance(kind, str) else None


CreatableItem = Annotated[
    Annotated[MessageIn, Tag("message")]
    | Annotated[FunctionCallIn, Tag("function_call")]
    | Annotated[FunctionOutputIn, Tag("function_call_output")]
    | Annotated[McpApprovalResponseIn, Tag("mcp_approval_response")],
    Discriminator(_item_type),
]
ResponseInputItem = Annotated[
    Annotated[MessageIn, Tag("message")]
    | Annotated[FunctionCallIn, Tag("function_call")]
    | Annotated[FunctionOutputIn, Tag("function_call_output")]
    | Annotated[McpApprovalResponseIn, Tag("mcp_approval_response")]
    | Annotated[ItemReferenceIn, Tag("item_reference")],
    Discriminator(_item_type),
]

# --- shown to clients -----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class InputText:
    """Written input."""

    type: Literal["input_text"] = "input_text"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputAudio:
    """Spoken input; `transcript` is null until known."""

    type: Literal["input_audio"] = "input_audio"
    transcript: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputImage:
    """A picture."""

    type: Literal["input_image"] = "input_image"
    image_url: str
    detail: Literal["auto", "low", "high"] = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputText:
    """A written answer."""

    type: Literal["output_text"] = "output_text"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAudio:
    """A spoken answer; `transcript` is null once truncated."""

    type: Literal["output_audio"] = "output_audio"
    transcript: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedAudio:
    """An audio part with its bytes, base64 (CONTRACT 9.1)."""

    type: Literal["input_audio", "output_audio"]
    transcript: str | None
    audio: str
    format: str


ContentPart: TypeAlias = InputText | InputAudio | InputImage | OutputText | OutputAudio


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageItem:
    """A message."""

    id: str
    type: Literal["message"] = "message"
    status: ItemStatus
    role: Literal["system", "user", "assistant"]
    content: list[ContentPart]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCallItem:
    """A function call; `arguments` is JSON text, empty until known."""

    id: str
    type: Literal["function_call"] = "function_call"
    status: ItemStatus
    name: str
    call_id: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionOutputItem:
    """A function's result."""

    id: str
    type: Literal["function_call_output"] = "function_call_output"
    status: ItemStatus
    call_id: str
    output: str


Item: TypeAlias = MessageItem | FunctionCallItem | FunctionOutputItem | McpItem


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedMessage:
    """A message as `conversation.item.retrieved` shows it: with `object` and audio."""

    id: str
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["message"] = "message"
    status: ItemStatus
    role: Literal["system", "user", "assistant"]
    content: list[ContentPart | RetrievedAudio]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedCall:
    """A function call as retrieved."""

    id: str
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["function_call"] = "function_call"
    status: ItemStatus
    name: str
    call_id: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedOutput:
    """A function's result as retrieved."""

    id: str
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["function_call_output"] = "function_call_output"
    status: ItemStatus
    call_id: str
    output: str


RetrievedItem: TypeAlias = RetrievedMessage | RetrievedCall | RetrievedOutput | RetrievedMcpItem
