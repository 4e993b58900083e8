"""MCP tools of a relayed session: the gateway asks the servers, the upstream sees functions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.functional import server as servers
from tests.functional.client import Client, connected, types
from tests.functional.server import Server
from tests.servers import mcp, upstream
from tests.servers.mcp import Running
from tests.servers.upstream import KEY

CALL_KINDS = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.mcp_call.in_progress",
    "response.mcp_call.completed",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


def forced(name: str) -> dict[str, Any]:
    """Return what makes a model call a tool of the server."""
    return {"tool_choice": {"type": "mcp", "server_label": "docs", "name": name}}


@pytest.fixture(scope="module")
def docs() -> Iterator[Running]:
    """An MCP server."""
    with mcp.running() as running:
        yield running


@pytest.fixture(scope="module")
def stand_in() -> Iterator[str]:
    """An endpoint that tells what it was sent."""
    with upstream.running() as url:
        yield url


@pytest.fixture(scope="module")
def gateway(
    docs: Running,
    stand_in: str,
    plain_server: Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """A gateway that relays to a second one, and to the stand-in."""
    theirs = {"url": stand_in, "model": "theirs", "api_key": KEY}
    relays = {
        "relayed": {
            "url": plain_server.ws_url, "model": "gpt-realtime", "api_key": plain_server.key,
        },
        "stand-in": theirs,
        "delegated": {**theirs, "mcp": "endpoint"},
    }  # fmt: skip
    env = {
        "VOICEENGINE_TOOL_ORIGINS": json.dumps([docs.origin, "http://127.0.0.1:1"]),
        "VOICEENGINE_RELAYS": json.dumps(relays),
    }
    server = servers.start(tmp_path_factory.mktemp("relay-mcp"), env=env)
    server.wait_ready()
    yield server
    assert server.stop() == 0


@pytest.fixture
async def client(gateway: Server) -> AsyncIterator[Client]:
    """A client of the second gateway, by the first."""
    async with connected(gateway, model="relayed") as connection:
        yield connection


def entry(docs: Running, **more: Any) -> dict[str, Any]:
    """Return the tool entry."""
    return {"type": "mcp", "server_label": "docs", "server_url": docs.url, **more}


async def configure(client: Client, tool: dict[str, Any]) -> list[dict[str, Any]]:
    """Configure a server; return the events until its tools are known."""
    session = {"type": "realtime", "output_modalities": ["text"], "tools": [tool]}
    await client.send(type="session.update", session=session)
    return await client.until("conversation.item.done")


async def respond(client: Client, name: str) -> list[dict[str, Any]]:
    """Have a tool called; return the events of that response."""
    await client.send(type="response.create", response=forced(name))
    return await client.until("response.done")


async def word(client: Client, request: dict[str, Any], *, approve: bool) -> list[dict[str, Any]]:
    """Give the client's word; return the events to the end of the answer."""
    item = {
        "type": "mcp_approval_response", "approval_request_id": request["id"], "approve": approve,
    }  # fmt: skip
    await client.send(type="conversation.item.create", item=item)
    return await client.until("response.done")


async def test_upstream_is_offered_plain_functions_and_no_secret(
    gateway: Server, docs: Running
) -> None:
    """Neither server nor token goes up; the client's echo has the entry without the token."""
    async with connected(gateway, model="stand-in") as client:
        events = await configure(client, entry(docs, authorization="secret"))
        kinds = ["session.updated", "conversation.item.added", "mcp_list_tools.in_progress"]
        assert types(events)[:3] == kinds
        assert events[0]["session"]["tools"] == [entry(docs)]
        assert "search" in [tool["name"] for tool in events[-1]["item"]["tools"]]
        await client.send(type="vendor.tell")
        told = (await client.until("vendor.told"))[-1]["received"]
    offered = told[-1]["session"]["tools"]
    assert {tool["type"] for tool in offered} == {"function"}
    assert "search" in [tool["name"] for tool in offered]
    assert "secret" not in json.dumps(told)
    assert docs.url not in json.dumps(told)


async def test_call_runs_here_and_its_output_is_answered(client: Client, docs: Running) -> None:
    """The call is an `mcp_call` of its response; another response follows by itself."""
    await configure(client, entry(docs, require_approval="never"))
    events = await respond(client, "search")
    seen = [kind for kind in dict.fromkeys(types(events)) if not kind.startswith("rate")]
    assert seen == CALL_KINDS
    (call,) = events[-1]["response"]["output"]
    assert (call["type"], call["name"], call["error"]) == ("mcp_call", "search", None)
    assert call["output"].startswith("Found ")
    assert events[-2]["item"] == call
    answer = (await client.until("response.done"))[-1]["response"]
    assert call["output"] in answer["output"][0]["content"][0]["text"]


async def test_call_that_fails_is_told_and_answered(client: Client, docs: Running) -> None:
    """The model reads why."""
    await configure(client, entry(docs, require_approval="never"))
    (call,) = (await respond(client, "fail"))[-1]["response"]["output"]
    assert (call["output"], call["error"]["type"]) == (None, "tool_execution_error")
    assert (await client.until("response.done"))[-1]["response"]["status"] == "completed"


async def test_client_is_asked_before_the_call(client: Client, docs: Running) -> None:
    """Its yes is enough: call and answer follow."""
    await configure(client, entry(docs))
    (request,) = (await respond(client, "search"))[-1]["response"]["output"]
    assert (request["type"], request["name"]) == ("mcp_approval_request", "search")
    events = await word(client, request, approve=True)
    items = [event["item"] for event in events if event["type"] == "conversation.item.done"]
    assert items[0]["type"] == "mcp_approval_response"
    assert (items[1]["type"], items[1]["approval_request_id"]) == ("mcp_call", request["id"])
    assert items[1]["output"] in events[-1]["response"]["output"][0]["content"][0]["text"]


async def test_no_is_told_to_the_model(client: Client, docs: Running) -> None:
    """Nothing is called, and the model says so."""
    await configure(client, entry(docs))
    (request,) = (await respond(client, "search"))[-1]["response"]["output"]
    events = await word(client, request, approve=False)
    assert "response.mcp_call.in_progress" not in types(events)
    said = events[-1]["response"]["output"][0]["content"][0]["text"]
    assert "not approve" in said


async def test_call_is_cancelled_with_its_response(client: Client, docs: Running) -> None:
    """The client that waits no more gets the end at once, and the session goes on."""
    await configure(client, entry(docs, require_approval="never"))
    await client.send(type="response.create", response=forced("slow"))
    await client.until("response.mcp_call.in_progress")
    await client.send(type="response.cancel")
    events = await client.until("response.done")
    (call,) = events[-1]["response"]["output"]
    assert call["error"]["type"] == "tool_execution_error"
    assert "response.mcp_call.failed" in types(events)
    await respond(client, "search")


async def test_server_that_is_not_there_fails_its_import_only(client: Client) -> None:
    """A response does without its tools."""
    tool = {"type": "mcp", "server_label": "docs", "server_url": "http://127.0.0.1:1/mcp"}
    session = {"type": "realtime", "output_modalities": ["text"], "tools": [tool]}
    await client.send(type="session.update", session=session)
    await client.send(type="response.create")
    events = await client.until("response.done")
    assert "mcp_list_tools.failed" in types(events)
    assert events[-1]["response"]["status"] == "completed"


async def test_listed_tools_can_be_retrieved(client: Client, docs: Running) -> None:
    """The Agents SDK asks for the item as soon as the import begins."""
    listed = (await configure(client, entry(docs)))[-1]["item"]
    await client.send(type="conversation.item.retrieve", item_id=listed["id"])
    item = (await client.until("conversation.item.retrieved"))[-1]["item"]
    assert item == {**listed, "object": "realtime.item"}


async def test_definition_that_cannot_be_is_refused_here(client: Client, docs: Running) -> None:
    """As our own machine refuses it (CONTRACT 8.5)."""
    tools = [entry(docs), entry(docs)]
    session = {"type": "realtime", "tools": tools}
    await client.send(type="session.update", session=session, event_id="mine")
    error = (await client.until("error"))[-1]["error"]
    assert (error["param"], error["event_id"]) == ("session.tools[1].server_label", "mine")


async def test_relay_may_leave_mcp_to_the_endpoint(gateway: Server, docs: Running) -> None:
    """With `"mcp": "endpoint"` the entry goes up as it is."""
    async with connected(gateway, model="delegated") as client:
        tool = entry(docs)
        session = {"type": "realtime", "tools": [tool]}
        await client.send(type="session.update", session=session)
        await client.until("session.updated")
        await client.send(type="vendor.tell")
        told = (await client.until("vendor.told"))[-1]["received"]
    assert told[-1]["session"]["tools"] == [tool]
