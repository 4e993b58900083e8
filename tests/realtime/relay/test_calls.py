"""Calls that the gateway carries out for a relayed model, without sockets."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.engine import FunctionSpec, ToolRoute
from realtime.events.mcp_items import McpListedTool
from realtime.relay.inputs import Loss, UpstreamLost, UpstreamReady
from realtime.relay.offers import RelayTools
from realtime.session.effects import CallTool, CancelTool, ImportTools
from realtime.session.inputs import Narrowed, Opened, ToolReturned, ToolsImported
from tests.realtime.relay.test_machine import RESPONSE, SESSION, Relay, sent_up, shown

TOOL = {"type": "mcp", "server_label": "docs", "server_url": "https://docs.example/mcp"}
SLOW = McpListedTool(name="slow", description="", input_schema={"type": "object"}, annotations=None)
CALL = {"id": "c", "type": "function_call", "name": "slow", "call_id": "k", "arguments": "{}"}


@pytest.fixture
def relay() -> Relay:
    """A session whose response calls a tool; the upstream has not ended it."""
    relay = Relay()
    relay.give(Opened(1))
    tools = [{**TOOL, "require_approval": "never"}]
    relay.client(type="session.update", session={"type": "realtime", "tools": tools})
    relay.allow()
    begun = relay.upstream(type="session.updated", session=SESSION)
    (asked,) = [effect for effect in begun if isinstance(effect, ImportTools)]
    relay.give(ToolsImported(asked.item_id, (SLOW,)))
    relay.upstream(type="session.updated", session=SESSION)
    relay.respond()
    of = {"response_id": "r", "output_index": 0}
    relay.upstream(type="response.output_item.added", item=CALL, **of)
    made = relay.upstream(
        type="response.function_call_arguments.done", item_id="c", arguments="{}", **of
    )
    assert [effect for effect in made if isinstance(effect, CallTool)]
    return relay


def end(relay: Relay, status: str = "completed") -> list[Any]:
    """End the response upstream; return what it brings about."""
    item = {**CALL, "status": status}
    relay.upstream(type="response.output_item.done", response_id="r", output_index=0, item=item)
    return relay.upstream(
        type="response.done", response={**RESPONSE, "status": status, "output": [item]}
    )


def last(effects: list[Any]) -> str:
    """Return the type of the last event that clients get."""
    return str(shown(effects)[-1]["type"])


def test_cancel_after_the_upstreams_end_ends_the_call(relay: Relay) -> None:
    """The response ends at once, and the upstream reads that there is no output."""
    assert "response.done" not in [event["type"] for event in shown(end(relay))]
    effects = relay.client(type="response.cancel")
    assert any(isinstance(effect, CancelTool) for effect in effects)
    assert last(effects) == "response.done"
    (output,) = sent_up(effects)
    assert output["item"]["type"] == "function_call_output"


def test_cancel_before_the_upstreams_end_ends_the_call_with_it(relay: Relay) -> None:
    """An upstream that had said everything completes it all the same; the wish is kept."""
    (cancel,) = sent_up(relay.client(type="response.cancel", event_id="mine"))
    effects = end(relay)
    assert any(isinstance(effect, CancelTool) for effect in effects)
    assert last(effects) == "response.done"
    (output,) = sent_up(effects)
    assert output["item"]["type"] == "function_call_output"
    refused = {"code": "response_cancel_not_active", "event_id": cancel["event_id"]}
    assert shown(relay.upstream(type="error", error=refused)) == []


def test_wish_to_cancel_is_not_held_against_the_next_response(relay: Relay) -> None:
    """The call had returned before: its response ends as it is, and later calls run."""
    relay.client(type="response.cancel")
    relay.give(ToolReturned("r", "k", output="found", error=None))
    assert last(end(relay)) == "response.done"
    relay.client(type="response.create")
    relay.allow()
    relay.upstream(type="response.created", response={**RESPONSE, "id": "s"})
    call, of = {**CALL, "id": "d"}, {"response_id": "s", "output_index": 0}
    relay.upstream(type="response.output_item.added", item=call, **of)
    relay.upstream(type="response.function_call_arguments.done", item_id="d", arguments="{}", **of)
    done = {**RESPONSE, "id": "s", "status": "completed", "output": [call]}
    effects = relay.upstream(type="response.done", response=done)
    assert not any(isinstance(effect, CancelTool) for effect in effects)


def price() -> FunctionSpec:
    """Return a tool of the operator's, hidden from clients."""
    route = ToolRoute(
        executor="gateway",
        shown_as="nothing",
        deadline_ms=9,
        server_label="gateway",
        tool_name="slow",
    )
    return FunctionSpec(name="slow", route=route)


def test_answer_is_asked_for_when_the_response_has_ended(relay: Relay) -> None:
    """An upstream makes one response at a time; a tool may be faster than the rest of it."""
    early = sent_up(relay.give(ToolReturned("r", "k", "found", None)))
    assert [event["type"] for event in early] == ["conversation.item.create"]
    assert "response.create" in [event["type"] for event in sent_up(end(relay))]


def test_tool_that_policy_took_away_is_not_offered_any_more(relay: Relay) -> None:
    """At once, and in what a client sends later; the client's view of its tools stays."""
    end(relay)
    (update,) = sent_up(relay.give(Narrowed(frozenset({"slow", "look"}))))
    assert update["session"]["tools"] == []
    relay.upstream(type="session.updated", session=SESSION)
    look = {"type": "function", "name": "look"}
    relay.client(type="session.update", session={"tools": [look]})
    (update,) = sent_up(relay.allow())
    assert update["session"]["tools"] == []
    (told,) = shown(relay.upstream(type="session.updated", session={**SESSION, "tools": []}))
    assert told["session"]["tools"] == [look]


def test_tool_is_taken_away_from_a_client_that_named_no_server() -> None:
    """Its functions went up as they were; the next connection must not bring them back."""
    relay = Relay()
    relay.give(Opened(1))
    tools = [{"type": "function", "name": "look"}, {"type": "function", "name": "go"}]
    relay.upstream(type="session.updated", session={**SESSION, "tools": tools})
    (update,) = sent_up(relay.give(Narrowed(frozenset({"look"}))))
    assert [tool["name"] for tool in update["session"]["tools"]] == ["go"]
    relay.give(UpstreamLost(Loss.CLOSED))
    again = sent_up(relay.give(UpstreamReady({**SESSION, "tools": tools})))
    assert [tool["name"] for tool in again[-1]["session"]["tools"]] == ["go"]


def test_hidden_call_that_is_broken_off_is_not_shown_either() -> None:
    """The client sees a response that ends, and nothing of a call."""
    relay = Relay(tools=RelayTools(tools=(price(),)))
    relay.give(Opened(1))
    relay.respond()
    of = {"response_id": "r", "output_index": 0}
    seen = relay.upstream(type="response.output_item.added", item=CALL, **of)
    seen += relay.upstream(
        type="response.function_call_arguments.done", item_id="c", arguments="{}", **of
    )
    assert shown(seen) == []
    effects = end(relay, "cancelled")
    assert any(isinstance(effect, CancelTool) for effect in effects)
    (done,) = shown(effects)
    assert done["response"]["output"] == []


@pytest.mark.parametrize("tools", [[{"type": "function", "name": "look"}], []])
def test_function_that_is_no_action_is_not_offered(tools: list[dict[str, str]]) -> None:
    """Where the operator closed the list, also in what a client secret set."""
    relay = Relay(tools=RelayTools(actions_only=True), session={**SESSION, "tools": tools})
    updates = sent_up(relay.give(Opened(1)))
    assert [update["session"]["tools"] for update in updates] == ([[]] if tools else [])
