"""What a session runner drives: the protocol machine, or a relay beside it."""

from __future__ import annotations

from typing import Protocol

from realtime.session.effects import Effect
from realtime.session.inputs import Input


class SessionHandler(Protocol):
    """Inputs in, effects out; no I/O, no clock of its own."""

    @property
    def closed(self) -> bool:
        """True once the session ended; no effect is produced afterwards."""

    @property
    def congested(self) -> bool:
        """True while no further client event should be read."""

    def receive(self, given: Input, now_ms: int) -> None:
        """Apply one input; then drain `effects` and look at `deadline`."""

    def effects(self) -> list[Effect]:
        """Return what must be done, in order, and forget it."""

    def deadline(self) -> int | None:
        """Return the next instant (ms) at which `expire` must be called, if any."""

    def expire(self, now_ms: int) -> None:
        """Say that the deadline has passed."""
