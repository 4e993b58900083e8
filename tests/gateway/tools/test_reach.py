"""Where the gateway's requests go, and what servers cannot do to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

import httpx2
import pytest

from gateway.tools.guard import Address, AnswerTooLong, Guard, GuardedTransport, guarded_client
from realtime.events.mcp_items import McpHttpError
from realtime.session.effects import ImportTools
from realtime.session.inputs import ToolsNotImported
from tests.gateway.tools.test_mcp import TIMEOUT_S, Session
from tests.servers import mcp


@asynccontextmanager
async def answering(reply: bytes, *, then: bytes = b"") -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve one reply, followed by the same bytes again and again; yield origin and requests."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(reply)
            while then:
                writer.write(then)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            if reply:
                writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    server.close()


async def test_redirect_to_a_private_address_is_not_followed() -> None:
    """A server that is trusted leads nobody to one that is not."""
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (target, reached):
        moved = f"HTTP/1.1 307 x\r\nLocation: {target}/mcp\r\nContent-Length: 0\r\n\r\n"
        async with answering(moved.encode()) as (origin, asked):
            for path in ("/mcp", "/sse"):
                session = Session(origin + path, allowed=[origin])
                assert isinstance(await session.imported(), ToolsNotImported)
                session.tools.close()
            assert asked
            assert reached == []


async def test_server_that_never_answers_is_left_when_nobody_waits() -> None:
    """The machine's deadline cancels the import: nothing is reported, and the log says so."""
    async with answering(b"") as (origin, asked):
        session = Session(f"{origin}/mcp", allowed=[origin])
        session.tools.import_tools(ImportTools("item_1", session.server))
        async with asyncio.timeout(TIMEOUT_S):
            while not asked:
                await asyncio.sleep(0.01)
        session.tools.cancel_import("item_1")
        async with asyncio.timeout(TIMEOUT_S):
            while not session.log:
                await asyncio.sleep(0.01)
        assert session.log[0].status == "cancelled"
        assert session.reports.empty()
        session.tools.close()


async def test_event_without_end_is_not_read_for_ever() -> None:
    """A stream of events may be long, one event may not."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: "
    async with answering(head, then=b"x" * 65_536) as (origin, _):
        client = guarded_client(Guard([origin]), timeout=httpx2.Timeout(TIMEOUT_S))
        async with client.stream("GET", origin) as answer:
            with pytest.raises(AnswerTooLong):
                await answer.aread()
        await client.aclose()


async def test_name_that_resolves_anew_is_connected_at_the_checked_address() -> None:
    """Rebinding: the first, checked address is the one that every request goes to."""
    answers = [["127.0.0.1"], ["192.0.2.1"], ["192.0.2.1"]]
    names: list[str] = []

    async def resolve(host: str, _port: int) -> list[Address]:
        names.append(host)
        return [ip_address(one) for one in answers.pop(0)]

    async with answering(b"HTTP/1.1 204 x\r\n\r\n") as (origin, asked):
        named = origin.replace("127.0.0.1", "docs.test")
        guard = Guard([named], resolve=resolve)
        client = guarded_client(guard, timeout=httpx2.Timeout(TIMEOUT_S))
        for _ in range(2):
            assert (await client.get(f"{named}/mcp")).status_code == 204
        assert names == ["docs.test"]
        assert all(b"host: docs.test" in request.lower() for request in asked)
        await client.aclose()


async def test_name_with_one_private_address_among_public_ones_is_refused() -> None:
    """All its addresses must be public: any of them could be the one that is dialled."""

    async def resolve(_host: str, _port: int) -> list[Address]:
        return [ip_address("93.184.216.34"), ip_address("10.0.0.1")]

    client = guarded_client(Guard(resolve=resolve), timeout=httpx2.Timeout(TIMEOUT_S))
    with pytest.raises(httpx2.ConnectError):
        await client.get("https://mixed.test/mcp")
    await client.aclose()


async def test_http_status_of_a_server_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract has a form for it; the library keeps the status to itself."""
    with mcp.running() as running:
        session = Session(running.url, allowed=[running.origin])
        await session.imported()
        send = GuardedTransport.handle_async_request

        async def refuse(self: GuardedTransport, request: httpx2.Request) -> httpx2.Response:
            answer = await send(self, request)
            answer.status_code = 503
            return answer

        monkeypatch.setattr(GuardedTransport, "handle_async_request", refuse)
        report = await session.call("search", '{"q":"x"}')
        assert isinstance(report.error, McpHttpError)
        assert report.error.code == 503
        session.tools.close()
