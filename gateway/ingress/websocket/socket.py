"""One connected WebSocket as a controller.

A frame goes out at once while the client keeps up; otherwise it waits in a
bounded queue that one writer task empties.

Rule for slow readers: a client for which more than `queue_bytes` already wait
when another frame comes, or which takes longer than the send timeout over one
frame, is closed with 1008; where even that cannot be sent within
CLOSE_GRACE_S, the connection is dropped. No frame is left out silently. One
frame may be larger than the bound: a retrieved item with its audio is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.types import Message, Send

from gateway.ingress.websocket.protocol import FramedWebSocket
from gateway.sessions.projection import PLAIN, Projection

TOO_SLOW_CODE = 1008
TOO_SLOW_REASON = "The client reads too slowly."
CLOSE_GRACE_S = 1.0


class Socket:
    """The sending side of a WebSocket."""

    def __init__(
        self,
        send: Send,
        *,
        queue_bytes: int,
        send_timeout_s: float,
        too_slow: Callable[[], None],
        connection: FramedWebSocket,
        projection: Projection = PLAIN,
    ) -> None:
        self.projection = projection
        self._send = send
        self._connection = connection
        self._most = queue_bytes
        self._timeout_s = send_timeout_s
        self._too_slow = too_slow
        self._loop = asyncio.get_running_loop()
        self._frames: list[str] = []
        self._bytes = 0
        self._wake: asyncio.Future[None] | None = None
        self._closing: tuple[int, str] | None = None
        self._broken = False
        self._dropping: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._sending_since_s = 0.0

    @property
    def waiting_bytes(self) -> int:
        """What is queued and has not gone out."""
        return self._bytes

    def send(self, text: str) -> None:
        """Send a frame, or queue it."""
        if self._closing is not None or self._broken:
            return
        if not self._bytes and self._connection.write(text):
            return
        if self._bytes > self._most:
            self.overflow()
            return
        self._frames.append(text)
        self._bytes += len(text)
        self._wake_writer()

    def pass_on(self, frame: bytes) -> bool:
        """Send a frame as it is, if nothing waits before it."""
        if self._bytes or self._closing is not None or self._broken:
            return False
        return self._connection.pass_on(frame)

    def overflow(self) -> None:
        """The client does not keep up: forget its frames and end the session."""
        if self._broken:
            return
        self._broken = True
        self._frames.clear()
        self._closing = (TOO_SLOW_CODE, TOO_SLOW_REASON)
        self._dropping = self._loop.call_later(CLOSE_GRACE_S, self._connection.abort)
        self._wake_writer()
        self._too_slow()

    def close(self, code: int, reason: str) -> None:
        """Close after what is queued."""
        if self._closing is None:
            self._closing = (code, reason)
            self._wake_writer()

    def _wake_writer(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def write(self) -> None:
        """Send frames in order until the socket is closed; the one writer of this socket."""
        try:
            while True:
                await self._send_waiting()
                if self._closing is not None:
                    break
                self._wake = self._loop.create_future()
                await self._wake
            await self._close_now(*self._closing)
        except (OSError, RuntimeError):
            # The peer is gone, or a protocol error has closed the connection below
            # us, which uvicorn tells by a RuntimeError; the reader sees the end.
            self._broken = True
        finally:
            self._watch_no_more()
            if self._dropping is not None:
                self._dropping.cancel()

    async def _send_waiting(self) -> None:
        while self._frames:
            taken, self._frames = self._frames, []
            for text in taken:
                if self._broken:
                    break
                self._sending_since_s = self._loop.time()
                if self._watch is None:
                    self._watch = self._loop.call_later(self._timeout_s, self._look)
                await self._send({"type": "websocket.send", "text": text})
                self._bytes -= len(text)
        self._watch_no_more()

    def _look(self) -> None:
        """Has one frame taken too long? One timer for a whole backlog: a timer each is dear."""
        left_s = self._sending_since_s + self._timeout_s - self._loop.time()
        if left_s > 0:
            self._watch = self._loop.call_later(left_s, self._look)
        else:
            self.overflow()

    def _watch_no_more(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _close_now(self, code: int, reason: str) -> None:
        message: Message = {"type": "websocket.close", "code": code, "reason": reason}
        with suppress(OSError, RuntimeError, TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await self._send(message)
