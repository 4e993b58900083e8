"""The operator's tools, lists and bounds hold for relayed models as for ours."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.functional import server as servers
from tests.functional.client import Client, connected, types, user_text
from tests.functional.server import Server
from tests.servers import upstream
from tests.servers.upstream import KEY

TEXT = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
ACTIONS = [
    {"name": "open_runbook", "parameters": TEXT, "description": "The operator's word."},
    {"name": "restart", "parameters": TEXT, "confirm": True},
    {"name": "tiny", "parameters": TEXT, "most_bytes": 2},
]
UPDATES = [{"name": "page_opened", "data": TEXT}]
MOST = 4


class Price(BaseHTTPRequestHandler):
    """The operator's endpoint."""

    def do_POST(self) -> None:
        """Tell the price."""
        self.rfile.read(int(self.headers["content-length"]))
        body = b'{"price": 3}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def gateway(plain_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway with a webhook and lists of actions; one that takes nothing else is `strict`."""
    endpoint = ThreadingHTTPServer(("127.0.0.1", 0), Price)
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{endpoint.server_port}"
    with upstream.running() as url:
        relayed = {"url": plain_server.ws_url, "model": "gpt-realtime", "api_key": plain_server.key}
        stand_in = {"url": url, "model": "theirs", "api_key": KEY}
        price = {"name": "price", "url": f"{origin}/price", "models": ["relayed", "told"]}
        env = {
            "VOICEENGINE_TOOLS": json.dumps([price]),
            "VOICEENGINE_TOOL_ORIGINS": json.dumps([origin]),
            "VOICEENGINE_CLIENT_ACTIONS": json.dumps(ACTIONS),
            "VOICEENGINE_CONTEXT_UPDATES": json.dumps(UPDATES),
            "VOICEENGINE_MOST_OFFERED_TOOLS": str(MOST),
            "VOICEENGINE_RELAYS": json.dumps(
                {"relayed": relayed, "actions": relayed, "told": stand_in}
            ),
        }
        server = servers.start(tmp_path_factory.mktemp("relayed-tools"), env=env)
        server.wait_ready()
        yield server
        server.stop()
    endpoint.shutdown()
    endpoint.server_close()


@pytest.fixture
async def client(gateway: Server) -> AsyncIterator[Client]:
    """A client of a model that has the webhook."""
    async with connected(gateway, model="relayed") as connection:
        yield connection


def functions(*names: str) -> list[dict[str, Any]]:
    """Return functions of a client's."""
    return [{"type": "function", "name": name} for name in names]


async def configure(client: Client, **session: Any) -> dict[str, Any]:
    """Update the session; return its echo."""
    session = {"type": "realtime", "output_modalities": ["text"], **session}
    await client.send(type="session.update", session=session)
    return dict((await client.until("session.updated"))[-1]["session"])


async def test_webhook_runs_unseen_and_its_result_is_answered(client: Client) -> None:
    """A response ends without the call, and another tells what came of it (DECISIONS 2.8)."""
    await configure(client)
    await client.send(type="conversation.item.create", item=user_text("How much?"))
    await client.send(type="response.create", response={"tool_choice": "required"})
    called = await client.until("response.done")
    assert called[-1]["response"]["output"] == []
    assert not [kind for kind in types(called) if "call" in kind]
    answered = (await client.until("response.done"))[-1]["response"]
    assert "price" in answered["output"][0]["content"][0]["text"]


async def test_call_beside_the_conversation_leaves_nothing_in_it(client: Client) -> None:
    """The next response reads call and output, and is beside the conversation too."""
    await configure(client)
    beside = {
        "conversation": "none", "tool_choice": "required", "metadata": {"of": "price"},
        "input": [user_text("How much?")],
    }  # fmt: skip
    await client.send(type="response.create", response=beside)
    first = await client.until("response.done")
    second = await client.until("response.done")
    response = second[-1]["response"]
    assert (response["conversation_id"], response["metadata"]) == (None, {"of": "price"})
    assert "price" in response["output"][0]["content"][0]["text"]
    assert not [kind for kind in types(first + second) if kind.startswith("conversation.item")]
    # Nothing of it is there for the next answer either.
    await client.send(type="conversation.item.create", item=user_text("Hello?"))
    added = (await client.until("conversation.item.added"))[-1]
    assert added["previous_item_id"] is None


async def test_upstream_is_told_of_so_many_tools_and_the_client_of_its_own(gateway: Server) -> None:
    """The client's first, then the operator's; actions have the operator's schema."""
    async with connected(gateway, model="told") as client:
        await client.send(type="vendor.tell", only="session.update")
        (first,) = (await client.until("vendor.told"))[-1]["received"]
        assert [tool["name"] for tool in first["session"]["tools"]] == ["price"]
        own = functions("open_runbook", "a", "b", "c", "d")
        assert (await configure(client, tools=own))["tools"] == own
        await client.send(type="vendor.tell", only="session.update")
        told = (await client.until("vendor.told"))[-1]["received"][-1]["session"]["tools"]
    assert [tool["name"] for tool in told] == ["open_runbook", "a", "b", "c"]
    assert told[0]["parameters"] == TEXT
    assert told[0]["description"] == "The operator's word."


async def forced(client: Client, name: str) -> list[dict[str, Any]]:
    """Have the model call a function; return what the response showed."""
    await client.send(type="conversation.item.create", item=user_text("seven"))
    await client.send(
        type="response.create", response={"tool_choice": {"type": "function", "name": name}}
    )
    return list((await client.until("response.done"))[-1]["response"]["output"])


async def test_actions_and_updates_go_both_ways_and_are_logged(gateway: Server) -> None:
    """A call with its result, a destructive one after the yes, one that does not fit, updates."""
    async with connected(gateway, model="actions") as client:
        await configure(client, tools=functions("open_runbook", "restart", "tiny"))
        (call,) = await forced(client, "open_runbook")
        assert (call["type"], list(json.loads(call["arguments"]))) == ("function_call", ["id"])
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "open"}
        await client.send(type="conversation.item.create", item=output)
        await client.until("conversation.item.done")

        (request,) = await forced(client, "restart")
        assert (request["type"], request["server_label"]) == ("mcp_approval_request", "interface")
        word = {
            "type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True,
        }  # fmt: skip
        await client.send(type="conversation.item.create", item=word)
        events = await client.until("response.done")
        (made,) = events[-1]["response"]["output"]
        assert (made["type"], made["name"]) == ("function_call", "restart")
        shown = [kind for kind in types(events) if kind.startswith("response.")]
        assert shown == [
            "response.created", "response.output_item.added",
            "response.function_call_arguments.delta", "response.function_call_arguments.done",
            "response.output_item.done", "response.done",
        ]  # fmt: skip
        result = {"type": "function_call_output", "call_id": made["call_id"], "output": "up"}
        await client.send(type="conversation.item.create", item=result)

        assert await forced(client, "tiny") == []
        told = (await client.until("response.done"))[-1]["response"]["output"]
        assert [item["type"] for item in told] == ["message"]

        for text in ('{"context": "page_opened", "data": {"id": "r1"}}', '{"context": "other"}'):
            content = [{"type": "input_text", "text": text}]
            item = {"type": "message", "role": "system", "content": content}
            await client.send(type="conversation.item.create", item=item)
        assert "context update" in (await client.until("error"))[-1]["error"]["message"]
        await client.until("conversation.item.done")
    assert gateway.stop() == 0
    with closing(sqlite3.connect(gateway.data_dir / "voiceengine.db")) as database:
        rows = database.execute(
            "SELECT kind, name, status, output, approval FROM tool_calls"
            " WHERE kind != 'webhook' ORDER BY at_ms"
        ).fetchall()
    assert rows == [
        ("action", "open_runbook", "completed", "open", "not_needed"),
        ("action", "restart", "completed", "up", "client"),
        ("action", "tiny", "refused", None, "not_needed"),
        ("context", "page_opened", "completed", None, "not_needed"),
        ("context", "", "refused", None, "not_needed"),
    ]
