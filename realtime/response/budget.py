"""What a response used so far, and what its limit still lets through (CONTRACT 10)."""

from __future__ import annotations

from collections.abc import Sequence

from realtime.engine import BrainUsage
from realtime.response.outputs import Output
from realtime.usage import (
    BYTES_PER_TOKEN,
    CachedDetails,
    InputDetails,
    OutputDetails,
    Usage,
    assistant_audio_tokens,
    text_tokens,
)


class Budget:
    """Counts over a response's outputs; `limit` is in tokens, None for none."""

    def __init__(self, outputs: Sequence[Output], limit: int | None) -> None:
        self._outputs = outputs
        self._limit = limit
        self.sent_samples = 0
        """Audio sent so far."""

    def fitting(self, output: Output, delta: str) -> str:
        """Return as much of more text, transcript or arguments as may still be sent."""
        if self._limit is None:
            return delta
        spent = assistant_audio_tokens(self.sent_samples) + sum(
            text_tokens(made.words) for made in self._outputs if made is not output
        )
        room = (self._limit - spent) * BYTES_PER_TOKEN - len(output.words.encode())
        return delta.encode()[: max(room, 0)].decode(errors="ignore")

    def is_over(self, more_samples: int) -> bool:
        """Say whether so much more audio is too much."""
        if self._limit is None:
            return False
        audio = assistant_audio_tokens(self.sent_samples + more_samples)
        return self._made().text_tokens + audio > self._limit

    def usage(self, given: InputDetails, counted: BrainUsage | None) -> Usage:
        """Return the tokens so far: the model's own count, else the estimate."""
        made = self._made()
        if counted is not None:
            given = InputDetails(
                text_tokens=counted.input_text_tokens,
                audio_tokens=given.audio_tokens,
                image_tokens=given.image_tokens,
                cached_tokens=counted.cached_text_tokens,
                cached_tokens_details=CachedDetails(text_tokens=counted.cached_text_tokens),
            )
            made = OutputDetails(counted.output_text_tokens, made.audio_tokens)
        return Usage.of(given, made)

    def _made(self) -> OutputDetails:
        text = sum(text_tokens(made.words) for made in self._outputs)
        return OutputDetails(text, assistant_audio_tokens(self.sent_samples))
