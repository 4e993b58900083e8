"""More tools than a relayed model may be told of: what is forced is among those that it gets."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.engine import FunctionSpec, ToolRoute
from realtime.events.mcp_items import McpListedTool
from realtime.relay.offers import RelayTools
from realtime.session.effects import ImportTools
from realtime.session.inputs import Opened, ToolsImported
from tests.realtime.relay.test_machine import SESSION, Relay, sent_up

MOST = 3
CLIENTS = [{"type": "function", "name": name} for name in ("a", "b", "c", "d")]
FORCED = {"type": "function", "name": "d"}
SERVER = {"type": "mcp", "server_label": "docs", "server_url": "https://docs.example/mcp"}


def opened(**session: Any) -> tuple[Relay, list[Any]]:
    """Return a session in which a model is told of three tools, and what went up at once."""
    relay = Relay(tools=RelayTools(most=MOST), session={**SESSION, **session})
    return relay, relay.give(Opened(1))


def update(relay: Relay, **session: Any) -> dict[str, Any]:
    """Return what the upstream is told when a client updates the session."""
    relay.client(type="session.update", session={"type": "realtime", **session})
    (went,) = sent_up(relay.allow())
    relay.upstream(type="session.updated", session=SESSION)
    return dict(went["session"])


def names(told: dict[str, Any]) -> list[str]:
    """Return the names of the tools that are told of."""
    return [tool["name"] for tool in told["tools"]]


def respond(relay: Relay, **response: Any) -> dict[str, Any]:
    """Return what the upstream is told when a client asks for a response."""
    relay.client(type="response.create", response=response)
    (went,) = sent_up(relay.allow())
    return dict(went["response"])


def test_forced_tool_of_an_update_is_offered() -> None:
    """In place of the last that would be; without a force the first are."""
    relay, _ = opened()
    assert names(update(relay, tools=CLIENTS)) == ["a", "b", "c"]
    assert names(update(relay, tools=CLIENTS, tool_choice="required")) == ["a", "b", "c"]
    assert names(update(relay, tools=CLIENTS, tool_choice=FORCED)) == ["a", "b", "d"]


def test_force_without_tools_brings_the_tool_in() -> None:
    """The session's tools are told anew, with the forced one; a small list is left alone."""
    relay, _ = opened()
    assert "tools" not in update(relay, tool_choice=FORCED)
    update(relay, tools=CLIENTS[:MOST])
    assert "tools" not in update(relay, tool_choice={**FORCED, "name": "a"})
    update(relay, tools=CLIENTS)
    told = update(relay, tool_choice=FORCED)
    assert (names(told), told["tool_choice"]) == (["a", "b", "d"], FORCED)


@pytest.mark.parametrize("answered", [True, False])
def test_force_of_a_response_is_offered_to_it(*, answered: bool) -> None:
    """With tools of its own, or the session's, even before the upstream took those."""
    relay, _ = opened()
    if answered:
        update(relay, tools=CLIENTS)
    else:
        relay.client(type="session.update", session={"type": "realtime", "tools": CLIENTS})
        relay.allow()
    assert names(respond(relay, tool_choice=FORCED)) == ["a", "b", "d"]
    assert "tools" not in respond(relay, tool_choice="auto")
    reversed_ = [*reversed(CLIENTS)]
    first = {**FORCED, "name": "a"}
    assert names(respond(relay, tools=reversed_, tool_choice=first)) == ["d", "c", "a"]


def test_force_that_the_session_begins_with_is_kept() -> None:
    """A client secret may set it."""
    _, effects = opened(tools=CLIENTS, tool_choice=FORCED)
    (went,) = sent_up(effects)
    assert names(went["session"]) == ["a", "b", "d"]


def test_forced_tool_of_a_server_is_offered() -> None:
    """Once it is imported; a choice of the whole server keeps as many of its tools as may be."""
    relay, _ = opened()
    relay.client(
        type="session.update",
        session={
            "type": "realtime",
            "tools": [*CLIENTS, SERVER],
            "tool_choice": {"type": "mcp", "server_label": "docs", "name": "find"},
        },
    )
    relay.allow()
    begun = relay.upstream(type="session.updated", session=SESSION)
    (asked,) = [effect for effect in begun if isinstance(effect, ImportTools)]
    listed = tuple(
        McpListedTool(name=name, description="", input_schema={"type": "object"}, annotations=None)
        for name in ("read", "find")
    )
    (went,) = sent_up(relay.give(ToolsImported(asked.item_id, listed)))
    assert names(went["session"]) == ["a", "b", "find"]
    assert went["session"]["tool_choice"] == {"type": "function", "name": "find"}
    relay.upstream(type="session.updated", session=SESSION)
    told = respond(relay, tool_choice={"type": "mcp", "server_label": "docs"})
    assert (names(told), told["tool_choice"]) == (["a", "read", "find"], "required")


def test_forced_tool_of_the_operator_is_offered() -> None:
    """Behind the client's, as every tool of the gateway's."""
    spec = FunctionSpec(name="look_up", parameters={}, route=ToolRoute(executor="gateway"))
    relay = Relay(tools=RelayTools(tools=(spec,), most=MOST))
    relay.give(Opened(1))
    relay.upstream(type="session.updated", session=SESSION)
    choice = {"type": "function", "name": "look_up"}
    assert names(update(relay, tools=CLIENTS, tool_choice=choice)) == ["a", "b", "look_up"]
