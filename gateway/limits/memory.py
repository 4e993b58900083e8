"""Rate limits of one process: buckets that refill steadily.

A bucket holds a minute's allowance and refills over a minute, so that there is
no edge of a window at which twice the limit would pass.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.limits.port import Owner, RateLimited, Resource, Standing, Standings

WINDOW_S = 60.0
SWEEP_AT = 1_024
"""At so many owners those whose allowance is whole again are forgotten."""


class _Bucket:
    """One allowance: what is used of it, as of an instant."""

    __slots__ = ("_at_s", "_used", "limit")

    def __init__(self, limit: int, now_s: float) -> None:
        self.limit = limit
        self._used = 0.0
        self._at_s = now_s

    def used(self, now_s: float) -> float:
        """Return what is used now; more than the limit if more was charged than held."""
        refilled = max(now_s - self._at_s, 0.0) * self.limit / WINDOW_S
        self._used = max(self._used - refilled, 0.0)
        self._at_s = now_s
        return self._used

    def charge(self, amount: int, now_s: float) -> None:
        """Use more, or give back."""
        self._used = max(self.used(now_s) + amount, 0.0)

    def lacking_s(self, amount: int, now_s: float) -> float:
        """Return how long until there is room, 0 if there is."""
        over = self.used(now_s) + amount - self.limit
        return max(over, 0.0) * WINDOW_S / self.limit

    def standing(self, now_s: float) -> Standing:
        """Return what is left."""
        used = self.used(now_s)
        remaining = max(int(self.limit - used), 0)
        return Standing(self.limit, remaining, used * WINDOW_S / self.limit)


class MemoryRateLimits:
    """The buckets of this process; `monotonic_s` is its clock."""

    def __init__(
        self,
        *,
        requests_per_minute: int,
        tokens_per_minute: int,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._limits: dict[Resource, int] = {
            "requests": requests_per_minute,
            "tokens": tokens_per_minute,
        }
        self._now_s = monotonic_s
        self._buckets: dict[Owner, dict[Resource, _Bucket]] = {}

    def take(self, owner: Owner, *, requests: int = 0, tokens: int = 0) -> None:
        """See `RateLimits.take`."""
        now_s = self._now_s()
        buckets = self._of(owner, now_s)
        asked: dict[Resource, int] = {"requests": requests, "tokens": tokens}
        for resource, amount in asked.items():
            bucket = buckets[resource]
            retry_s = bucket.lacking_s(amount, now_s) if amount else 0.0
            if retry_s:
                standing = bucket.standing(now_s)
                raise RateLimited(owner, resource, standing, asked=amount, retry_s=retry_s)
        for resource, amount in asked.items():
            buckets[resource].charge(amount, now_s)

    def settle(self, owner: Owner, *, tokens: int) -> None:
        """See `RateLimits.settle`."""
        now_s = self._now_s()
        self._of(owner, now_s)["tokens"].charge(tokens, now_s)

    def standings(self, owner: Owner) -> Standings:
        """See `RateLimits.standings`."""
        now_s = self._now_s()
        buckets = self._of(owner, now_s)
        return Standings(buckets["requests"].standing(now_s), buckets["tokens"].standing(now_s))

    def _of(self, owner: Owner, now_s: float) -> dict[Resource, _Bucket]:
        found = self._buckets.get(owner)
        if found is None:
            if len(self._buckets) >= SWEEP_AT:
                self._sweep(now_s)
            found = {name: _Bucket(limit, now_s) for name, limit in self._limits.items()}
            self._buckets[owner] = found
        return found

    def _sweep(self, now_s: float) -> None:
        self._buckets = {
            owner: buckets
            for owner, buckets in self._buckets.items()
            if any(bucket.used(now_s) for bucket in buckets.values())
        }
