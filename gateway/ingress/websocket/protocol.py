"""uvicorn's WebSocket, with a short way for frames and an end that is bounded.

The short way: uvicorn hands each message over through a queue to a waiting
task, and pauses and resumes the transport around it (two epoll calls a
message); a session takes frames synchronously, so `listen` gives them to it as
they are parsed, and `write` sends one without waking a task. Whole text frames
are unmasked here; every other frame, and whatever is wrong with one, goes to
the library's parser, which is given whole frames only.

The end: uvicorn ends a connection with `transport.close()`, which first
flushes what is unsent. A peer that reads nothing, or is gone without a FIN,
never lets that end; so after a bound the transport is aborted (RFC 6455,
section 7.1.7, lets an endpoint that fails a connection drop it).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast
from urllib.parse import unquote

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import Protocol, State

from gateway.ingress.websocket.mailbox import Mailbox
from gateway.sessions.gate import Gate

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the C part
    from websockets.utils import apply_mask

FRAMES = "voiceengine.frames"
"""The ASGI extension under which an application finds its connection."""

WHOLE_TEXT = 0x81
"""The first byte of a text frame that is a whole message: FIN, no extension bits."""

SMALLEST_FRAME = 6
"""Bytes of an empty frame of a client: two, and its mask."""

SWITCHING: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: "
)

LINGER_S = 5.0
"""How long a connection may take to flush after its session ended."""

Frame: TypeAlias = str | bytes
"""A whole message: text as str, binary as bytes."""


def _text_head(length: int) -> bytes:
    """Return the header of an unmasked, unfragmented text frame (RFC 6455, section 5.2)."""
    if length < 126:
        return bytes((0x81, length))
    if length < 65_536:
        return struct.pack("!BBH", 0x81, 126, length)
    return struct.pack("!BBQ", 0x81, 127, length)


class FramedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's own socket class, as a session uses it."""

    _take: Callable[[Frame], None] | None = None
    _offer: Callable[[bytes], bool] | None = None
    _linger: asyncio.TimerHandle | None = None
    _accept = b""
    """What accepts the upgrade that was asked for."""
    _framing = False
    _rest: bytearray | None = None
    """The beginning of a frame whose end has not come; at most a message and one read long."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Both hold empty queues for waiters that an idle connection has not.
        self.queue = cast("Any", Mailbox())
        self.writable = cast("Any", Gate(is_open=True))

    # --- the handshake ---

    def upgrade(self, http: HttpToolsProtocol, accept: bytes) -> None:
        """Begin with a request that was parsed and found usual; `accept` accepts it."""
        url, headers = http.url, http.headers
        self.connections.add(self)
        self.default_headers = http.server_state.default_headers  # of today, if made yesterday
        self.transport, self.server, self.client = http.transport, http.server, http.client
        self.scheme = "wss" if http.scheme == "https" else "ws"
        self._accept = accept
        self._framing = self.handshake_initiated = True
        # The library's parser shall begin with frames.
        self.conn.state = State.OPEN
        self.conn.parser = Protocol.parse(self.conn)
        next(self.conn.parser)
        path, _, query = url.partition(b"?")
        subprotocols = [
            token.strip()
            for name, value in headers
            if name == b"sec-websocket-protocol"
            for token in value.decode("ascii").split(",")
        ]
        self.scope = {
            "type": "websocket",
            "asgi": {"version": self.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": self.scheme,
            "server": self.server,
            "client": self.client,
            "root_path": self.root_path,
            "path": self.root_path + unquote(path.decode("ascii")),
            "raw_path": self.root_path.encode("ascii") + path,
            "query_string": query,
            "headers": headers,
            "subprotocols": subprotocols,
            "state": self.app_state.copy(),
            "extensions": cast("Any", {"websocket.http.response": {}, FRAMES: self}),
        }
        self.queue.put_nowait({"type": "websocket.connect"})
        task = self.loop.create_task(self.run_asgi())
        task.add_done_callback(self.on_task_complete)
        self.tasks.add(task)

    def handle_connect(self, event: Request) -> None:
        """Offer the extension to the application."""
        super().handle_connect(event)
        if hasattr(self, "scope"):  # no scope: the handshake was refused
            cast("Scope", self.scope)["extensions"][FRAMES] = self
            self._accept = self.response.headers["Sec-WebSocket-Accept"].encode()

    def welcome(self, subprotocol: str | None) -> None:
        """Accept the upgrade, if that was not done."""
        if self.handshake_complete or self.transport.is_closing():
            return
        self.handshake_complete = True
        self.conn.state = State.OPEN
        lines = [SWITCHING, self._accept, b"\r\n"]
        for name, value in self.default_headers:
            lines += name, b": ", value, b"\r\n"
        if subprotocol is not None:
            lines += b"Sec-WebSocket-Protocol: ", subprotocol.encode("ascii"), b"\r\n"
        self.transport.write(b"".join((*lines, b"\r\n")))
        self.start_keepalive()

    async def send(self, message: ASGISendEvent) -> None:
        """Send the application's message; a refused upgrade is a handshake that is over."""
        if message["type"] == "websocket.accept":
            self.welcome(message.get("subprotocol"))
            return
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            # uvicorn would log it as an error, and answer anew.
            self.handshake_complete = True

    # --- the short way ---

    def listen(
        self,
        take: Callable[[Frame], None],
        gone: Callable[[], None],
        offer: Callable[[bytes], bool] | None = None,
    ) -> None:
        """Give what came and what comes to `take`, and tell `gone` of the end; none may raise.

        Nothing more comes by way of the application's `receive`; `gone` may be told twice.
        A whole text frame is offered before it is decoded; what `offer` says it took, `take`
        does not get.
        """
        self.resume()  # uvicorn paused for what waits here; what is taken may pause anew
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
        self._take, self._offer = take, offer
        cast("Mailbox", self.queue).on_disconnect(gone)
        self._forget_handshake()

    def _forget_handshake(self) -> None:
        """Let the headers go, which the library, uvicorn and starlette keep to the end."""
        if hasattr(self, "request"):
            self.request.headers.clear()
            self.response.headers.clear()
        cast("list[Any]", self.scope["headers"]).clear()

    def data_received(self, data: bytes) -> None:
        """Take what the network brought."""
        if not self._framing:
            super().data_received(data)
            # With nothing behind the handshake the next byte begins a frame.
            self._framing = self.handshake_initiated and data.endswith(b"\r\n\r\n")
            return
        if self._rest is not None:
            self._rest += data
            self._take_frames(self._rest)
        else:
            self._take_frames(data)

    def _take_frames(self, data: bytes | bytearray) -> None:
        """Take the whole frames of `data` (RFC 6455, section 5.2), keep the rest."""
        place, size, most = 0, len(data), self.config.ws_max_size
        while size - place >= SMALLEST_FRAME:
            length = data[place + 1] & 0x7F
            start = place + SMALLEST_FRAME
            if length >= 126:  # the length follows, in 2 or in 8 bytes
                start += 2 if length == 126 else 8
                length = int.from_bytes(data[place + 2 : start - 4], "big")
            end = start + length
            if data[place + 1] < 0x80 or length > most:
                super().data_received(bytes(data[place:]))  # it knows how to refuse
                self._rest = None
                return
            if end > size:
                break
            if (
                data[place] == WHOLE_TEXT
                and self._take is not None
                and self.conn.current_size is None  # no message is in pieces
                and not self.close_sent
            ):
                payload = apply_mask(data[start:end], data[start - 4 : start])
                if self._offer is None or not self._offer(payload):
                    self._text(payload)
            else:
                super().data_received(bytes(data[place:end]))
                if self.transport.is_closing():
                    break
            place = end
        if place or data is not self._rest:
            self._rest = bytearray(data[place:]) if place < size else None

    def send_receive_event_to_app(self) -> None:
        """Hand a message over that the library has put together."""
        if self._take is None or self.close_sent:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.curr_msg_data_type == "text":
            self._text(data)
        else:
            self._take(bytes(data))

    def _text(self, data: bytes | bytearray) -> None:
        try:
            text = str(data, "utf-8")
        except UnicodeDecodeError:
            self.conn.send_close(1007)
            self.handle_parser_exception()
            return
        if self._take is not None:
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
        payload = text.encode()
        self.transport.write(_text_head(len(payload)) + payload)
        return True

    def pass_on(self, frame: bytes) -> bool:
        """Send a whole frame as it is; return False if the peer must be waited for."""
        if not self.writable.is_set() or self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(frame)
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
        self._take = self._offer = None
        if self._linger is not None:
            self._linger.cancel()
