"""Several brains' sessions held as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from realtime.engine import BrainReport, BrainRequest, BrainSpent, SessionFacts, Volunteered
from realtime.ports import (
    Brain,
    BrainRun,
    BrainSession,
    HandingRun,
    MeteredRun,
    SpeculativeBrain,
)

Sink = Callable[[BrainReport], None]
Volunteer = Callable[[Volunteered], None]


def speculations(brain: Brain) -> int:
    """Return how many answers a brain may be asked for before a turn is certain to have ended."""
    return brain.speculations if isinstance(brain, SpeculativeBrain) else 0


def spent(run: BrainRun | None) -> BrainSpent | None:
    """Return what a run has cost so far, None where nothing was begun before `commit`."""
    return run.spent() if isinstance(run, MeteredRun) else None


def dropped(run: BrainRun) -> BrainSpent | None:
    """Return what a run gave up at its `commit`, None where it gave up nothing."""
    return run.dropped() if isinstance(run, HandingRun) else None


class LateRun:
    """An answer that is begun when it is wanted and not before; until then it costs nothing."""

    def __init__(self, session: BrainSession, request: BrainRequest, sink: Sink) -> None:
        self._session = session
        self._request = request
        self._sink = sink
        self._run: BrainRun | None = None
        self._cancelled = False

    def commit(self) -> None:
        """Begin."""
        if not self._cancelled:
            self._run = self._session.prepare(self._request, self._sink)
            self._run.commit()

    def cancel(self) -> None:
        """Answer no more."""
        self._cancelled = True
        if self._run is not None:
            self._run.cancel()


class Member:
    """One brain's session among several."""

    def __init__(self, brain: Brain, facts: SessionFacts, volunteer: Volunteer | None) -> None:
        self.session = brain.open(facts, volunteer=volunteer)
        self._speculates = speculations(brain) > 0

    def prepare(self, request: BrainRequest, sink: Sink) -> BrainRun:
        """Begin an answer; a brain that does not speculate begins its own at the commit.

        Another of the group may speculate, so that `prepare` is called at a mere pause.
        """
        if self._speculates:
            return self.session.prepare(request, sink)
        return LateRun(self.session, request, sink)


def opened(
    brains: Sequence[Brain], facts: SessionFacts, volunteer: Volunteer | None
) -> tuple[Member, ...]:
    """Open a session of each; what any says unasked is said."""
    return tuple(Member(brain, facts, volunteer) for brain in brains)


class SessionGroup:
    """What all of them are told; who is asked is for those who inherit."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = tuple(members)

    def playback(self, *, playing: bool) -> None:
        """Tell each."""
        for member in self._members:
            member.session.playback(playing=playing)

    def close(self) -> None:
        """Close each."""
        for member in self._members:
            member.session.close()
