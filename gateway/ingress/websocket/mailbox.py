"""What a connection's application has not received yet, in place of `asyncio.Queue`.

A queue holds three empty deques and an event, 3 KiB of every idle connection.
This one has one reader, and tells of the connection's end by a call once
somebody asked for that, so that no task need wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

DISCONNECT = "websocket.disconnect"


class Mailbox:
    """Messages in order; unbounded, since uvicorn stops reading while one waits."""

    __slots__ = ("_gone", "_messages", "_reader")

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._reader: asyncio.Future[None] | None = None
        self._gone: Callable[[], None] | None = None

    def empty(self) -> bool:
        """Say whether nothing waits."""
        return not self._messages

    def put_nowait(self, message: Any) -> None:
        """Add a message, or tell of the end."""
        if self._gone is not None and message["type"] == DISCONNECT:
            self._gone()
            return
        self._messages.append(message)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> Any:
        """Return the next message once there is one; for one reader at a time."""
        while not self._messages:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self.get_nowait()

    def get_nowait(self) -> Any:
        """Return the next message, which must be there."""
        return self._messages.pop(0)

    def on_disconnect(self, gone: Callable[[], None]) -> None:
        """Call `gone` at the end from now on; it may be called more than once."""
        self._gone = gone
        if any(message["type"] == DISCONNECT for message in self._messages):
            gone()
