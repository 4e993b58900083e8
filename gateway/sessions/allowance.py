"""What a session's responses take from its owner's allowance."""

from __future__ import annotations

from gateway.limits.port import Owner, RateLimited, RateLimits
from gateway.telemetry import metrics
from realtime.events.server import RateLimit
from realtime.session.effects import RecordUsage, ReserveTokens

SHORTEST_RESET_S = 0.001
"""The least that the service shows (CONTRACT 10)."""


class Allowance:
    """Holds tokens while a response runs, and charges what it used."""

    def __init__(self, limits: RateLimits, owner: Owner) -> None:
        self._limits = limits
        self._owner = owner
        self._held: dict[str, int] = {}

    def has_room(self, asked: ReserveTokens) -> bool:
        """Say whether a response could begin now; takes nothing."""
        left = self._limits.standings(self._owner)
        needed = self._needed(asked, left.tokens.limit)
        return left.requests.remaining > 0 and left.tokens.remaining >= needed

    def _needed(self, asked: ReserveTokens, limit: int) -> int:
        tokens = asked.input_tokens + asked.output_tokens
        return min(tokens, limit) if asked.input_tokens <= limit else tokens

    def reserve(self, asked: ReserveTokens) -> None:
        """Hold what a response may need; where the limit is less than that, all of it.

        Raises:
            RateLimited: there is no room.
        """
        tokens = self._needed(asked, self._limits.standings(self._owner).tokens.limit)
        try:
            self._limits.take(self._owner, requests=1, tokens=tokens)
        except RateLimited as fault:
            metrics.RATE_LIMITED.labels("response", fault.resource).inc()
            raise
        self._held[asked.response_id] = tokens

    def settle(self, used: RecordUsage) -> None:
        """Charge what the response used instead of what was held for it."""
        held = self._held.pop(used.response_id, 0)
        self._limits.settle(self._owner, tokens=used.usage.total_tokens - held)

    def shown(self) -> list[RateLimit]:
        """Return what `rate_limits.updated` says: the tokens, as the service does."""
        tokens = self._limits.standings(self._owner).tokens
        reset_s = max(round(tokens.reset_s, 3), SHORTEST_RESET_S)
        return [
            RateLimit(
                name="tokens",
                limit=tokens.limit,
                remaining=tokens.remaining,
                reset_seconds=reset_s,
            )
        ]

    def close(self) -> None:
        """Give back what is still held; the session is over."""
        held = sum(self._held.values())
        self._held.clear()
        if held:
            self._limits.settle(self._owner, tokens=-held)
