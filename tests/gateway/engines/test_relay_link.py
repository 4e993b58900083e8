"""Frames of a connection to an upstream, cut by the network anywhere."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode

from gateway.engines.relay.endpoint import RelayEndpoint
from gateway.engines.relay.link import Link

LENGTHS = (0, 1, 125, 126, 127, 65_535, 65_536, 200_000)
MOST_BYTES = 300_000
TIMEOUT_S = 10


@asynccontextmanager
async def linked(wire: bytes, cuts: Sequence[int]) -> AsyncIterator[tuple[Link, list[str]]]:
    """Connect to a server that writes `wire` in pieces; yield what it is sent, too."""
    heard: list[str] = []

    async def session(socket: ServerConnection) -> None:
        await socket.recv()
        for start, end in zip((0, *cuts), (*cuts, len(wire)), strict=True):
            socket.transport.write(wire[start:end])
            await asyncio.sleep(0)
        async for text in socket:
            heard.append(str(text))

    async with serve(session, "127.0.0.1", 0, compression=None, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        endpoint = RelayEndpoint(
            url=f"ws://127.0.0.1:{port}/v1/realtime",
            model=None,
            key="",
            key_header="authorization",
            connect_timeout_s=TIMEOUT_S,
            silence_s=1,
            reconnect_s=1,
            most_message_bytes=MOST_BYTES,
        )
        link = await Link.open(endpoint)
        link.write("begin")
        yield link, heard
        await link.close()


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """Return a server's frame."""
    return Frame(opcode, data, fin=fin).serialize(mask=False)


@pytest.mark.parametrize("seed", range(8))
async def test_messages_come_whole_wherever_the_network_cuts(seed: int) -> None:
    """Long ones, short ones, in fragments, with pings between."""
    chance = random.Random(seed)
    wanted: list[str | None] = []
    wire = b""
    for length in chance.sample(LENGTHS, len(LENGTHS)):
        text = "ü" * (length // 2) + "x" * (length % 2)
        data = text.encode()
        if chance.random() < 0.3:
            wire += frame(Opcode.TEXT, data[: length // 2], fin=False)
            wire += frame(Opcode.PING, b"?") + frame(Opcode.CONT, data[length // 2 :])
        else:
            wire += frame(Opcode.TEXT, data)
        wanted.append(text)
    wire += frame(Opcode.BINARY, b"\x00") + frame(Opcode.TEXT, b"\xff")
    wanted += [None, None]
    cuts = sorted(chance.sample(range(len(wire)), 12))
    came: list[str | None] = []
    async with linked(wire, cuts) as (link, _), asyncio.timeout(TIMEOUT_S):
        link.listen(came.append, lambda: None)
        while len(came) < len(wanted):
            await asyncio.sleep(0.01)
    assert came == wanted


async def test_frame_that_is_offered_can_be_sent_on_as_it_is() -> None:
    """Of usual length and in one piece; what is not taken comes as text, in its place."""
    short, usual, other, long = ("s" * 125, "u" * 126, "o" * 65_535, "l" * 65_536)
    wire = b"".join(frame(Opcode.TEXT, text.encode()) for text in (short, usual, other, long))
    wire += frame(Opcode.TEXT, b"p" * 200, fin=False) + frame(Opcode.CONT, b"q" * 200)
    # Longer than it need be: another peer might refuse such a header.
    wire += b"\x81\x7e" + (5).to_bytes(2, "big") + b"minor"
    came: list[str | None] = []
    offered: list[bytes] = []

    def offer(whole: bytes, payload: bytes) -> bool:
        assert whole == frame(Opcode.TEXT, payload)
        offered.append(payload)
        return payload == usual.encode()

    async with linked(wire, [130, 300]) as (link, _), asyncio.timeout(TIMEOUT_S):
        link.listen(came.append, lambda: None, offer)
        while len(came) < 5:
            await asyncio.sleep(0.01)
    assert came == [short, other, long, "p" * 200 + "q" * 200, "minor"]
    assert offered == [usual.encode(), other.encode()]


async def test_written_messages_arrive() -> None:
    """Of every length that has a header of its own."""
    texts = ["y" * length for length in LENGTHS]
    async with linked(b"", []) as (link, heard), asyncio.timeout(TIMEOUT_S):
        link.listen(lambda _: None, lambda: None)
        for text in texts:
            link.write(text)
        while len(heard) < len(texts):
            await asyncio.sleep(0.01)
    assert heard == texts


async def test_message_above_the_bound_ends_the_connection() -> None:
    """The library refuses it; the owner connects anew."""
    ended = asyncio.Event()
    wire = frame(Opcode.TEXT, b"a") + frame(Opcode.TEXT, b"z" * (MOST_BYTES + 1))
    async with linked(wire, [1_000]) as (link, _), asyncio.timeout(TIMEOUT_S):
        link.listen(lambda _: None, ended.set)
        await ended.wait()
        assert not link.is_open


async def test_masked_frame_of_a_server_ends_the_connection() -> None:
    """A server must not mask (RFC 6455, section 5.1)."""
    ended = asyncio.Event()
    wire = frame(Opcode.TEXT, b"a") + Frame(Opcode.TEXT, b"b").serialize(mask=True)
    async with linked(wire, []) as (link, _), asyncio.timeout(TIMEOUT_S):
        link.listen(lambda _: None, ended.set)
        await ended.wait()
        assert not link.is_open
