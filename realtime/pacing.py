"""How fast audio goes to a client that does not play in step (DECISIONS 2.5).

The first `first_ms` go at once, the rest at `factor` times real time, so that
a cancel or a barge-in meets a live response, as it does on the real service.
"""

from __future__ import annotations

from realtime.engine import SAMPLE_RATE

SMALLEST_SAMPLES = SAMPLE_RATE * 40 // 1000
"""After the first piece, audio is sent in pieces of at least 40 ms …"""

LARGEST_SAMPLES = SAMPLE_RATE * 200 // 1000
"""… and at most 200 ms, unless it is the last of a part."""


class Pacer:
    """The allowance of one response's audio; ms and samples."""

    def __init__(self, *, first_ms: int, factor: float) -> None:
        self._first = SAMPLE_RATE * first_ms // 1000
        self._factor = factor
        self._started_ms: int | None = None
        self._sent = 0

    @property
    def sent(self) -> int:
        """Samples sent so far."""
        return self._sent

    def next_piece(self, available: int, now_ms: int, *, last: bool) -> int:
        """Return how many of the available samples may go now, 0 for none yet.

        `last` says that no more will follow, so that a short rest may go too.
        """
        if available <= 0:
            return 0
        if self._started_ms is None:
            self._started_ms = now_ms
        wanted = self._wanted(available, last=last)
        allowed = self._allowance(now_ms) - self._sent
        if wanted == 0 or allowed < wanted:
            return 0
        self._sent += wanted
        return wanted

    def _wanted(self, available: int, *, last: bool) -> int:
        if self._sent == 0:
            return min(available, self._first)
        if available >= SMALLEST_SAMPLES:
            return min(available, LARGEST_SAMPLES)
        return available if last else 0

    def due_ms(self, available: int, *, last: bool) -> int | None:
        """Return when `next_piece` will next say yes, None if more audio is needed first."""
        wanted = self._wanted(available, last=last) if available > 0 else 0
        if wanted == 0 or self._started_ms is None:
            return None
        missing = self._sent + wanted - self._first
        if missing <= 0:
            return self._started_ms
        return self._started_ms + int(-(-missing * 1000 // (SAMPLE_RATE * self._factor)))

    def _allowance(self, now_ms: int) -> int:
        elapsed = 0 if self._started_ms is None else now_ms - self._started_ms
        return self._first + int(elapsed * self._factor * SAMPLE_RATE // 1000)
