"""One connection to an upstream, as a session uses it.

A relay takes a frame synchronously, so there is neither a queue nor a task between. A frame
of usual length is offered as it came first: to a client of ours it is the same frame.
What does not fit into the socket waits in the transport, whose size the owner looks at
(`waiting_bytes`); what the client cannot take yet is not read (`pause`).
"""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections.abc import Callable
from typing import Final

from gateway.engines.relay.connection import (
    CLOSE_TIMEOUT_S,
    MASKED,
    MIDDLE,
    SHORT,
    WHOLE_TEXT,
    Connection,
)
from gateway.engines.relay.dialling import Dial
from gateway.engines.relay.endpoint import RelayEndpoint

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the C part
    from websockets.utils import apply_mask

MASKS: Final = 4_096
"""Bytes of masks drawn at once; a mask is four of them, and used once."""


_middle = struct.Struct("!BBH4s").pack


class _TextFrames:
    """Masked text frames, each with a mask that nobody can foresee, as the protocol wants it."""

    def __init__(self) -> None:
        self._stock = b""
        self._used = 0

    def __call__(self, payload: bytes) -> bytes:
        """Return a frame that is a whole message."""
        used = self._used
        if used >= len(self._stock):
            self._stock, used = secrets.token_bytes(MASKS), 0
        self._used = used + 4
        mask = self._stock[used : used + 4]
        length = len(payload)
        if SHORT <= length < MIDDLE:
            return _middle(WHOLE_TEXT, MASKED | SHORT, length, mask) + apply_mask(payload, mask)
        if length < SHORT:
            head = bytes((WHOLE_TEXT, MASKED | length))
        else:
            head = struct.pack("!BBQ", WHOLE_TEXT, MASKED | 127, length)
        return b"".join((head, mask, apply_mask(payload, mask)))


_text_frame = _TextFrames()


class Link:
    """A connection to an upstream."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._paused = False

    @classmethod
    async def open(cls, endpoint: RelayEndpoint) -> Link:
        """Connect; see `Dial` for what it raises."""
        return cls(await Dial(endpoint).done())

    @property
    def waiting_bytes(self) -> int:
        """What was written and the upstream has not taken."""
        return self._connection.transport.get_write_buffer_size()

    @property
    def close_code(self) -> int:
        """The code of the end; 1006 where there was none."""
        return self._connection.close_code

    @property
    def is_open(self) -> bool:
        """True while nobody said goodbye."""
        return self._connection.is_open

    def abort(self) -> None:
        """End the connection at once; nobody listens to it."""
        self._connection.abort()

    def listen(
        self,
        take: Callable[[str | None], None],
        gone: Callable[[], None],
        offer: Callable[[bytes, bytes], bool] | None = None,
    ) -> None:
        """Give what came and what comes to `take` (None for what is no text), the end to `gone`.

        A text frame that is a whole message, of usual length, is first offered undecoded, as it
        came and without its header; what `offer` says it took, `take` does not get.
        """
        connection = self._connection
        early, connection.early = connection.early, []
        connection.take, connection.gone, connection.offer = take, gone, offer
        for text in early:
            take(text)
        if connection.is_lost:
            gone()

    async def next_text(self) -> str | None:
        """Return the next message before anybody listens.

        Raises:
            ConnectionError: there is none, since the connection ended.
        """
        connection = self._connection
        if not connection.early:
            arrived = asyncio.get_running_loop().create_future()

            def wake(*_: object) -> None:
                if not arrived.done():
                    arrived.set_result(None)

            def take(text: str | None) -> None:
                connection.early.append(text)
                wake()

            connection.take, connection.gone = take, wake
            if connection.is_lost:
                wake()
            await arrived
            connection.take, connection.gone = connection.early.append, None
        if not connection.early:
            raise ConnectionError(f"The upstream closed the connection ({self.close_code}).")
        return connection.early.pop(0)

    def write(self, text: str) -> None:
        """Send a text message; after the end of the connection it is lost."""
        self.write_encoded(text.encode())

    def write_encoded(self, payload: bytes) -> bool:
        """Send a text message that is UTF-8 already; say whether the transport asks for a pause."""
        connection = self._connection
        if connection.is_open:
            connection.transport.write(_text_frame(payload))
        return connection.paused

    def pause(self) -> None:
        """Read no more for now."""
        if not self._paused and not self._connection.transport.is_closing():
            self._paused = True
            self._connection.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._paused and not self._connection.transport.is_closing():
            self._paused = False
            self._connection.transport.resume_reading()

    async def close(self) -> None:
        """Say goodbye, within CLOSE_TIMEOUT_S; nothing is handed over any more."""
        self._connection.take = _nothing
        self._connection.gone = self._connection.offer = None
        self.resume()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._connection.close()
        except TimeoutError:
            pass
        finally:
            self._connection.abort()


def _nothing(_text: str | None) -> None:
    """The session is over."""
