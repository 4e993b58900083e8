"""What bounds a translation session; in ms, unless named otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from realtime.engine import SAMPLE_RATE

FRAME_MS: Final = 200
FRAME_SAMPLES: Final = SAMPLE_RATE * FRAME_MS // 1000
"""The engine's frames (CONTRACT 13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationLimits:
    """Bounds and measures of a session."""

    max_duration_ms: int = 60 * 60 * 1000
    speech_start_ms: int = 64
    silence_ms: int = 400
    """A pause that ends a stretch of speech, however short the stretch."""
    padding_ms: int = 300
    """Audio before the first voice that belongs to a stretch."""
    short_stretch_ms: int = 3_000
    """From here on any pause ends a stretch, also one between two words."""
    longest_stretch_ms: int = 8_000
    """Here a stretch ends though nobody paused."""
    pace: float = 6.0
    """How fast frames may go, times real time, where the source came faster than that."""
    behind_ms: int = 5_000
    """Speech that waits to be heard, beyond which the voice hurries."""
    hurry: float = 1.25
    drain_ms: int = 30_000
    """Longest time after `session.close` in which nothing comes of what is still to come."""
    quiet_ms: int = 500
    """After `session.close` voice activity that says nothing for so long has heard all."""
    max_pending_events: int = 256
    most_recognitions: int = 4
    """Stretches that are recognised at a time."""
    max_pending_stretches: int = 16
    """Stretches on their way to words; beyond them the client is not read."""
    max_unspoken: int = 64
    """Sentences that wait to be spoken; the same."""


def samples_of(ms: int) -> int:
    """Return how many samples so many ms are."""
    return ms * SAMPLE_RATE // 1000
