"""The short way of frames: the same messages as the library's parser finds, however they are cut."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.uri import parse_uri

from gateway.ingress.websocket.protocol import FRAMES, Frame, FramedWebSocket
from gateway.ingress.websocket.sideband import deny_unknown_call

MOST_BYTES = 70_000


class Wire(asyncio.Transport):
    """A transport that keeps what is written, for the client's side of the library to read."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False
        self.paused = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


class Connection:
    """A server's socket, what it took, and a client that speaks to it."""

    def __init__(self, app: Any = None) -> None:
        config = uvicorn.Config(
            app or self._app, ws=FramedWebSocket, ws_max_size=MOST_BYTES, ws_per_message_deflate=False,
            log_config=None, interface="asgi3",
        )  # fmt: skip
        config.load()
        self.socket = FramedWebSocket(config, ServerState(), {})
        self.wire = Wire()
        self.taken: list[Frame] = []
        self.offered: list[bytes] = []
        self.accepts: bytes | None = None
        """What is taken as it is offered."""
        self.pauses = False
        """Each frame is one too many."""
        self.gone: list[bool] = []
        """Whether the peer said goodbye, each time its end was told."""
        self.client = ClientProtocol(parse_uri("ws://localhost/"))
        self.ready = asyncio.Event()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        assert scope["extensions"][FRAMES] is self.socket
        self.socket.listen(self._take, lambda: self.gone.append(self.socket.left), self._offer)
        self.ready.set()
        await asyncio.Event().wait()

    def _offer(self, payload: bytes) -> bool:
        self.offered.append(payload)
        return payload == self.accepts

    def _take(self, frame: Frame) -> None:
        self.taken.append(frame)
        if self.pauses:
            self.socket.pause()

    async def open(self, *, behind: bytes = b"") -> None:
        """Shake hands; `behind` comes in the same packet."""
        self.socket.connection_made(self.wire)
        self.client.send_request(self.client.connect())
        self.socket.data_received(b"".join(self.client.data_to_send()) + behind)
        async with asyncio.timeout(30):
            await self.ready.wait()

    def received(self) -> list[WireFrame]:
        """Return the frames that the client got, without the handshake."""
        self.client.receive_data(self.wire.written)
        self.wire.written = b""
        return [event for event in self.client.events_received() if isinstance(event, WireFrame)]


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    """An open connection."""
    made = Connection()
    await made.open()
    yield made
    for task in made.socket.tasks:
        task.cancel()


def sent(opcode: Opcode, data: bytes, *, fin: bool = True, mask: bool = True) -> bytes:
    """Return a client's frame."""
    return WireFrame(opcode, data, fin).serialize(mask=mask)


def pieces(message: str, cuts: int) -> bytes:
    """Return a text message in several frames, with a ping between them."""
    data = message.encode()
    step = len(data) // (cuts + 1) + 1
    parts = [data[place : place + step] for place in range(0, len(data), step)] or [b""]
    frames = [
        sent(Opcode.CONT if number else Opcode.TEXT, part, fin=number == len(parts) - 1)
        for number, part in enumerate(parts)
    ]
    return sent(Opcode.PING, b"between").join(frames)


class TestRefusal:
    """Upgrades that end with an answer of HTTP."""

    async def test_refused_upgrade_is_answered_once_and_is_no_error(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A call that is not there is the client's mistake, not the application's."""

        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            await deny_unknown_call(send)

        refused = Connection(app)
        refused.socket.connection_made(refused.wire)
        refused.client.send_request(refused.client.connect())
        with caplog.at_level("ERROR"):
            refused.socket.data_received(b"".join(refused.client.data_to_send()))
            await asyncio.gather(*refused.socket.tasks)
        assert refused.wire.written.count(b"HTTP/1.1") == 1
        assert refused.wire.written.startswith(b"HTTP/1.1 404")
        assert refused.wire.closing
        assert not caplog.records


class TestMessages:
    """What comes in."""

    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        messages=st.lists(
            st.tuples(
                st.text() | st.integers(100, 66_000).map(lambda size: "x" * size),
                st.integers(0, 3),
            ),
            max_size=6,
        ),
        cuts=st.lists(st.integers(1, 5_000), max_size=30),
    )
    async def test_any_cutting_gives_the_same_messages(
        self, messages: list[tuple[str, int]], cuts: list[int]
    ) -> None:
        """Whole or in pieces, in packets of any size."""
        connection = Connection()
        await connection.open()
        data = b"".join(pieces(message, count) for message, count in messages)
        for cut in cuts:
            connection.socket.data_received(data[:cut])
            data = data[cut:]
        connection.socket.data_received(data)
        assert connection.taken == [message for message, _ in messages]
        for task in connection.socket.tasks:
            task.cancel()

    async def test_whole_message_is_offered_before_it_is_decoded(
        self, connection: Connection
    ) -> None:
        """What is taken so comes no other way; what is not comes as ever, in its place."""
        connection.accepts = b"audio"
        messages = ["before", "audio", "after \u00fc"]
        data = b"".join(sent(Opcode.TEXT, text.encode()) for text in messages)
        connection.socket.data_received(data + pieces("in pieces", 2))
        assert connection.offered == [text.encode() for text in messages]
        assert connection.taken == ["before", "after \u00fc", "in pieces"]

    async def test_binary_message_comes_as_bytes(self, connection: Connection) -> None:
        """It is the session that refuses it."""
        connection.socket.data_received(sent(Opcode.BINARY, b"\x00\x01"))
        assert connection.taken == [b"\x00\x01"]

    async def test_frame_behind_the_handshake_is_not_lost(self) -> None:
        """A client need not wait for the 101 to begin."""
        connection = Connection()
        first = sent(Opcode.TEXT, b"first")
        await connection.open(behind=first[:3])
        connection.socket.data_received(first[3:] + sent(Opcode.TEXT, b"second"))
        assert connection.taken == ["first", "second"]

    async def test_pause_asked_for_by_what_came_early_holds(self) -> None:
        """A burst behind the handshake may overload a session before it listens."""
        connection = Connection()
        connection.pauses = True
        await connection.open(behind=sent(Opcode.TEXT, b"burst"))
        assert connection.taken == ["burst"]
        assert connection.wire.paused
        connection.socket.resume()
        assert not connection.wire.paused

    async def test_ping_is_answered_with_its_payload(self, connection: Connection) -> None:
        """RFC 6455, 5.5.3."""
        connection.socket.data_received(sent(Opcode.PING, b"are you there"))
        assert [(f.opcode, bytes(f.data)) for f in connection.received()] == [
            (Opcode.PONG, b"are you there")
        ]


class TestRefusals:
    """What ends a connection, with which code; nothing after it is taken."""

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (sent(Opcode.TEXT, b"unmasked", mask=False), 1002),
            (sent(Opcode.TEXT, b"\xff\xfe"), 1007),
            (sent(Opcode.TEXT, b"x" * (MOST_BYTES + 1)), 1009),
            (sent(Opcode.TEXT, b"x" * (MOST_BYTES + 1))[:20], 1009),
            (sent(Opcode.CONT, b"of nothing"), 1002),
            (sent(Opcode.TEXT, b"a", fin=False) + sent(Opcode.TEXT, b"b"), 1002),
            (bytes([0x83, 0x80]) + os.urandom(4), 1002),
            (bytes([0xC1, 0x80]) + os.urandom(4), 1002),
        ],
        ids=[
            "unmasked", "not utf-8", "too big", "too big, told by its head", "continues nothing",
            "message within a message", "unknown opcode", "extension bit",
        ],
    )  # fmt: skip
    async def test_broken_frame_closes(
        self, connection: Connection, data: bytes, code: int
    ) -> None:
        """RFC 6455, 7.4.1."""
        connection.socket.data_received(data + sent(Opcode.TEXT, b"late"))
        (close,) = connection.received()
        assert close.opcode is Opcode.CLOSE
        assert int.from_bytes(close.data[:2], "big") == code
        assert connection.wire.closing
        assert "late" not in connection.taken


class TestSending:
    """What goes out."""

    @pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
    async def test_text_of_any_size_arrives(self, connection: Connection, size: int) -> None:
        """The three forms of the length."""
        assert connection.socket.write("é" + "x" * size)
        (frame,) = connection.received()
        assert frame.opcode is Opcode.TEXT
        assert bytes(frame.data).decode() == "é" + "x" * size

    async def test_full_transport_takes_nothing(self, connection: Connection) -> None:
        """The frame must wait its turn."""
        connection.socket.pause_writing()
        assert not connection.socket.write("late")
        assert connection.received() == []
        connection.socket.resume_writing()
        assert connection.socket.write("now")

    async def test_frame_passes_as_it_is(self, connection: Connection) -> None:
        """Unless it must wait its turn."""
        whole = WireFrame(Opcode.TEXT, b"x" * 200).serialize(mask=False)
        assert connection.socket.pass_on(whole)
        assert [bytes(frame.data) for frame in connection.received()] == [b"x" * 200]
        connection.socket.pause_writing()
        assert not connection.socket.pass_on(whole)
        assert connection.received() == []

    async def test_nothing_is_sent_after_a_close(self, connection: Connection) -> None:
        """RFC 6455, 5.5.1."""
        connection.socket.data_received(sent(Opcode.CLOSE, b"\x03\xe8"))
        assert not connection.socket.write("late")
        assert not connection.socket.pass_on(b"late")
        assert connection.socket.left


class TestEnd:
    """How a session learns that its client is gone, without a task that waits for it."""

    async def test_goodbye_is_told_as_one(self, connection: Connection) -> None:
        """A CLOSE frame: the client left."""
        connection.socket.data_received(sent(Opcode.CLOSE, b"\x03\xe8"))
        assert connection.gone == [True]

    async def test_lost_connection_is_told_as_such(self, connection: Connection) -> None:
        """No CLOSE frame: the client vanished."""
        connection.socket.connection_lost(None)
        assert connection.gone == [False]

    async def test_end_before_anybody_listened_is_told(self) -> None:
        """A client may leave while its session is opened."""
        connection = Connection()
        await connection.open(behind=sent(Opcode.TEXT, b"last words") + sent(Opcode.CLOSE, b""))
        assert connection.taken == ["last words"]
        assert connection.gone == [True]

    async def test_handshake_is_forgotten(self, connection: Connection) -> None:
        """Its headers, the credential among them, are not kept for the session's life."""
        assert connection.socket.scope["headers"] == []
        assert not connection.socket.request.headers
