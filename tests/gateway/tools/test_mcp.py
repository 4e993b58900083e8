"""A session's tools against real MCP servers over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gateway.tools import mcp as library
from gateway.tools.ports import LogEntry
from gateway.tools.session import SessionTools, Tools
from realtime.engine import ToolCall, ToolRoute
from realtime.events.mcp_items import McpExecutionError
from realtime.session.effects import ImportTools
from realtime.session.inputs import (
    Input,
    ToolProgressed,
    ToolReturned,
    ToolsImported,
    ToolsNotImported,
)
from realtime.tools.mcp import McpServer
from tests.servers import mcp
from tests.servers.mcp import Running

TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def docs() -> Iterator[Running]:
    """A server with a few tools."""
    with mcp.running() as running:
        yield running


class Session:
    """A session's tools, what they report and what stands in the log."""

    def __init__(
        self,
        url: str,
        *,
        allowed: list[str],
        headers: dict[str, str] | None = None,
        denied: str = "",
    ) -> None:
        self.reports: asyncio.Queue[Input] = asyncio.Queue()
        self.log: list[LogEntry] = []
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self._denied = denied
        tools = Tools([], allowed_origins=allowed)
        self.tools = SessionTools(
            tools, "sess_1", self.reports.put_nowait, permit=self.permit, log=self.log.append
        )
        self.server = McpServer(label="docs", url=url, headers=headers or {})

    async def permit(self, action: str, facts: Mapping[str, Any]) -> str | None:
        """Deny one action."""
        self.asked.append((action, facts))
        return "Denied by policy." if action == self._denied else None

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


@pytest.mark.parametrize("last", ["search", "die"])
async def test_server_that_was_restarted_is_found_again(last: str) -> None:
    """It has forgotten the session: one call may fail, the next opens another."""
    with mcp.running() as first:
        session = Session(first.url, allowed=[first.origin])
        await session.imported()
        await session.call(last, '{"q":"x"}' if last == "search" else "{}")
    with mcp.running(port=first.port):
        reports = [await session.call("search", '{"q":"y"}') for _ in range(2)]
        assert reports[-1].output == "Found y."
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


# --- policy, and the log -----------------------------------------------------------


async def test_policy_is_asked_before_a_server_is_connected_to(docs: Running) -> None:
    """A denied import fails by the contract's event, is logged, and connects to nobody."""
    session = Session(docs.url, allowed=[docs.origin], denied="mcp.connect")
    assert isinstance(await session.imported(), ToolsNotImported)
    assert session.asked == [("mcp.connect", {"server_label": "docs", "server_url": docs.url})]
    entry = session.log[0]
    assert (entry.kind, entry.status, entry.error) == (
        "mcp_import", "denied", {"message": "Denied by policy."},
    )  # fmt: skip
    session.tools.close()


async def test_policy_is_asked_before_a_tool_runs(docs: Running) -> None:
    """A denied call ends with an error that the model and the client read."""
    session = Session(docs.url, allowed=[docs.origin], denied="tool.execute")
    await session.imported()
    report = await session.call("search", '{"q":"x"}')
    assert report.error == McpExecutionError(message="Denied by policy.")
    facts = session.asked[-1][1]
    assert (facts["tool"], facts["executor"], facts["arguments"]) == (
        "search", "mcp", '{"q":"x"}',
    )  # fmt: skip
    assert session.log[-1].status == "denied"
    session.tools.close()


async def test_every_call_stands_in_the_log_with_how_it_ended(docs: Running) -> None:
    """Arguments, result or error, duration, who ran it."""
    session = Session(docs.url, allowed=[docs.origin])
    await session.imported()
    await session.call("search", '{"q":"x"}')
    await session.call("fail")
    await session.call("search", "[]")
    session.start("slow")
    await asyncio.sleep(0)
    session.tools.cancel("resp_1", "slow", late=True)
    imported, made, failed, refused, late = session.log
    assert (imported.kind, imported.status, imported.output) == (
        "mcp_import", "completed", "5 tools",
    )  # fmt: skip
    assert (made.kind, made.executor, made.status, made.arguments, made.output) == (
        "mcp", "mcp", "completed", '{"q":"x"}', "Found x.",
    )  # fmt: skip
    assert made.duration_ms is not None
    assert (failed.status, failed.output) == ("failed", None)
    assert failed.error is not None
    assert (refused.status, late.status) == ("refused", "timed_out")
    session.tools.close()


async def test_log_keeps_no_more_than_its_bound_of_a_call(docs: Running) -> None:
    """Payloads in the log are bounded, whatever a model writes."""
    session = Session(docs.url, allowed=[docs.origin])
    await session.imported()
    await session.call("search", json.dumps({"q": "x" * 40_000}))
    row = session.log[-1].row()
    assert (len(row["arguments"]), len(row["output"])) == (16_384, 16_384)
    session.tools.close()


# --- progress, tokens, what servers do ------------------------------------------------


@pytest.mark.parametrize("sse", [False, True])
async def test_progress_of_a_call_is_reported(*, sse: bool) -> None:
    """The server's notifications come as inputs before the result, over either transport."""
    with mcp.running(sse=sse) as running:
        session = Session(running.url, allowed=[running.origin])
        await session.imported()
        session.start("steps", json.dumps({"every_ms": 10, "count": 3}))
        reports = [await session.report()]
        while not isinstance(reports[-1], ToolReturned):
            reports.append(await session.report())
        assert reports[:-1] == [ToolProgressed("resp_1", "steps")] * (len(reports) - 1)
        assert len(reports) > 1
        assert reports[-1].output == "all done"
        session.tools.close()


async def test_token_goes_to_the_server_with_every_request() -> None:
    """With it tools are listed and called; without it the import fails."""
    with mcp.running(token="canary") as running:  # noqa: S106 -- a test's
        known = {"Authorization": "Bearer canary"}
        session = Session(running.url, allowed=[running.origin], headers=known)
        assert isinstance(await session.imported(), ToolsImported)
        assert (await session.call("search", '{"q":"x"}')).output == "Found x."
        session.tools.close()
        stranger = Session(running.url, allowed=[running.origin])
        assert isinstance(await stranger.imported(), ToolsNotImported)
        assert "canary" not in str(session.log) + str(stranger.log)
        stranger.tools.close()


async def test_more_tools_than_anybody_can_be_shown_fail_the_import(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not a part of them by chance: the client is told, and the log says why."""
    monkeypatch.setattr(library, "MOST_TOOLS", 20)
    with mcp.running(tools=30) as large:
        session = Session(large.url, allowed=[large.origin])
        assert isinstance(await session.imported(), ToolsNotImported)
        assert session.log[0].error == {"message": "TooManyTools"}
        session.tools.close()


async def test_longer_descriptions_than_anybody_can_be_shown_fail_the_import(
    docs: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few tools may be too much as well."""
    monkeypatch.setattr(library, "MOST_LIST_CHARS", 200)
    session = Session(docs.url, allowed=[docs.origin])
    assert isinstance(await session.imported(), ToolsNotImported)
    session.tools.close()
