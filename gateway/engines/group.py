"""Several brains' sessions held as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from realtime.engine import BrainReport, SessionFacts, Volunteered
from realtime.ports import Brain, BrainSession

Sink = Callable[[BrainReport], None]
Volunteer = Callable[[Volunteered], None]


def opened(
    brains: Sequence[Brain], facts: SessionFacts, volunteer: Volunteer | None
) -> tuple[BrainSession, ...]:
    """Open a session of each; what any says unasked is said."""
    return tuple(brain.open(facts, volunteer=volunteer) for brain in brains)


class SessionGroup:
    """What all of them are told; who is asked is for those who inherit."""

    def __init__(self, sessions: Sequence[BrainSession]) -> None:
        self._sessions = tuple(sessions)

    def playback(self, *, playing: bool) -> None:
        """Tell each."""
        for session in self._sessions:
            session.playback(playing=playing)

    def close(self) -> None:
        """Close each."""
        for session in self._sessions:
            session.close()
