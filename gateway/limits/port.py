"""The port of rate limits: what is counted, for whom, and what a refusal says.

Requests are REST calls, connections and responses; tokens are those of
responses. Both are counted per project and model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from realtime.errors import WireFault

Resource: TypeAlias = Literal["requests", "tokens"]
_UNITS: dict[Resource, str] = {
    "requests": "requests per min (RPM)",
    "tokens": "tokens per min (TPM)",
}


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose allowance it is."""

    organisation_id: str
    project_id: str
    model: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One allowance now; `reset_s` seconds until nothing of it is used."""

    limit: int
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class Standings:
    """Both allowances of an owner."""

    requests: Standing
    tokens: Standing


class RateLimited(WireFault):
    """An allowance is used up; `retry_s` seconds until there would be room.

    At a handshake the close code is 1013, "try again later", which SDKs do
    (CONTRACT 4); it is our choice.
    """

    code = "rate_limit_exceeded"
    status = 429
    close_code = 1013

    def __init__(
        self, owner: Owner, resource: Resource, standing: Standing, *, asked: int, retry_s: float
    ) -> None:
        about = (
            f"for {owner.model} in organization {owner.organisation_id} on {_UNITS[resource]}: "
            f"Limit {standing.limit}, "
        )
        used = standing.limit - standing.remaining
        super().__init__(
            f"Request too large {about}Requested {asked}."
            if asked > standing.limit
            else f"Rate limit reached {about}Used {used}, Requested {asked}. "
            f"Please try again in {duration(retry_s)}."
        )
        self.type = resource
        self.resource: Resource = resource
        self.retry_s = retry_s


class RateLimits(Protocol):
    """Counts; no method waits.

    A store that several gateways share is reached behind a share kept here, so
    that neither a request nor a turn waits for it.
    """

    def take(self, owner: Owner, *, requests: int = 0, tokens: int = 0) -> None:
        """Take from both allowances, or from neither.

        Raises:
            RateLimited: one has no room for it.
        """

    def settle(self, owner: Owner, *, tokens: int) -> None:
        """Charge tokens whatever is left; a negative number gives back what was taken."""

    def standings(self, owner: Owner) -> Standings:
        """Return what is left now."""


def duration(seconds: float) -> str:
    """Return a duration as the platform's headers have it: `12ms`, `1s`, `6m0s`."""
    ms = max(round(seconds * 1000), 0)
    if 0 < ms < 1000:
        return f"{ms}ms"
    minutes, rest_ms = divmod(ms, 60_000)
    text = f"{rest_ms / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if not minutes:
        return text
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
