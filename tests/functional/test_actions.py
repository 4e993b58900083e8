"""Client actions and context updates on the real socket, and the action log in the database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional import server as servers
from tests.functional.client import Client, connected, user_text
from tests.functional.server import Server

TEXT = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
ACTIONS = [
    {"name": "open_runbook", "parameters": TEXT},
    {"name": "restart", "parameters": TEXT, "confirm": True},
    {"name": "tiny", "parameters": TEXT, "most_bytes": 2},
]
UPDATES = [{"name": "page_opened", "data": TEXT}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway with an operator's lists."""
    env = {
        "VOICEENGINE_CLIENT_ACTIONS": json.dumps(ACTIONS),
        "VOICEENGINE_CONTEXT_UPDATES": json.dumps(UPDATES),
    }
    server = servers.start(tmp_path_factory.mktemp("actions"), env=env)
    server.wait_ready()
    yield server
    server.stop()


async def configure(client: Client) -> None:
    """Declare the interface's functions, as any client does."""
    tools = [{"type": "function", "name": action["name"]} for action in ACTIONS]
    session = {"type": "realtime", "output_modalities": ["text"], "tools": tools}
    await client.send(type="session.update", session=session)
    await client.until("session.updated")


async def forced(client: Client, name: str) -> list[dict[str, Any]]:
    """Have the model call a function; return what the response showed."""
    await client.send(type="conversation.item.create", item=user_text("seven"))
    await client.until("conversation.item.done")
    choice = {"type": "function", "name": name}
    await client.send(type="response.create", response={"tool_choice": choice})
    done = (await client.until("response.done"))[-1]["response"]
    assert done["status"] == "completed"
    return list(done["output"])


async def test_actions_and_updates_go_both_ways_and_are_logged(gateway: Server) -> None:
    """A call with its result, a destructive one after the yes, one that does not fit, updates."""
    async with connected(gateway, model="gpt-realtime") as client:
        await configure(client)
        call = (await forced(client, "open_runbook"))[0]
        assert (call["type"], list(json.loads(call["arguments"]))) == ("function_call", ["id"])
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "open"}
        await client.send(type="conversation.item.create", item=output)
        await client.until("conversation.item.done")

        request = (await forced(client, "restart"))[0]
        assert (request["type"], request["name"]) == ("mcp_approval_request", "restart")
        word = {
            "type": "mcp_approval_response",
            "approval_request_id": request["id"],
            "approve": True,
        }
        await client.send(type="conversation.item.create", item=word)
        made = (await client.until("response.done"))[-1]["response"]["output"]
        assert [(item["type"], item["name"]) for item in made] == [("function_call", "restart")]

        shown = await forced(client, "tiny")
        assert [item["type"] for item in shown] == ["message"]

        for text in ('{"context": "page_opened", "data": {"id": "r1"}}', '{"context": "other"}'):
            content = [{"type": "input_text", "text": text}]
            item = {"type": "message", "role": "system", "content": content}
            await client.send(type="conversation.item.create", item=item)
        events = await client.until("error")
        assert [event["type"] for event in events if event["type"] != "rate_limits.updated"] == [
            "conversation.item.added", "conversation.item.done", "error",
        ]  # fmt: skip
    assert gateway.stop() == 0
    with sqlite3.connect(gateway.data_dir / "voiceengine.db") as database:
        rows = database.execute(
            "SELECT kind, executor, name, status, output, approval FROM tool_calls ORDER BY at_ms"
        ).fetchall()
    assert rows == [
        ("action", "client", "open_runbook", "completed", "open", "not_needed"),
        ("action", "client", "restart", "handed_over", None, "client"),
        ("action", "client", "tiny", "refused", None, "not_needed"),
        ("context", "client", "page_opened", "completed", None, "not_needed"),
        ("context", "client", "", "refused", None, "not_needed"),
    ]
