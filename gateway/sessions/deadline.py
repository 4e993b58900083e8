"""The one timer of a session (DECISIONS 1.11)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls back at an instant, which may be moved; ms of the loop's clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop = loop
        self._call = call
        self._due_ms: int | None = None
        # Not asked for its instant: uvloop's handle of one already due knows none.
        self._handle: asyncio.Handle | None = None

    def move(self, due_ms: int | None) -> None:
        """Call at another instant, or not at all."""
        if due_ms == self._due_ms:
            return
        if self._handle is not None:
            self._handle.cancel()
        self._due_ms = due_ms
        self._handle = None if due_ms is None else self._loop.call_at(due_ms / 1000, self._expire)

    def _expire(self) -> None:
        self._due_ms = self._handle = None
        self._call()
