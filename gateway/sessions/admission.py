"""Admission: may this principal do this? Asked at every entry point and inside sessions.

The seam of DECISIONS 1.5. `LocalAdmission` is the embedded default: whoever
has a valid key may do everything a key may do. A policy engine replaces it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

import structlog

from gateway.telemetry import metrics
from realtime.errors import PolicyDenied, PolicyUnavailable

VERDICT_TIMEOUT_S: Final = 5.0
"""How long an evaluator may think; then nothing is allowed (DECISIONS 2.2)."""

LOGGED_FACTS: Final = ("project_id", "key_id", "client_secret_id", "call_id", "model")
"""What a denial's line says of who wanted what."""

_log = structlog.get_logger("policy")


@dataclass(frozen=True, slots=True)
class Allowed:
    """Yes, under obligations (limits, recording rules) that policy may add."""

    obligations: Mapping[str, Any] = field(default_factory=dict)

    @property
    def withheld_tools(self) -> frozenset[str]:
        """Names of tools that the session goes on without."""
        return frozenset(self.obligations.get("withheld_tools", ()))


@dataclass(frozen=True, slots=True)
class Denied:
    """No: a closed reason code, what to do about it, and the decision's id."""

    reason: str
    remedy: str
    decision_id: str
    unavailable: bool = False
    """Nobody decided; whoever asks again may be allowed."""

    def fault(self) -> PolicyDenied | PolicyUnavailable:
        """Return the fault that the client gets."""
        if self.unavailable:
            return PolicyUnavailable(self.reason)
        message = f"Denied by policy ({self.reason}). {self.remedy}".strip()
        return PolicyDenied(message, reason=self.reason)


Verdict: TypeAlias = Allowed | Denied


class Admission(Protocol):
    """Decides."""

    def admit_nowait(self, action: str, facts: Mapping[str, Any]) -> Verdict | None:
        """Return the verdict if it is known without waiting, else None."""

    async def admit(self, action: str, facts: Mapping[str, Any]) -> Verdict:
        """Return the verdict; a fault of the evaluator is a denial, never an exception."""


async def permitted(
    admission: Admission,
    action: str,
    facts: Mapping[str, Any],
    *,
    meanwhile: Callable[[], None] | None = None,
) -> Allowed:
    """Return policy's leave; a denial is counted and logged with its decision.

    If the verdict must be waited for, `meanwhile` is called first.

    Raises:
        PolicyDenied: it refused.
        PolicyUnavailable: it did not answer in time.
    """
    verdict = admission.admit_nowait(action, facts)
    if verdict is None:
        if meanwhile is not None:
            meanwhile()
        verdict = await admission.admit(action, facts)
    if isinstance(verdict, Denied):
        metrics.DENIALS.labels(verdict.reason).inc()
        _log.warning(
            "denied",
            action=action,
            reason=verdict.reason,
            decision_id=verdict.decision_id,
            **{name: facts[name] for name in LOGGED_FACTS if facts.get(name)},
        )
        raise verdict.fault()
    return verdict


def both(first: Allowed, second: Allowed) -> Allowed:
    """Return the leave of two questions: lists of what is taken away are joined."""
    joined = dict(first.obligations)
    for name, value in second.obligations.items():
        below = joined.get(name)
        if isinstance(value, list | tuple) and isinstance(below, list | tuple):
            joined[name] = tuple(dict.fromkeys((*below, *value)))
        else:
            joined[name] = value
    return Allowed(joined)


_ALLOWED = Allowed()


class LocalAdmission:
    """Allows what the key's scope allows; the REST layer checked that already."""

    def admit_nowait(self, action: str, facts: Mapping[str, Any]) -> Verdict | None:
        """Return `Allowed`, at once."""
        return _ALLOWED

    async def admit(self, action: str, facts: Mapping[str, Any]) -> Verdict:
        """Return `Allowed`, at once."""
        return _ALLOWED


class TimedAdmission:
    """Asks an evaluator, and allows nothing where it is silent or fails (DECISIONS 2.2)."""

    def __init__(self, evaluator: Admission, *, timeout_s: float = VERDICT_TIMEOUT_S) -> None:
        self._evaluator = evaluator
        self._timeout_s = timeout_s

    def admit_nowait(self, action: str, facts: Mapping[str, Any]) -> Verdict | None:
        """Return the verdict if it is known without waiting, else None."""
        try:
            return self._evaluator.admit_nowait(action, facts)
        except Exception as fault:  # noqa: BLE001 -- see `admit`
            return _undecided(action, "policy_failed", fault)

    async def admit(self, action: str, facts: Mapping[str, Any]) -> Verdict:
        """Return the verdict; one that does not come is a denial, which may pass."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._evaluator.admit(action, facts)
        except TimeoutError as fault:
            return _undecided(action, "policy_timeout", fault)
        except Exception as fault:  # noqa: BLE001 -- whatever an evaluator does lets nobody in
            return _undecided(action, "policy_failed", fault)


def _undecided(action: str, reason: str, fault: Exception) -> Denied:
    _log.error("policy_unavailable", action=action, reason=reason, error=type(fault).__name__)
    return Denied(reason, "", "", unavailable=True)
