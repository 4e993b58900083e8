"""uvicorn's WebSocket, with a short way for frames and an end that is bounded.

The short way: uvicorn hands each message over through a queue to a waiting
task, and pauses and resumes the transport around it (two epoll calls a
message); a session takes frames synchronously, so `listen` gives them to it as
they are parsed, and `write` sends one without waking a task.

The end: uvicorn ends a connection with `transport.close()`, which first
flushes what is unsent. A peer that reads nothing, or is gone without a FIN,
never lets that end; so after a bound the transport is aborted (RFC 6455,
section 7.1.7, lets an endpoint that fails a connection drop it).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias, cast

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

FRAMES = "voiceengine.frames"
"""The ASGI extension under which an application finds its connection."""

LINGER_S = 5.0
"""How long a connection may take to flush after its session ended."""

Frame: TypeAlias = str | bytes
"""A whole message: text as str, binary as bytes."""


class FramedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's own socket class, as a session uses it."""

    _take: Callable[[Frame], None] | None = None
    _linger: asyncio.TimerHandle | None = None

    def handle_connect(self, event: Request) -> None:
        """Offer the extension to the application."""
        super().handle_connect(event)
        if hasattr(self, "scope"):  # no scope: the handshake was refused
            cast("Scope", self.scope)["extensions"][FRAMES] = self

    # --- the short way ---

    def listen(self, take: Callable[[Frame], None]) -> None:
        """Give what came and what comes to `take`, which must not raise."""
        ended = []
        while not self.queue.empty():
            message = self.queue.get_nowait()
            if message["type"] == "websocket.receive":
                text = message.get("text")
                take(message.get("bytes") or b"" if text is None else text)
            else:
                ended.append(message)
        for message in ended:
            self.queue.put_nowait(message)
        self._take = take
        self.resume()

    def send_receive_event_to_app(self) -> None:
        """Hand a whole message over."""
        if self._take is None or self.close_sent:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.curr_msg_data_type != "text":
            self._take(bytes(data))
            return
        try:
            text = str(data, "utf-8")
        except UnicodeDecodeError:
            self.conn.send_close(1007)
            self.handle_parser_exception()
            return
        self._take(text)

    def pause(self) -> None:
        """Read no more for now; what was read already still comes."""
        if not self.read_paused and not self.transport.is_closing():
            self.read_paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self.read_paused and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()

    def write(self, text: str) -> bool:
        """Send a text message at once; return False if the peer must be waited for."""
        if not self.writable.is_set() or self.close_sent or self.transport.is_closing():
            return False
        self.conn.send_text(text.encode())
        self.transport.write(b"".join(self.conn.data_to_send()))
        return True

    # --- the end ---

    @property
    def left(self) -> bool:
        """True if the peer said goodbye; uvicorn tells 1005 for one that vanished, too."""
        return self.conn.close_rcvd is not None

    def abort(self) -> None:
        """Drop the connection; what is unsent is lost."""
        if not self.disconnected:
            self.transport.abort()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Bound the flush that follows the application's end."""
        super().on_task_complete(task)
        if not self.disconnected:
            self._linger = self.loop.call_later(LINGER_S, self.abort)

    def keepalive_timeout(self) -> None:
        """Drop a peer that answers no pings; it would not read a CLOSE either."""
        super().keepalive_timeout()
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the bound, and the session with it."""
        super().connection_lost(exc)
        self._take = None
        if self._linger is not None:
            self._linger.cancel()
