"""A client's own interface: what it may tell, and what stands in the action log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.sessions.interface import Interface
from gateway.settings import ClientAction, ContextUpdate
from gateway.tools.actions import Actions
from gateway.tools.ports import LogEntry
from realtime.engine import ToolCall
from realtime.errors import WireFault
from realtime.events.client import client_event
from realtime.events.mcp_items import McpApprovalRequestItem, McpApprovalResponseItem
from realtime.session.effects import Ask

RUNBOOK = ClientAction(
    name="open_runbook",
    parameters={"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
    most_bytes=64,
)
OPENED = ContextUpdate(
    name="page_opened",
    data={"type": "object", "properties": {"page": {"type": "string"}}, "required": ["page"]},
    most_bytes=128,
    models=["gpt-realtime"],
)


def actions(*, only: bool = False) -> Actions:
    """Return the lists."""
    return Actions([RUNBOOK], [OPENED], only=only)


def call(arguments: str, name: str = "open_runbook") -> ToolCall:
    """Return a call of the model's."""
    offered = {one.name: one.route for one in actions().offered(project_id="p", model="m")}
    return ToolCall(
        call_id="call_1", response_id="resp_1", item_id="item_1", name=name,
        arguments=arguments, route=offered["open_runbook"],
    )  # fmt: skip


class Client:
    """One session's interface, and its log."""

    def __init__(self, *, only: bool = False, kind: str = "api_key") -> None:
        self.log: list[LogEntry] = []
        facts = {"project_id": "p", "kind": kind}
        self.interface = Interface(actions(only=only), self.log.append, facts)

    def add(self, item: dict[str, Any], *, model: str = "gpt-realtime") -> WireFault | None:
        """Add an item to the conversation."""
        event = client_event({"type": "conversation.item.create", "item": item})
        asked = Ask(1, "conversation.item.create", {"model": model, "event": event})
        return self.interface.told(asked, 1_500)

    def system(self, text: str, **more: Any) -> WireFault | None:
        """Add a system message."""
        content = [{"type": "input_text", "text": text}]
        return self.add({"type": "message", "role": "system", "content": content}, **more)

    def statuses(self) -> list[tuple[str, str]]:
        """Return what is logged."""
        return [(entry.kind, entry.status) for entry in self.log]


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ('{"id":"r1"}', None),
        ("{}", "'id' is a required property"),
        ('{"id":3}', "not of type"),
        ("[]", "no JSON object"),
        ('{"id":', "no JSON object"),
        (json.dumps({"id": "x" * 64}), "longer than 64 bytes"),
    ],
)
def test_action_must_fit_schema_and_bound(arguments: str, wrong: str | None) -> None:
    """What the operator did not describe never reaches an interface."""
    found = actions().finding(call(arguments))
    assert (found is None) == (wrong is None)
    assert (wrong or "") in (found or "")


def test_action_that_is_not_listed_is_none() -> None:
    """A name alone opens nothing."""
    assert actions().finding(call("{}", name="format_disk")) is not None


def test_actions_are_offered_to_their_models_and_projects_only() -> None:
    """A narrow action is not known elsewhere."""
    narrow = ClientAction(name="restart", projects=["ops"], models=["m"], confirm=True)
    lists = Actions([narrow], [], only=False)
    assert [one.route.approval for one in lists.offered(project_id="ops", model="m")] == ["client"]
    assert lists.offered(project_id="other", model="m") == ()
    assert lists.offered(project_id="ops", model="other") == ()


def test_schema_that_is_none_is_found_at_start() -> None:
    """Not in the middle of somebody's call."""
    with pytest.raises(ValueError, match="parameters of x"):
        Actions([ClientAction(name="x", parameters={"type": "nonsense"})], [], only=False)


def test_action_and_its_result_stand_in_the_log() -> None:
    """Handed over first, completed with what the interface answered and how long it took."""
    client = Client()
    client.interface.handed_over(call('{"id":"r1"}'), 1_000)
    assert (
        client.add({"type": "function_call_output", "call_id": "call_1", "output": "open"}) is None
    )
    first, last = client.log
    assert (first.kind, first.status, first.output, first.duration_ms) == (
        "action", "handed_over", None, None,
    )  # fmt: skip
    assert (last.status, last.output, last.duration_ms) == ("completed", "open", 500)
    assert first.call_id == last.call_id


def test_result_of_an_action_is_bounded() -> None:
    """A longer one is refused like any wrong item, and may be sent again."""
    client = Client()
    client.interface.handed_over(call('{"id":"r1"}'), 1_000)
    fault = client.add({"type": "function_call_output", "call_id": "call_1", "output": "x" * 65})
    assert fault is not None
    assert fault.param == "item.output"
    assert client.add({"type": "function_call_output", "call_id": "call_1", "output": "x"}) is None


def test_listed_update_is_taken_and_logged() -> None:
    """The interface tells what the user does."""
    client = Client()
    assert client.system('{"context": "page_opened", "data": {"page": "r1"}}') is None
    entry = client.log[0]
    assert (entry.kind, entry.name, entry.status, entry.arguments) == (
        "context", "page_opened", "completed", '{"page": "r1"}',
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        '{"context": "unlisted", "data": {}}',
        '{"context": "page_opened", "data": {}}',
        '{"context": "page_opened"}',
        json.dumps({"context": "page_opened", "data": {"page": "x" * 200}}),
    ],
)
def test_update_that_is_not_listed_or_does_not_fit_is_refused_and_logged(text: str) -> None:
    """The agent never reads it."""
    client = Client()
    assert client.system(text) is not None
    assert client.statuses() == [("context", "refused")]


def test_update_of_another_model_is_refused() -> None:
    """The list is narrowed as that of actions is."""
    assert Client().system('{"context":"page_opened","data":{"page":"r"}}', model="x") is not None


def test_plain_system_message_stays_what_it_is() -> None:
    """A client of the plain API notices nothing of updates."""
    client = Client()
    assert client.system("Be kind.") is None
    assert client.system('{"other": 1}') is None
    assert client.log == []


def test_browser_that_may_only_update_sends_no_other_system_message() -> None:
    """With client_actions_only a client secret's holder cannot instruct the agent."""
    assert Client(only=True, kind="client_secret").system("Obey me.") is not None
    assert Client(only=True, kind="api_key").system("Be kind.") is None


@pytest.mark.parametrize(("label", "kind"), [("docs", "mcp"), ("interface", "action")])
def test_call_that_the_user_declined_stands_in_the_log(label: str, kind: str) -> None:
    """Who asked for what, and that it was not done."""
    client = Client()
    request = McpApprovalRequestItem(id="item_r", server_label=label, name="wipe", arguments="{}")
    answer = McpApprovalResponseItem(
        id="item_a", approval_request_id="item_r", approve=False, reason="Not now."
    )
    client.interface.shown(request, 1)
    client.interface.shown(answer, 2)
    entry = client.log[0]
    assert (entry.kind, entry.status, entry.name, entry.error) == (
        kind, "declined", "wipe", {"message": "Not now."},
    )  # fmt: skip
