"""Chooses between two brains for each response: the first while it is ready."""

from __future__ import annotations

from collections.abc import Callable

from gateway.engines.group import Member, SessionGroup, Sink, Volunteer, opened
from realtime.engine import BrainRequest, SessionFacts
from realtime.ports import Brain, BrainRun


class SwitchSession(SessionGroup):
    """Both brains' sessions; the choice holds for a whole response."""

    def __init__(self, members: tuple[Member, ...], ready: Callable[[], bool]) -> None:
        super().__init__(members)
        self._ready = ready

    def prepare(self, request: BrainRequest, sink: Sink) -> BrainRun:
        """Begin an answer with the brain that is ready."""
        return self._members[0 if self._ready() else 1].prepare(request, sink)


class SwitchBrain:
    """`first` while `ready()`, else `second`."""

    def __init__(self, first: Brain, second: Brain, *, ready: Callable[[], bool]) -> None:
        self._brains = (first, second)
        self._ready = ready

    def open(self, facts: SessionFacts, volunteer: Volunteer | None = None) -> SwitchSession:
        """Serve a session."""
        return SwitchSession(opened(self._brains, facts, volunteer), self._ready)
