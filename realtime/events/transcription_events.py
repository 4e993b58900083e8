"""Events about what was said in an input item (CONTRACT 8.9, 12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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
