"""Server events as dataclasses whose field order is the wire's key order (CONTRACT 4, 8).

`type` comes first, `event_id` second. They are serialised as they are, so an
event with other keys or in another order cannot be built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from realtime.events.items import Item, RetrievedItem
from realtime.events.mcp_events import McpEvent
from realtime.events.playback_events import PlaybackEvent
from realtime.session.config import AnySessionConfig, AudioFormat
from realtime.usage import Usage

JsonObject: TypeAlias = dict[str, Any]
ResponseStatus: TypeAlias = Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]


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
class TranscriptionDelta:
    """More of an input transcript."""

    type: Literal["conversation.item.input_audio_transcription.delta"] = (
        "conversation.item.input_audio_transcription.delta"
    )
    event_id: str
    item_id: str
    content_index: int
    delta: str
    obfuscation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Logprob:
    """A piece of a transcript, its log probability, and its UTF-8 bytes."""

    token: str
    logprob: float
    bytes: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionDeltaWithLogprobs:
    """What a session gets that asked for `…logprobs` in `include`; the padding stays last."""

    type: Literal["conversation.item.input_audio_transcription.delta"] = (
        "conversation.item.input_audio_transcription.delta"
    )
    event_id: str
    item_id: str
    content_index: int
    delta: str
    logprobs: list[Logprob] | None
    obfuscation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionInputDetails:
    """Transcription input by kind."""

    text_tokens: int
    audio_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionTokens:
    """Transcription usage by tokens (CONTRACT 9.3)."""

    type: Literal["tokens"] = "tokens"
    total_tokens: int
    input_tokens: int
    input_token_details: TranscriptionInputDetails
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionDuration:
    """Transcription usage by time: whole seconds, rounded up, silence counted."""

    type: Literal["duration"] = "duration"
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionCompleted:
    """An input transcript, whole."""

    type: Literal["conversation.item.input_audio_transcription.completed"] = (
        "conversation.item.input_audio_transcription.completed"
    )
    event_id: str
    item_id: str
    content_index: int
    transcript: str
    usage: TranscriptionTokens | TranscriptionDuration


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionLanguage:
    """A language that was heard."""

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionCompletedWithLogprobs(TranscriptionCompleted):
    """What a session gets that asked for `…logprobs` in `include`; null where there are none."""

    logprobs: list[Logprob] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionCompletedWithLanguages(TranscriptionCompleted):
    """What models tell that detect languages, if the recogniser does (CONTRACT 9.3)."""

    languages: list[TranscriptionLanguage]


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionCompletedInFull(TranscriptionCompletedWithLanguages):
    """Languages and log probabilities."""

    logprobs: list[Logprob] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionFault:
    """Without `param`: one SDK refuses nulls here (CONTRACT 9.3)."""

    type: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionFailed:
    """There will be no transcript."""

    type: Literal["conversation.item.input_audio_transcription.failed"] = (
        "conversation.item.input_audio_transcription.failed"
    )
    event_id: str
    item_id: str
    content_index: int
    error: TranscriptionFault


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
