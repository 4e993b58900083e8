"""Events of a response, from its creation to its end (CONTRACT 8.2 to 8.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from realtime.events.items import Item
from realtime.session.config import AudioFormat
from realtime.usage import Usage

JsonObject: TypeAlias = dict[str, Any]
ResponseStatus: TypeAlias = Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseAudioFormat:
    """`audio.output` of a response."""

    format: AudioFormat
    voice: str | JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseAudio:
    """`audio` of a response."""

    output: ResponseAudioFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseObject:
    """A response in the wire's key order (CONTRACT 10)."""

    object: Literal["realtime.response"] = "realtime.response"
    id: str
    status: ResponseStatus
    status_details: JsonObject | None
    output: list[Item]
    conversation_id: str | None
    output_modalities: list[Literal["text", "audio"]]
    max_output_tokens: int | Literal["inf"]
    audio: ResponseAudio
    usage: Usage | None
    metadata: dict[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseCreated:
    """A response began."""

    type: Literal["response.created"] = "response.created"
    event_id: str
    response: ResponseObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseDone:
    """A response ended, one way or another; exactly one for each `response.created`."""

    type: Literal["response.done"] = "response.done"
    event_id: str
    response: ResponseObject


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputItemAdded:
    """A response began an item."""

    type: Literal["response.output_item.added"] = "response.output_item.added"
    event_id: str
    response_id: str
    output_index: int
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputItemDone:
    """A response finished an item."""

    type: Literal["response.output_item.done"] = "response.output_item.done"
    event_id: str
    response_id: str
    output_index: int
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioPart:
    """A spoken part; its type word differs from the item's (CONTRACT 8.2)."""

    type: Literal["audio"] = "audio"
    transcript: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """A written part."""

    type: Literal["text"] = "text"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPartAdded:
    """A part began."""

    type: Literal["response.content_part.added"] = "response.content_part.added"
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    part: AudioPart | TextPart


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPartDone:
    """A part ended; it holds only what was streamed."""

    type: Literal["response.content_part.done"] = "response.content_part.done"
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    part: AudioPart | TextPart


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTextDelta:
    """More written answer."""

    type: Literal["response.output_text.delta"] = "response.output_text.delta"
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    delta: str
    obfuscation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTextDone:
    """The written answer so far is all."""

    type: Literal["response.output_text.done"] = "response.output_text.done"
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptDelta:
    """More transcript of the spoken answer."""

    type: Literal["response.output_audio_transcript.delta"] = (
        "response.output_audio_transcript.delta"
    )
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    delta: str
    obfuscation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptDone:
    """The transcript so far is all."""

    type: Literal["response.output_audio_transcript.done"] = "response.output_audio_transcript.done"
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    transcript: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAudioDelta:
    """More spoken answer, base64 in the response's output format.

    The hot path never builds one (the shell writes the frame); it stands here
    for the schema and for traces.
    """

    type: Literal["response.output_audio.delta"] = "response.output_audio.delta"
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    delta: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAudioDone:
    """No more audio in this part."""

    type: Literal["response.output_audio.done"] = "response.output_audio.done"
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallArgumentsDelta:
    """More of a call's arguments."""

    type: Literal["response.function_call_arguments.delta"] = (
        "response.function_call_arguments.delta"
    )
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    call_id: str
    delta: str
    obfuscation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallArgumentsDone:
    """A call's arguments, whole."""

    type: Literal["response.function_call_arguments.done"] = "response.function_call_arguments.done"
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    call_id: str
    name: str
    arguments: str
