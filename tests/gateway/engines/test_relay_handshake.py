"""The handshake with an upstream: what is asked, and which answers are taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvloop
from websockets.server import ServerProtocol

from gateway.engines.relay.dialling import Dial
from gateway.engines.relay.endpoint import RelayEndpoint
from gateway.engines.relay.handshake import (
    END,
    MOST_ANSWER_BYTES,
    HandshakeFault,
    Upgrade,
    check_answer,
    end_of_answer,
)
from gateway.engines.relay.link import Link
from gateway.engines.relay.opening import UpstreamFault, open_upstream

TIMEOUT_S = 30
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
USUAL = (
    b"HTTP/1.1 101 Switching Protocols",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Accept: " + ACCEPT,
)
CREATED = b'{"type":"session.created","session":{}}'


def answer(*lines: bytes) -> bytes:
    """Return an answer of HTTP."""
    return b"\r\n".join(lines) + END


def test_request_is_what_the_library_accepts() -> None:
    """It says whom it is for, and bears what it is given; each has a key of its own."""
    address = "ws://user:word@127.0.0.1:81/v1/realtime?model=a%20b"
    upgrade = Upgrade.of(address, {"Authorization": "Bearer key", "OpenAI-Beta": "realtime=v1"})
    server = ServerProtocol()
    server.receive_data(upgrade.request)
    request = server.events_received()[0]
    response = server.accept(request)  # type: ignore[arg-type]
    assert response.status_code == 101
    assert response.headers["Sec-WebSocket-Accept"].encode() == upgrade.accept
    assert request.path == "/v1/realtime?model=a%20b"  # type: ignore[union-attr]
    told = request.headers  # type: ignore[union-attr]
    assert (told["Host"], told["OpenAI-Beta"]) == ("127.0.0.1:81", "realtime=v1")
    assert told["Authorization"] == "Bearer key"
    assert upgrade.request != Upgrade.of(address, {}).request
    assert b"Authorization: Basic " in Upgrade.of(address, {}).request


@pytest.mark.parametrize(
    "lines",
    [
        USUAL,
        (USUAL[0] + b" ", b"upgrade:WebSocket", b"connection: keep-alive, upgrade ", USUAL[3]),
        (b"HTTP/1.1 101", *USUAL[1:], b"Set-Cookie: a", b"Set-Cookie: b"),
        (*USUAL[:2], b"Connection: keep-alive", b"Connection: Upgrade", USUAL[3]),
    ],
)
def test_answer_that_keeps_the_rules_is_taken(lines: tuple[bytes, ...]) -> None:
    """Names and options in any case, in any order, beside others (RFC 6455, section 4.1)."""
    whole = answer(*lines)
    assert end_of_answer(whole + b"\x81\x00") == len(whole)
    check_answer(whole, ACCEPT)


@pytest.mark.parametrize(
    "lines",
    [
        (b"HTTP/1.1 1010 Odd", *USUAL[1:]),
        (USUAL[0], *USUAL[2:]),
        (USUAL[0], b"Upgrade: h2c", *USUAL[2:]),
        (*USUAL[:2], b"Connection: keep-alive", USUAL[3]),
        USUAL[:3],
        (*USUAL[:3], b"Sec-WebSocket-Accept: " + ACCEPT.lower()),
        (*USUAL, USUAL[3]),
        (*USUAL, b"Sec-WebSocket-Extensions: permessage-deflate"),
        (*USUAL, b"Sec-WebSocket-Protocol: realtime"),
        (*USUAL, b" folded"),
        (*USUAL, b"no colon"),
        (*USUAL, b"X-Odd: a\nb"),
        (*USUAL, *[b"X-Many: 1"] * 130),
    ],
)
def test_answer_that_breaks_a_rule_is_refused(lines: tuple[bytes, ...]) -> None:
    """Neither what was not offered nor anything malformed is taken."""
    with pytest.raises(HandshakeFault):
        check_answer(answer(*lines), ACCEPT)


def test_answer_is_refused_as_soon_as_it_can_be_none() -> None:
    """Another status, no HTTP, or more than an answer may have."""
    assert end_of_answer(b"HTTP/1.1 1") == 0
    for data in (
        b"HTTP/1.1 401 Unauthorized",
        b"SSH-2.0",
        b"HTTP/1.1 101" + b"x" * MOST_ANSWER_BYTES,
    ):
        with pytest.raises(HandshakeFault):
            end_of_answer(data)


Serving = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def listening(serve: Serving) -> AsyncIterator[int]:
    """Listen on a port around a block."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def endpoint(port: int, host: str = "127.0.0.1") -> RelayEndpoint:
    """Return an endpoint on this host."""
    return RelayEndpoint(
        url=f"ws://{host}:{port}/v1/realtime",
        model=None,
        key="",
        key_header="authorization",
        connect_timeout_s=TIMEOUT_S,
        silence_s=1,
        reconnect_s=1,
        most_message_bytes=1_000,
    )


async def accepted(reader: asyncio.StreamReader) -> bytes:
    """Return the answer to the request that comes."""
    server = ServerProtocol()
    server.receive_data(await reader.readuntil(END))
    server.send_response(server.accept(server.events_received()[0]))  # type: ignore[arg-type]
    return b"".join(server.data_to_send())


@pytest.mark.parametrize("step", [1_000, 50, 7])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_first_event_may_come_with_the_answer_or_in_pieces(host: str, step: int) -> None:
    """Wherever the network cuts what comes, by number or by name."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = await accepted(reader) + bytes((0x81, len(CREATED))) + CREATED
        for start in range(0, len(wire), step):
            writer.write(wire[start : start + step])
            await asyncio.sleep(0)
        await reader.read()
        writer.close()

    async with listening(serve) as port:
        link = await Link.open(endpoint(port, host))
        assert await link.next_text() == CREATED.decode()
        link.abort()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "handshake"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "handshake"),
        (b"HTTP/1.1 101 Sw", "handshake"),
        (b"", "handshake"),
    ],
)
async def test_upstream_that_does_not_shake_hands_is_a_fault(said: bytes, reason: str) -> None:
    """Whatever it says, or nothing, before it hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(END)
        writer.write(said)
        writer.close()

    async with listening(serve) as port:
        with pytest.raises(UpstreamFault) as fault:
            await open_upstream(endpoint(port))
    assert fault.value.reason == reason


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_nobody_there_is_unreachable(host: str) -> None:
    """Also where the refusal came before anybody waited."""
    async with listening(_nothing) as port:
        pass
    with pytest.raises(UpstreamFault) as fault:
        await open_upstream(endpoint(port, host))
    assert fault.value.reason == "unreachable"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("turns", [0, 1, 3, 40])
async def test_abandoned_dial_leaves_no_connection(host: str, turns: int) -> None:
    """However far it got: who was reached sees the end."""
    reached = asyncio.Event()
    parted = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        with suppress(ConnectionError):
            await reader.read()
        parted.set()
        writer.close()

    async with listening(serve) as port:
        dial = Dial(endpoint(port, host))
        for _ in range(turns):
            await asyncio.sleep(0)
        await dial.abandon()
        if host == "127.0.0.1":  # by name it may never have begun
            await reached.wait()
        if reached.is_set():
            await parted.wait()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_wait_that_is_cancelled_at_any_turn_leaves_no_connection(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    """A caller who leaves takes the upstream's connection along, on either event loop."""
    run(_cancelled_at_every_turn())


async def _cancelled_at_every_turn() -> None:
    begun, parted = 0, asyncio.Semaphore(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal begun
        begun += 1
        with suppress(ConnectionError):
            await reader.read()
        parted.release()
        writer.close()

    async with listening(serve) as port:
        for turns in range(12):
            opening = asyncio.create_task(open_upstream(endpoint(port)))
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            await asyncio.wait((opening,))
            assert opening.cancelled()
        for _ in range(11):  # the first was cancelled before it began
            await parted.acquire()
    assert begun == 11


async def test_upstream_behind_a_proxy_is_reached_through_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The proxy of the environment is asked for the upstream, which shakes hands as any."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(END)).splitlines()[0])
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.write(await accepted(reader) + bytes((0x81, len(CREATED))) + CREATED)
        await reader.read()
        writer.close()

    async with listening(serve) as port:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        there = endpoint(80, "upstream.invalid")
        link = await Link.open(there)
        assert await link.next_text() == CREATED.decode()
        link.abort()
    assert asked == [f"CONNECT {urlsplit(there.url).netloc} HTTP/1.1".encode()]


async def _nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
