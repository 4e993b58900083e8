"""One connection to an upstream: frames handed over as they come, written as they go.

`websockets` does the protocol; its queue and the task that empties it are left
out, since a relay takes a frame synchronously. A text frame that is a whole message
is taken and written here (RFC 6455, section 5.2); every other frame, and whatever is wrong
with one, is the library's, which gets whole frames only. Such a frame is offered as it came
first: to a client of ours it is the same frame. What does not fit into the
socket waits in the transport, whose size the owner looks at (`waiting_bytes`);
what the client cannot take yet is not read (`pause`).
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import struct
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, Final, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.http11 import USER_AGENT
from websockets.protocol import State
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from gateway.engines.relay.endpoint import RelayEndpoint

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the C part
    from websockets.utils import apply_mask

PING_INTERVAL_S = 20.0
PING_TIMEOUT_S = 20.0
CLOSE_TIMEOUT_S = 2.0
"""How long an upstream may take to say goodbye; then the connection is dropped."""


OPEN: Final = State.OPEN  # looked up once: an enumeration's members are dear
WHOLE_TEXT: Final = 0x81
MASKED: Final = 0x80
SHORT, MIDDLE = 126, 65_536
"""From which length on 2, and 8, bytes more tell it."""

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


class _Connection(ClientConnection):
    """Hands messages over instead of queueing them; asks for the upgrade as soon as it can."""

    def __init__(self, *arguments: Any, headers: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._headers = headers
        self.early: list[str | None] = []
        self.take: Callable[[str | None], None] = self.early.append
        self.gone: Callable[[], None] | None = None
        self.offer: Callable[[bytes, bytes], bool] | None = None
        """Is offered a frame and its payload; says whether it took them."""
        self._parts: list[bytes] = []
        self._text = False
        self._quick = False
        self._rest: bytearray | None = None
        """The beginning of a frame whose end has not come."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        super().connection_made(transport)
        self.request = self.protocol.connect()
        self.request.headers.update({"User-Agent": USER_AGENT, **self._headers})
        self.protocol.send_request(self.request)
        self.send_data()

    async def answered(self) -> None:
        """Wait for the answer to that.

        Raises:
            WebSocketException: it is a refusal, or none came.
        """
        await self.response_rcvd
        if self.protocol.handshake_exc is not None:
            raise self.protocol.handshake_exc

    def data_received(self, data: bytes) -> None:
        """Take what the network brought."""
        if self._quick:
            if self._rest is not None:
                self._rest += data
            self._take_frames(data if self._rest is None else self._rest)
            return
        super().data_received(data)
        # Between two frames the library may be left out.
        self._quick = self.response is not None and not self.protocol.reader.buffer

    def _take_frames(self, data: bytes | bytearray) -> None:
        """Take the whole frames of `data`, keep the rest."""
        place, size, most = 0, len(data), self.protocol.max_message_size or sys.maxsize
        while size - place >= 2:
            length, start = data[place + 1], place + 2
            if length >= SHORT:
                start += 2 if length == SHORT else 8
                if start > size and length < MASKED:
                    break
                length = int.from_bytes(data[place + 2 : start], "big")
            if data[place + 1] >= MASKED or length > most:
                self._rest, self._quick = None, False
                super().data_received(bytes(data[place:]))  # it knows how to refuse
                return
            end = start + length
            if end > size:
                break
            if data[place] == WHOLE_TEXT and not self._parts and self.protocol.state is OPEN:
                payload = bytes(data[start:end])
                if (
                    self.offer is None
                    or not SHORT <= length < MIDDLE  # there its header is the only one it can have
                    or data[place + 1] != SHORT
                    or not self.offer(bytes(data[place:end]), payload)
                ):
                    self.take(_text_of(payload))
            else:
                super().data_received(bytes(data[place:end]))
            place = end
        if place or data is not self._rest:
            self._rest = bytearray(data[place:]) if place < size else None

    def process_event(self, event: Any) -> None:
        """Take a frame; the handshake's answer and pongs are the library's."""
        if self.response is None:
            self.response = event
            self._answer()
        elif event.opcode in DATA_OPCODES:
            self._frame(event)
        else:
            super().process_event(event)

    def _answer(self) -> None:
        if not self.response_rcvd.done():  # nobody waits any more, or both came
            self.response_rcvd.set_result(None)

    def _frame(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
        data = bytes(frame.data)
        if not frame.fin:
            self._parts.append(data)
            return
        if self._parts:
            data = b"".join((*self._parts, data))
            self._parts.clear()
        self.take(_text_of(data) if self._text else None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell of the end."""
        super().connection_lost(exc)
        self._answer()
        if self.gone is not None:
            self.gone()


def _text_of(data: bytes | bytearray) -> str | None:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        return None


@lru_cache(maxsize=64)
def _way(address: str) -> dict[str, Any]:
    """Return proxy and trust for an address; found out anew they are most of a connect's CPU."""
    uri = parse_uri(address)
    found: dict[str, Any] = {"proxy": get_proxy(uri)}
    if uri.secure:
        found["ssl"] = ssl.create_default_context()
    return found


class Link:
    """A connection to an upstream."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._paused = False

    @classmethod
    async def open(cls, endpoint: RelayEndpoint) -> Link:
        """Connect; the caller bounds the time.

        No redirect is followed: the key is for the address that the operator wrote down.

        Raises:
            OSError: it cannot be reached; a `TimeoutError` is one.
            WebSocketException: it refuses, or is no WebSocket.
        """
        connecting = connect(
            endpoint.address,
            compression=None,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=endpoint.most_message_bytes,
            create_connection=cast("Any", partial(_Connection, headers=endpoint.headers())),
            **_way(endpoint.address),
        )
        # Awaited, it would bound the time once more, know redirects and take turns of its own.
        connection = cast("_Connection", await connecting.open_tcp_connection())
        try:
            await connection.answered()
        except BaseException:
            connection.transport.abort()
            raise
        connection.start_keepalive()
        return cls(connection)

    @property
    def waiting_bytes(self) -> int:
        """What was written and the upstream has not taken."""
        return int(self._connection.transport.get_write_buffer_size())

    @property
    def close_code(self) -> int:
        """The code of the end; 1006 where there was none."""
        return self._connection.close_code or 1006

    @property
    def is_open(self) -> bool:
        """True while nobody said goodbye."""
        return self._connection.state is State.OPEN

    def abort(self) -> None:
        """End the connection at once; nobody listens to it."""
        self._connection.transport.abort()

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
        if connection.state is State.CLOSED:
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
            if connection.state is State.CLOSED:
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
        if connection.protocol.state is OPEN:
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
            self._connection.transport.abort()


def _nothing(_text: str | None) -> None:
    """The session is over."""
