"""Two brains in a row: the second answers what the first does not understand."""

from __future__ import annotations

from collections.abc import Callable, Collection

from realtime.engine import (
    BrainFailed,
    BrainReport,
    BrainRequest,
    SessionFacts,
    Volunteered,
)
from realtime.ports import Brain, BrainRun, BrainSession

Sink = Callable[[BrainReport], None]


class FirstRun:
    """One answer; whoever has begun to speak goes on."""

    def __init__(self, session: FirstSession, request: BrainRequest, sink: Sink) -> None:
        self._session = session
        self._request = request
        self._sink = sink
        self._begun = False
        self._run = session.first.prepare(request, self._first_reported)

    def commit(self) -> None:
        """Ask the first."""
        self._run.commit()

    def cancel(self) -> None:
        """Ask nobody any more."""
        self._run.cancel()

    def _first_reported(self, report: BrainReport) -> None:
        passes = isinstance(report, BrainFailed) and report.fault.code in self._session.passing
        if passes and not self._begun:
            self._run = self._session.second.prepare(self._request, self._sink)
            self._run.commit()
            return
        self._begun = True
        self._sink(report)


class FirstSession:
    """Both brains' sessions."""

    def __init__(self, first: BrainSession, second: BrainSession, passing: Collection[str]) -> None:
        self.first = first
        self.second = second
        self.passing = passing

    def prepare(self, request: BrainRequest, sink: Sink) -> BrainRun:
        """Begin an answer; one that only the second can give is its own at once."""
        if _needs_second(request):
            return self.second.prepare(request, sink)
        return FirstRun(self, request, sink)

    def playback(self, *, playing: bool) -> None:
        """Tell both."""
        self.first.playback(playing=playing)
        self.second.playback(playing=playing)

    def close(self) -> None:
        """Close both."""
        self.first.close()
        self.second.close()


def _needs_second(request: BrainRequest) -> bool:
    """Say whether the first cannot be meant: no plain words, or a call that is forced."""
    last = request.items[-1] if request.items else None
    if last is None or last.kind != "message" or last.role != "user" or last.images:
        return True
    return not request.in_conversation or request.tool_choice not in {"auto", "none"}


class FirstBrain:
    """`first`, then `second` where the first fails with one of the codes in `passing`."""

    def __init__(self, first: Brain, second: Brain, *, passing: Collection[str]) -> None:
        self._first = first
        self._second = second
        self._passing = frozenset(passing)

    def open(
        self, facts: SessionFacts, volunteer: Callable[[Volunteered], None] | None = None
    ) -> FirstSession:
        """Serve a session; what the first says unasked is said."""
        first = self._first.open(facts, volunteer=volunteer)
        return FirstSession(first, self._second.open(facts), self._passing)
