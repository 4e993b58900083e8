"""How long an upstream may be away, and what is tried next: again, another one, or nothing."""

from __future__ import annotations

from typing import Final, Literal

from realtime.relay.limits import RelayLimits

FIRST_DELAY_MS: Final = 100
MOST_DELAY_MS: Final = 5_000
SETTLED_MS: Final = 10_000
"""A connection that lasts this long is no part of the trouble before it."""

Next = Literal["again", "elsewhere", "nothing"]


class Trouble:
    """Begins with a loss and ends with a response, or a connection that lasts."""

    def __init__(self, limits: RelayLimits, *, now_ms: int) -> None:
        self._limits = limits
        self._fallbacks = limits.fallbacks
        self._ready_ms = now_ms
        self._since_ms: int | None = None
        self.delay_ms = 0
        """How long to wait before the next attempt."""

    @property
    def can_fall_back(self) -> bool:
        """There is another endpoint."""
        return self._fallbacks > 0

    def over(self) -> None:
        """The upstream answers."""
        self._since_ms, self.delay_ms = None, 0

    def connected(self, now_ms: int) -> None:
        """There is a connection; whether it is of use is to be seen."""
        self._ready_ms = now_ms

    def lost(self, now_ms: int) -> None:
        """It is gone."""
        if now_ms - self._ready_ms > SETTLED_MS:
            self.over()

    def next(self, now_ms: int) -> Next:
        """Return what is to be done now."""
        if self._since_ms is None:
            self._since_ms = now_ms
        most_ms = self._limits.reconnect_ms
        if self.can_fall_back:
            most_ms = min(most_ms, self._limits.fall_back_ms)
        if now_ms + self.delay_ms - self._since_ms <= most_ms:
            return "again"
        return self.fall_back(now_ms)

    def fall_back(self, now_ms: int) -> Next:
        """The endpoint is given up."""
        if not self._fallbacks:
            return "nothing"
        self._fallbacks -= 1
        self._since_ms, self.delay_ms = now_ms, 0
        return "elsewhere"

    def waited(self) -> None:
        """An attempt is made: the next one waits longer."""
        self.delay_ms = min(max(2 * self.delay_ms, FIRST_DELAY_MS), MOST_DELAY_MS)
