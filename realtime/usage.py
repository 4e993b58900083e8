"""Token counts: audio by CONTRACT 10, text by a documented estimate where no model counted.

The estimate is one token per four UTF-8 bytes, rounded up. Usage that rests on
it is recorded as `estimated`; the wire has no field for that.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from realtime.engine import SAMPLE_RATE

BYTES_PER_TOKEN = 4
USER_SAMPLES_PER_TOKEN = SAMPLE_RATE // 10
ASSISTANT_SAMPLES_PER_TOKEN = SAMPLE_RATE // 20


def text_tokens(text: str) -> int:
    """Estimate the tokens of a text."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def user_audio_tokens(samples: int) -> int:
    """Count user audio: one token per 100 ms."""
    return -(-samples // USER_SAMPLES_PER_TOKEN)


def assistant_audio_tokens(samples: int) -> int:
    """Count assistant audio: one token per 50 ms."""
    return -(-samples // ASSISTANT_SAMPLES_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class CachedDetails:
    """Cached input by kind."""

    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDetails:
    """Input by kind; `cached_tokens` are part of the others."""

    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0
    cached_tokens: int = 0
    cached_tokens_details: CachedDetails = field(default_factory=CachedDetails)


@dataclass(frozen=True, slots=True)
class OutputDetails:
    """Output by kind."""

    text_tokens: int = 0
    audio_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A response's usage in the wire's key order (CONTRACT 10)."""

    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: InputDetails = field(default_factory=InputDetails)
    output_token_details: OutputDetails = field(default_factory=OutputDetails)

    @classmethod
    def of(cls, given: InputDetails, made: OutputDetails) -> Usage:
        """Return the sums over the details."""
        input_tokens = given.text_tokens + given.audio_tokens + given.image_tokens
        output_tokens = made.text_tokens + made.audio_tokens
        return cls(
            total_tokens=input_tokens + output_tokens,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            input_token_details=given,
            output_token_details=made,
        )
