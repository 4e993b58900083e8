"""An event for one process that is free until somebody waits."""

from __future__ import annotations

import asyncio


class Gate:
    """As `asyncio.Event`, which holds an empty queue of 620 bytes for every session."""

    __slots__ = ("_open", "_waiters")

    def __init__(self, *, is_open: bool = False) -> None:
        self._open = is_open
        self._waiters: list[asyncio.Future[None]] | None = None

    def is_set(self) -> bool:
        """Say whether it is open."""
        return self._open

    def set(self) -> None:
        """Let everybody through."""
        self._open = True
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def clear(self) -> None:
        """Let nobody through."""
        self._open = False

    async def wait(self) -> None:
        """Wait until it opens."""
        if self._open:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._waiters is None:
            self._waiters = []
        self._waiters.append(waiter)
        await waiter
