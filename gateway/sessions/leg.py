"""The port of a media leg: where a session's audio is played by us (DECISIONS 1.6).

A WebSocket's client plays by itself and needs none.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from realtime.session.inputs import Input


class LegSession(Protocol):
    """What a leg needs of its session."""

    def post(self, given: Input) -> None:
        """Take `Drained` for a response that was played to its end."""

    def hear(self, audio: bytes) -> None:
        """Take canonical audio; media time has no gap."""

    def overloaded(self, *, lag_ms: int) -> bool:
        """Say whether audio should be dropped for now (DECISIONS 3.6)."""


class MediaLeg(Protocol):
    """Plays canonical audio on a clock of its own, and hears."""

    def attach(self, session: LegSession) -> None:
        """Serve this session."""

    def play(self, response_id: str, item_id: str, audio: bytes) -> None:
        """Queue audio; may come in bursts."""

    def finish(self, response_id: str) -> None:
        """No more audio of the response comes; `Drained` is posted once all was played."""

    def clear(self, response_ids: Collection[str]) -> dict[str, dict[str, int]]:
        """Drop responses at once; return the ms heard of their items."""
