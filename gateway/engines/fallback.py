"""Two brains in a row: the fallback answers what the first does not, or cannot for now."""

from __future__ import annotations

from collections.abc import Callable, Collection

import structlog

from gateway.engines.group import SessionGroup, Sink, Volunteer, opened
from gateway.telemetry import metrics
from realtime.engine import BrainFailed, BrainFinished, BrainReport, BrainRequest, SessionFacts
from realtime.ports import Brain, BrainRun, BrainSession

UNHEALTHY = frozenset(
    {
        "model_unavailable", "model_timeout", "model_connection_lost", "model_answer_invalid",
        "model_refused_key", "model_unknown", "rate_limit_exceeded",
        "skills_unavailable", "skills_timeout",
    }
)  # fmt: skip
"""Faults that tell of the brain and not of what it was asked."""

REST_S = 30.0
"""How long a brain that failed is not asked."""

_log = structlog.get_logger("fallback")


class Health:
    """Whether a brain should be asked, by what it did last; shared by all its sessions."""

    def __init__(self, name: str, monotonic_s: Callable[[], float]) -> None:
        self._name = name
        self._monotonic_s = monotonic_s
        self._rests_until_s: float | None = None

    @property
    def good(self) -> bool:
        """True unless it failed a moment ago; after its rest it is tried again."""
        return self._rests_until_s is None or self._monotonic_s() >= self._rests_until_s

    def failed(self, code: str) -> None:
        """It did not answer, whoever asked."""
        if self._rests_until_s is None:
            _log.warning("model_unhealthy", model=self._name, code=code)
        self._rests_until_s = self._monotonic_s() + REST_S

    def answered(self) -> None:
        """It answered."""
        if self._rests_until_s is not None:
            _log.info("model_healthy", model=self._name)
        self._rests_until_s = None


class FallbackRun:
    """One answer; whoever has begun to speak goes on."""

    def __init__(self, session: FallbackSession, request: BrainRequest, sink: Sink) -> None:
        self._session = session
        self._request = request
        self._sink = sink
        self._begun = False
        self._cancelled = False
        self._run = session.first.prepare(request, self._first_reported)

    def commit(self) -> None:
        """Ask the first."""
        self._run.commit()

    def cancel(self) -> None:
        """Ask nobody any more."""
        self._cancelled = True
        self._run.cancel()

    def _first_reported(self, report: BrainReport) -> None:
        failed = isinstance(report, BrainFailed) and report.fault.code in self._session.passing
        if isinstance(report, BrainFailed | BrainFinished):
            self._session.note(report)
        if failed and not self._begun and not self._cancelled:
            self._run = self._session.instead(self._request, self._sink)
            self._run.commit()
            return
        self._begun = True
        self._sink(report)


class FallbackSession(SessionGroup):
    """Both brains' sessions."""

    def __init__(
        self,
        first: BrainSession,
        fallback: BrainSession,
        passing: Collection[str],
        *,
        beyond: Callable[[BrainRequest], bool] | None,
        health: Health | None,
    ) -> None:
        super().__init__((first, fallback))
        self.first = first
        self._fallback = fallback
        self.passing = passing
        self._beyond = beyond
        self._health = health

    def prepare(self, request: BrainRequest, sink: Sink) -> BrainRun:
        """Begin an answer; one that only the fallback can give is its own at once."""
        if self._beyond is not None and self._beyond(request):
            return self._fallback.prepare(request, sink)
        if self._health is not None and not self._health.good:
            return self.instead(request, sink)
        return FallbackRun(self, request, sink)

    def instead(self, request: BrainRequest, sink: Sink) -> BrainRun:
        """Begin the answer that the first does not give."""
        if self._health is not None:
            metrics.FALLBACKS.inc()
        return self._fallback.prepare(request, sink)

    def note(self, end: BrainFailed | BrainFinished) -> None:
        """The first came to an end: is it well?"""
        if self._health is None:
            return
        if isinstance(end, BrainFinished):
            self._health.answered()
        elif end.fault.code in UNHEALTHY:
            self._health.failed(end.fault.code)


class FallbackBrain:
    """`first`, and `fallback` where the first fails with one of the codes in `passing`.

    A response that the first has begun stays its own. What is `beyond` the first is not
    asked of it at all, nor anything while its `health` is bad.
    """

    def __init__(
        self,
        first: Brain,
        fallback: Brain,
        *,
        passing: Collection[str] = UNHEALTHY,
        beyond: Callable[[BrainRequest], bool] | None = None,
        health: Health | None = None,
    ) -> None:
        self._brains = (first, fallback)
        self._passing = frozenset(passing)
        self._beyond = beyond
        self._health = health

    def open(self, facts: SessionFacts, volunteer: Volunteer | None = None) -> FallbackSession:
        """Serve a session."""
        first, fallback = opened(self._brains, facts, volunteer)
        return FallbackSession(
            first, fallback, self._passing, beyond=self._beyond, health=self._health
        )


def beyond_skills(request: BrainRequest) -> bool:
    """Say whether skills cannot be meant: no plain words, or a call that is forced."""
    last = request.items[-1] if request.items else None
    if last is None or last.kind != "message" or last.role != "user" or last.images:
        return True
    return not request.in_conversation or request.tool_choice not in {"auto", "none"}
