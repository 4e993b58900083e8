"""When the next frame of the translation goes out, and what is in it (CONTRACT 13).

Frames follow the source: one for each that was heard, speech where there is any
and silence elsewhere, so that the translation is one continuous stream. Where
the source stops coming, speech goes on at the pace of real time and silence does
not. A frame waits for the rest of a word that is being synthesised rather than
have a hole in it.
"""

from __future__ import annotations

import math

from realtime.translation.limits import FRAME_MS, FRAME_SAMPLES


class FrameClock:
    """Counts frames; ms and samples."""

    def __init__(self, *, pace: float, opened_ms: int) -> None:
        self._fast_ms = FRAME_MS / pace
        self._last_ms = opened_ms - self._fast_ms
        self._source_frames = 0
        self.frames = 0
        self.draining = False
        """No more source comes: what is left goes at once, no silence is owed."""

    @property
    def elapsed_ms(self) -> int:
        """The translation's own time: what was sent so far."""
        return self.frames * FRAME_MS

    def heard(self, samples: int) -> None:
        """So much of the source was heard."""
        self._source_frames = samples // FRAME_SAMPLES

    def due_ms(self, available: int, *, flowing: bool) -> int | None:
        """Return when the next frame may go, None if something must come first.

        Args:
            available: samples of speech that wait.
            flowing: more of what is being said is on its way.
        """
        due = self._due(available, flowing=flowing)
        return None if due is None else math.ceil(due)

    def _due(self, available: int, *, flowing: bool) -> float | None:
        owed = not self.draining and self.frames < self._source_frames
        if flowing and available < FRAME_SAMPLES:
            return None
        if available == 0 and not owed:
            return None
        step_ms = self._fast_ms if owed or self.draining else FRAME_MS
        return self._last_ms + step_ms

    def take(self, available: int, now_ms: int, *, flowing: bool) -> int | None:
        """Return how many samples of speech the frame that is due has, None if none is due."""
        due = self._due(available, flowing=flowing)
        if due is None or math.ceil(due) > now_ms:
            return None
        # What is late is not made up for, but a timer's lateness is no delay.
        self._last_ms = due if now_ms - due < FRAME_MS else float(now_ms)
        self.frames += 1
        return min(available, FRAME_SAMPLES)
