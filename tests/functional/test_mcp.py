"""MCP tools on the real socket: a forced call, and approval."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional import server as servers
from tests.functional.client import Client, connected
from tests.functional.server import Server
from tests.servers import mcp
from tests.servers.mcp import Running

LISTENING = socket.create_server(("127.0.0.1", 0))
"""Accepts connections into its backlog and never answers."""

SILENT = f"http://127.0.0.1:{LISTENING.getsockname()[1]}"


@pytest.fixture(scope="module")
def docs() -> Iterator[Running]:
    """An MCP server."""
    with mcp.running() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(docs: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway that may reach it, without speech and skills."""
    env = {
        "VOICEENGINE_TOOL_ORIGINS": json.dumps([docs.origin, SILENT]),
        "VOICEENGINE_MCP_IMPORT_TIMEOUT_S": "3",
        "VOICEENGINE_MCP_CALL_TIMEOUT_S": "1",
        "VOICEENGINE_MCP_CALL_MOST_S": "2.5",
    }
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


async def forced(client: Client, name: str) -> dict[str, Any]:
    """Have a tool of the server called; return the response."""
    choice = {"type": "mcp", "server_label": "docs", "name": name}
    await client.send(type="response.create", response={"tool_choice": choice})
    return dict((await client.until("response.done"))[-1]["response"])


async def test_tool_that_is_not_allowed_is_not_there(gateway: Server, docs: Running) -> None:
    """Filters by name and by the hint that a tool only reads."""
    async with connected(gateway, model="gpt-realtime") as client:
        for allowed in (["search"], {"read_only": True}, {"tool_names": ["search", "nope"]}):
            await client.send(
                type="session.update",
                session={
                    "type": "realtime", "output_modalities": ["text"],
                    "tools": [entry(docs, allowed_tools=allowed, require_approval="never")],
                },
            )  # fmt: skip
            refused = await forced(client, "fail")
            assert refused["status_details"]["error"]["code"] == "no_usable_tool"
            assert (await forced(client, "search"))["output"][0]["error"] is None


async def test_approval_is_asked_by_filter(gateway: Server, docs: Running) -> None:
    """What only reads needs no word; everything else does."""
    async with connected(gateway, model="gpt-realtime") as client:
        await configure(client, entry(docs, require_approval={"never": {"read_only": True}}))
        assert (await forced(client, "search"))["output"][0]["type"] == "mcp_call"
        assert (await forced(client, "fail"))["output"][0]["type"] == "mcp_approval_request"


async def test_server_that_never_answers_fails_its_import(gateway: Server, docs: Running) -> None:
    """A response that waited for it goes on without its tools."""
    async with connected(gateway, model="gpt-realtime") as client:
        session = {"type": "realtime", "tools": [entry(docs, server_url=f"{SILENT}/mcp")]}
        await client.send(type="session.update", session=session)
        await client.send(type="response.create", response={"output_modalities": ["text"]})
        events = await client.until("response.done")
        kinds = [event["type"] for event in events]
        assert "mcp_list_tools.failed" in kinds
        assert "mcp_list_tools.completed" not in kinds
        assert events[-1]["response"]["status"] == "completed"


async def test_tool_that_never_answers_fails_its_call(gateway: Server, docs: Running) -> None:
    """The call ends in time with an error of the tool's; the next one is answered."""
    async with connected(gateway, model="gpt-realtime") as client:
        await configure(client, entry(docs, require_approval="never"))
        call = (await forced(client, "slow"))["output"][0]
        assert call["error"] == {
            "type": "tool_execution_error",
            "message": "The tool did not answer within 1 seconds.",
        }
        assert (await forced(client, "search"))["output"][0]["error"] is None


async def test_server_that_dies_in_a_call_fails_it_and_the_session_goes_on(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Also the next call fails by the contract's event, and the answer still comes."""
    with mcp.running() as dying:
        env = {"VOICEENGINE_TOOL_ORIGINS": json.dumps([dying.origin])}
        server = servers.start(tmp_path_factory.mktemp("dying"), env=env)
        server.wait_ready()
        async with connected(server, model="gpt-realtime") as client:
            await configure(client, entry(dying, require_approval="never"))
            for name in ("die", "search"):
                response = await forced(client, name)
                call, message = response["output"]
                assert (response["status"], message["type"]) == ("completed", "message")
                assert call["error"]["type"] == "tool_execution_error"
                assert "127.0.0.1" not in json.dumps(call)
        assert server.stop() == 0
