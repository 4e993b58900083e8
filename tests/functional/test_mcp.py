"""MCP tools on the real socket: a forced call, and approval."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional import server as servers
from tests.functional.client import Client, connected
from tests.functional.server import Server
from tests.servers import mcp
from tests.servers.mcp import Running


@pytest.fixture(scope="module")
def docs() -> Iterator[Running]:
    """An MCP server."""
    with mcp.running() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(docs: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway that may reach it, without speech and skills."""
    env = {"VOICEENGINE_TOOL_ORIGINS": json.dumps([docs.origin])}
    server = servers.start(tmp_path_factory.mktemp("mcp"), env=env)
    server.wait_ready()
    yield server
    assert server.stop() == 0


def entry(docs: Running, **more: Any) -> dict[str, Any]:
    """Return the tool entry."""
    return {"type": "mcp", "server_label": "docs", "server_url": docs.url, **more}


async def configure(client: Client, *tools: dict[str, Any]) -> list[dict[str, Any]]:
    """Configure tools; return the events until they are imported."""
    session = {"type": "realtime", "output_modalities": ["text"], "tools": list(tools)}
    await client.send(type="session.update", session=session)
    return await client.until("conversation.item.done")


FORCED = {"tool_choice": {"type": "mcp", "server_label": "docs", "name": "search"}}


async def test_forced_call_runs_on_the_server_and_its_output_is_the_answer(
    gateway: Server, docs: Running
) -> None:
    """Import, call and answer, all through the socket; the token is never shown."""
    async with connected(gateway, model="gpt-realtime") as client:
        tool = entry(docs, require_approval="never", authorization="secret")
        events = await configure(client, tool)
        assert "secret" not in json.dumps(events)
        assert events[-1]["item"]["tools"][0]["name"] == "search"
        await client.send(type="response.create", response=FORCED)
        done = (await client.until("response.done"))[-1]["response"]
        call, message = done["output"]
        assert (call["type"], call["error"]) == ("mcp_call", None)
        assert call["output"].startswith("Found ")
        assert message["content"][0]["text"] == call["output"]


async def test_call_runs_after_the_clients_yes(gateway: Server, docs: Running) -> None:
    """Without require_approval the client is asked, and its yes is enough."""
    async with connected(gateway, model="gpt-realtime") as client:
        await configure(client, entry(docs))
        await client.send(type="response.create", response=FORCED)
        request = (await client.until("response.done"))[-1]["response"]["output"][0]
        assert request["type"] == "mcp_approval_request"
        word = {
            "type": "mcp_approval_response",
            "approval_request_id": request["id"],
            "approve": True,
        }
        await client.send(type="conversation.item.create", item=word)
        call = (await client.until("response.done"))[-1]["response"]["output"][0]
        assert (call["approval_request_id"], call["error"]) == (request["id"], None)


async def test_private_server_that_the_operator_did_not_allow_is_not_reached(
    gateway: Server, docs: Running
) -> None:
    """The import fails, and the session goes on."""
    async with connected(gateway, model="gpt-realtime") as client:
        other = entry(docs, server_url=docs.url.replace("127.0.0.1", "localhost"))
        session = {"type": "realtime", "tools": [other]}
        await client.send(type="session.update", session=session)
        await client.until("mcp_list_tools.failed")
        await client.send(type="response.create", response={"output_modalities": ["text"]})
        assert (await client.until("response.done"))[-1]["response"]["status"] == "completed"
