"""Whether the caller still hears an answer, as far as can be told from what was sent."""

from __future__ import annotations

from realtime.engine import SAMPLE_RATE
from realtime.session.effects import ReportPlayback
from realtime.session.outbox import Outbox


class Playback:
    """Counts the time that sent audio takes to be heard."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.until_ms: int | None = None
        """When what was sent has been heard; None while nothing is."""

    def sent(self, samples: int, now_ms: int) -> None:
        """Audio went to the caller."""
        if self.until_ms is None:
            self._outbox.do(ReportPlayback(playing=True))
        start = max(self.until_ms or now_ms, now_ms)
        self.until_ms = start + samples * 1000 // SAMPLE_RATE

    def advance(self, now_ms: int) -> None:
        """Let time pass."""
        if self.until_ms is not None and now_ms >= self.until_ms:
            self.end()

    def end(self) -> None:
        """Nothing is heard any more."""
        if self.until_ms is not None:
            self.until_ms = None
            self._outbox.do(ReportPlayback(playing=False))
