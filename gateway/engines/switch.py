"""Chooses between two brains for each response: the first while it is ready."""

from __future__ import annotations

from collections.abc import Callable

from realtime.engine import BrainReport, BrainRequest, SessionFacts, Volunteered
from realtime.ports import Brain, BrainRun, BrainSession


class SwitchSession:
    """Both brains' sessions; the choice holds for a whole response."""

    def __init__(
        self, first: BrainSession, second: BrainSession, ready: Callable[[], bool]
    ) -> None:
        self._first = first
        self._second = second
        self._ready = ready

    def prepare(self, request: BrainRequest, sink: Callable[[BrainReport], None]) -> BrainRun:
        """Begin an answer with the brain that is ready."""
        chosen = self._first if self._ready() else self._second
        return chosen.prepare(request, sink)

    def playback(self, *, playing: bool) -> None:
        """Tell both."""
        self._first.playback(playing=playing)
        self._second.playback(playing=playing)

    def close(self) -> None:
        """Close both."""
        self._first.close()
        self._second.close()


class SwitchBrain:
    """`first` while `ready()`, else `second`."""

    def __init__(self, first: Brain, second: Brain, *, ready: Callable[[], bool]) -> None:
        self._first = first
        self._second = second
        self._ready = ready

    def open(
        self, facts: SessionFacts, volunteer: Callable[[Volunteered], None] | None = None
    ) -> SwitchSession:
        """Serve a session."""
        return SwitchSession(
            self._first.open(facts, volunteer=volunteer),
            self._second.open(facts, volunteer=volunteer),
            self._ready,
        )
