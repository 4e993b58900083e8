"""Two brains in a row: the fallback answers what the first does not, or cannot for now."""

from __future__ import annotations

from collections.abc import Callable, Collection

import structlog

from gateway.engines.group import (
    Member,
    SessionGroup,
    Sink,
    Volunteer,
    dropped,
    opened,
    speculations,
    spent,
)
from gateway.engines.reduced import reduced
from gateway.telemetry import metrics
from realtime.engine import (
    BrainFailed,
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainSpent,
    EngineFault,
    SessionFacts,
)
from realtime.ports import Brain, BrainRun
from realtime.session.features import FEATURES

UNHEALTHY = frozenset(
    {
        "model_unavailable", "model_timeout", "model_connection_lost", "model_answer_invalid",
        "model_refused_key", "model_unknown", "model_quota_exceeded",
        "rate_limit_exceeded", "skills_unavailable", "skills_timeout",
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
        self._dropped: BrainSpent | None = None
        self._cancelled = False
        taken = None if session.asks_first else session.reduced(request)
        self._first = taken is None
        self._run = (
            session.first.prepare(request, self._first_reported)
            if taken is None
            else session.fallback.prepare(taken, sink)
        )

    def commit(self) -> None:
        """Ask; where the first fell ill since it was asked early, the fallback."""
        if not self._first:
            self._session.counted()
        elif self._is_lost():
            early, cost = self._run, spent(self._run)
            if self._hands_over():
                early.cancel()
                self._dropped = cost
                return
        self._run.commit()

    def _is_lost(self) -> bool:
        """Say whether what the first was asked early is not worth waiting for."""
        early = spent(self._run)
        if early is not None and early.fault is not None and self._passes(early.fault):
            self._session.ended(early.fault)
            return True
        return not self._session.asks_first

    def cancel(self) -> None:
        """Ask nobody any more."""
        self._cancelled = True
        self._run.cancel()

    def spent(self) -> BrainSpent | None:
        """Return what it has cost so far, None where nothing was begun yet."""
        return spent(self._run)

    def dropped(self) -> BrainSpent | None:
        """Return what the first had made early, where the fallback answered at the commit."""
        return self._dropped if self._dropped is not None else dropped(self._run)

    def _passes(self, fault: EngineFault) -> bool:
        return fault.code in self._session.passing

    def _first_reported(self, report: BrainReport) -> None:
        if isinstance(report, BrainFinished):
            self._session.ended(None)
        elif isinstance(report, BrainFailed):
            self._session.ended(report.fault)
            passes = self._passes(report.fault) and not self._begun and not self._cancelled
            if passes and self._hands_over():
                return
        self._begun = True
        self._sink(report)

    def _hands_over(self) -> bool:
        """Ask the fallback instead; return False where it does not take what is asked."""
        taken = self._session.reduced(self._request)
        if taken is None:
            return False
        self._first = False
        self._session.counted()
        self._run = self._session.fallback.prepare(taken, self._sink)
        self._run.commit()
        return True


class FallbackSession(SessionGroup):
    """Both brains' sessions."""

    def __init__(
        self,
        first: Member,
        fallback: Member,
        passing: Collection[str],
        *,
        beyond: Callable[[BrainRequest], bool] | None,
        health: Health | None,
        features: Collection[str],
    ) -> None:
        super().__init__((first, fallback))
        self.first = first
        self.fallback = fallback
        self.passing = passing
        self._beyond = beyond
        self._health = health
        self._features = features

    def prepare(self, request: BrainRequest, sink: Sink) -> BrainRun:
        """Begin an answer; one that only the fallback can give is its own at once."""
        if self._beyond is not None and self._beyond(request):
            return self.fallback.prepare(request, sink)
        return FallbackRun(self, request, sink)

    @property
    def asks_first(self) -> bool:
        """The first is not known to be unhealthy."""
        return self._health is None or self._health.good

    def reduced(self, request: BrainRequest) -> BrainRequest | None:
        """Return what the fallback is asked, None if it is not for that."""
        return reduced(request, self._features)

    def counted(self) -> None:
        """The fallback answers what the first does not."""
        if self._health is not None:
            metrics.FALLBACKS.inc()

    def ended(self, fault: EngineFault | None) -> None:
        """The first came to an end: is it well?"""
        if self._health is None:
            return
        if fault is None:
            self._health.answered()
        elif fault.code in UNHEALTHY:
            self._health.failed(fault.code)


class FallbackBrain:
    """`first`, and `fallback` where the first fails with one of the codes in `passing`.

    A response that the first has begun stays its own. What is `beyond` the first is not
    asked of it at all, nor anything while its `health` is bad. What the fallback does not
    take (`features`) stays the first's, whatever becomes of it. Answers are begun early
    where the first speculates.
    """

    def __init__(
        self,
        first: Brain,
        fallback: Brain,
        *,
        passing: Collection[str] = UNHEALTHY,
        beyond: Callable[[BrainRequest], bool] | None = None,
        health: Health | None = None,
        features: Collection[str] = FEATURES,
    ) -> None:
        self.speculations = speculations(first)
        self._features = features
        self._brains = (first, fallback)
        self._passing = frozenset(passing)
        self._beyond = beyond
        self._health = health

    def open(self, facts: SessionFacts, volunteer: Volunteer | None = None) -> FallbackSession:
        """Serve a session."""
        first, fallback = opened(self._brains, facts, volunteer)
        return FallbackSession(
            first,
            fallback,
            self._passing,
            beyond=self._beyond,
            health=self._health,
            features=self._features,
        )


def beyond_skills(request: BrainRequest) -> bool:
    """Say whether skills cannot be meant: no plain words, or a call that is forced."""
    last = request.items[-1] if request.items else None
    if last is None or last.kind != "message" or last.role != "user" or last.images:
        return True
    return not request.in_conversation or request.tool_choice not in {"auto", "none"}
