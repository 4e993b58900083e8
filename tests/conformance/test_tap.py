"""The tap: every byte passes, every event is noted, sockets are cut when asked."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator

import pytest
import websockets
from websockets.asyncio.server import ServerConnection, serve

from conformance.frames import Frames
from conformance.tap import Tap
from conformance.wire.endpoint import Endpoint

CREATED = {"type": "session.created", "long": "x" * 70_000}


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    """A server that greets, says each message back, and closes 4000 on `bye`."""

    async def talk(socket: ServerConnection) -> None:
        await socket.send(json.dumps(CREATED))
        async for message in socket:
            if message == "bye":
                await socket.close(4000, "over")
            else:
                await socket.send(message)

    async with serve(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield Endpoint(f"http://127.0.0.1:{port}/v1", "sk-x")


async def test_messages_and_the_close_pass_as_they_are(endpoint: Endpoint) -> None:
    """Text, binary and the close code reach the other side; event types are counted."""
    with Tap(endpoint) as tap:
        async with websockets.connect(tap.endpoint.socket_url) as socket:
            assert json.loads(await socket.recv()) == CREATED
            for message in ('{"type": "a"}', b"\x00\x01", "[1]", '{"type": "a"}'):
                await socket.send(message)
                assert await socket.recv() == message
            await socket.send("bye")
            with pytest.raises(websockets.ConnectionClosedError) as closed:
                await socket.recv()
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "over")
    assert tap.seen.sent == {"a": 2, "(no event)": 2}
    assert tap.seen.received == {"session.created": 1, "a": 2, "(no event)": 1}


async def test_drop_cuts_without_a_close_frame(endpoint: Endpoint) -> None:
    """The client sees a lost connection, and how many were cut is told."""
    with Tap(endpoint) as tap:
        async with websockets.connect(tap.endpoint.socket_url) as socket:
            await socket.recv()
            request = urllib.request.Request(f"{tap.control}/drop", method="POST")
            answer = await asyncio.to_thread(urllib.request.urlopen, request, timeout=5)
            assert answer.read() == b"1\n"
            with pytest.raises(websockets.ConnectionClosedError) as closed:
                await socket.recv()
    assert closed.value.rcvd is None


def test_frames_are_read_however_the_bytes_come() -> None:
    """Masked or not, in parts, with a control frame between the parts."""
    mask = bytes([1, 2, 3, 4])
    masked = (
        bytes([0x81, 0x80 | 3]) + mask + bytes(a ^ b for a, b in zip(b"one", mask, strict=False))
    )
    parts = bytes([0x01, 2]) + b"tw" + bytes([0x89, 0]) + bytes([0x80, 1]) + b"o"
    long = bytes([0x81, 126]) + (300).to_bytes(2, "big") + b"y" * 300
    binary = bytes([0x82, 1]) + b"z"
    frames, found = Frames(), []
    for byte in masked + parts + binary + long:
        found += frames.feed(bytes([byte]))
    assert found == ["one", "two", "y" * 300]
