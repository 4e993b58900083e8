"""A session's tools against real MCP servers over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from gateway.tools.session import SessionTools, Tools
from realtime.engine import ToolCall, ToolRoute
from realtime.events.mcp_items import McpExecutionError
from realtime.session.effects import ImportTools
from realtime.session.inputs import Input, ToolReturned, ToolsImported, ToolsNotImported
from realtime.tools.mcp import McpServer
from tests.servers import mcp
from tests.servers.mcp import Running

TIMEOUT_S = 20.0


@pytest.fixture(scope="module")
def docs() -> Iterator[Running]:
    """A server with a few tools."""
    with mcp.running() as running:
        yield running


class Session:
    """A session's tools, and what they report."""

    def __init__(self, url: str, *, allowed: list[str]) -> None:
        self.reports: asyncio.Queue[Input] = asyncio.Queue()
        tools = Tools([], allowed_origins=allowed)
        self.tools = SessionTools(tools, "sess_1", self.reports.put_nowait)
        self.server = McpServer(label="docs", url=url)

    async def imported(self) -> Input:
        """Import, and return the report."""
        self.tools.import_tools(ImportTools("item_1", self.server))
        return await self.report()

    async def report(self) -> Input:
        """Return the next report."""
        return await asyncio.wait_for(self.reports.get(), TIMEOUT_S)

    def start(self, name: str, arguments: str = "{}") -> None:
        """Start a call."""
        route = ToolRoute(executor="mcp", shown_as="mcp_call", server_label="docs", tool_name=name)
        call = ToolCall(
            call_id=name, response_id="resp_1", item_id="i", name=name,
            arguments=arguments, route=route,
        )  # fmt: skip
        self.tools.call(call)

    async def call(self, name: str, arguments: str = "{}") -> ToolReturned:
        """Call a tool, and return the report."""
        self.start(name, arguments)
        report = await self.report()
        assert isinstance(report, ToolReturned)
        return report


async def test_tools_of_a_server_are_imported_with_schema_and_annotations(docs: Running) -> None:
    """An import tells names, descriptions, schemas and hints under the protocol's own names."""
    session = Session(docs.url, allowed=[docs.origin])
    report = await session.imported()
    assert isinstance(report, ToolsImported)
    search = report.tools[0]
    assert (search.name, search.description) == ("search", "Search the documents.")
    assert search.input_schema["required"] == ["q"]
    assert search.annotations == {"readOnlyHint": True}
    session.tools.close()


async def test_call_returns_the_tools_output(docs: Running) -> None:
    """What the tool returns is the call's output."""
    session = Session(docs.url, allowed=[docs.origin])
    await session.imported()
    assert (await session.call("search", json.dumps({"q": "rates"}))).output == "Found rates."
    session.tools.close()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("fail", "{}"), ("nope", "{}"), ("search", "{}"), ("search", "[]"), ("search", '{"q')],
)
async def test_call_that_cannot_be_is_an_error_and_the_session_goes_on(
    docs: Running, name: str, arguments: str
) -> None:
    """A failing or unknown tool and arguments that do not fit end the call, nothing else."""
    session = Session(docs.url, allowed=[docs.origin])
    await session.imported()
    report = await session.call(name, arguments)
    assert report.output is None
    assert report.error is not None
    assert (await session.call("search", '{"q":"x"}')).output == "Found x."
    session.tools.close()


async def test_cancelled_call_reports_nothing_and_the_connection_serves_the_next(
    docs: Running,
) -> None:
    """A slow call that is cancelled does not come back."""
    session = Session(docs.url, allowed=[docs.origin])
    await session.imported()
    session.start("slow")
    await asyncio.sleep(0)
    session.tools.cancel("resp_1", "slow")
    assert (await session.call("search", '{"q":"x"}')).output == "Found x."
    assert session.reports.empty()
    session.tools.close()


async def test_server_that_dies_in_a_call_ends_it_with_an_error() -> None:
    """The call ends at once, not at its deadline, and tells nothing internal."""
    with mcp.running() as dying:
        session = Session(dying.url, allowed=[dying.origin])
        await session.imported()
        report = await session.call("die")
        assert report.output is None
        assert report.error is not None
        assert "127.0.0.1" not in str(report.error)
        session.tools.close()


async def test_five_hundred_tools_are_imported() -> None:
    """A long list is read to its end."""
    with mcp.running(tools=500) as large:
        session = Session(large.url, allowed=[large.origin])
        report = await session.imported()
        assert isinstance(report, ToolsImported)
        assert len(report.tools) == 505
        session.tools.close()


async def test_server_with_the_older_transport_is_understood() -> None:
    """A URL that ends in /sse is spoken to by server-sent events."""
    with mcp.running(sse=True) as older:
        session = Session(older.url, allowed=[older.origin])
        assert isinstance(await session.imported(), ToolsImported)
        assert (await session.call("search", '{"q":"x"}')).output == "Found x."
        session.tools.close()


async def test_private_address_without_the_operators_word_is_not_connected_to(
    docs: Running,
) -> None:
    """A client's URL cannot open this machine's own ports."""
    session = Session(docs.url, allowed=[])
    assert isinstance(await session.imported(), ToolsNotImported)
    report = await session.call("search", '{"q":"x"}')
    assert isinstance(report.error, McpExecutionError)
    session.tools.close()
