"""Commands to a client's own interface: checked before anybody sees them (ADR 0019)."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.engine import (
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainText,
    FunctionSpec,
    ToolRoute,
)
from realtime.events.mcp_items import McpExecutionError
from realtime.session import effects as fx
from realtime.session.inputs import EngineTraits, ToolReturned
from realtime.tools.offers import with_actions
from tests.realtime.driver import Driver
from tests.realtime.test_tools_of_the_gateway import calls

ROUTE = ToolRoute(executor="client", deadline_ms=5_000, server_label="interface", checked=True)
OPEN = FunctionSpec(name="open_runbook", description="Open it.", parameters={"a": 1}, route=ROUTE)
RESTART = FunctionSpec(
    name="restart",
    route=ToolRoute(
        executor="client", deadline_ms=5_000, server_label="interface", checked=True,
        approval="client",
    ),
)  # fmt: skip


class Model:
    """Calls first, then says what it read."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.requests: list[BrainRequest] = []

    def __call__(self, request: BrainRequest) -> list[BrainReport]:
        """Think."""
        self.requests.append(request)
        last = request.items[-1] if request.items else None
        if last is None or last.kind != "function_call_output":
            return calls(request.response_id, *self.names)
        return [BrainText(request.response_id, last.text), BrainFinished(request.response_id)]


def session(model: Model, *actions: FunctionSpec, only: bool = False) -> Driver:
    """Return a session whose interface declares functions by the names of the model's calls."""
    made = Driver(brain=model, traits=EngineTraits(actions=actions, actions_only=only))
    tools = [{"type": "function", "name": name, "parameters": {}} for name in model.names]
    made.client(
        "session.update",
        session={"type": "realtime", "output_modalities": ["text"], "tools": tools},
    )
    return made


def checks(made: Driver) -> list[Any]:
    """Return the calls that must be checked."""
    return [effect.call for effect in made.effects if isinstance(effect, fx.CheckCall)]


def handed_over(made: Driver) -> list[Any]:
    """Return the calls that became the client's."""
    return [effect.call for effect in made.effects if isinstance(effect, fx.CallTool)]


def test_action_reaches_the_client_only_after_its_check() -> None:
    """Nothing is sent before; then it is a plain function call, whole."""
    made = session(Model("open_runbook"), OPEN)
    before = len(made.sent)
    made.client("response.create")
    assert made.types(skip=before) == ["response.created"]
    call = checks(made)[0]
    made.give(ToolReturned(call.response_id, call.call_id, ""))
    done = made.last("response.done")["response"]
    assert [(item["type"], item["name"], item["arguments"]) for item in done["output"]] == [
        ("function_call", "open_runbook", "{}")
    ]
    assert made.last("response.function_call_arguments.done")["arguments"] == "{}"
    assert made.last("response.output_item.done")["output_index"] == 0
    assert [call.name for call in handed_over(made)] == ["open_runbook"]


def test_action_that_does_not_fit_never_reaches_the_client() -> None:
    """The model reads what was wrong, in the same response."""
    made = session(Model("open_runbook"), OPEN)
    before = len(made.sent)
    made.client("response.create")
    call = checks(made)[0]
    error = McpExecutionError(message="$.id: 3 is not of type 'string'")
    made.give(ToolReturned(call.response_id, call.call_id, None, error))
    assert not [kind for kind in made.types(skip=before) if "call" in kind]
    assert "not of type" in str(made.last("response.done")["response"]["output"])
    assert handed_over(made) == []


def test_destructive_action_waits_for_the_users_word() -> None:
    """An approval request goes out; after the yes the call is checked again and handed over."""
    made = session(Model("restart"), RESTART)
    made.client("response.create")
    call = checks(made)[0]
    made.give(ToolReturned(call.response_id, call.call_id, ""))
    request = made.last("response.done")["response"]["output"][0]
    assert (request["type"], request["name"]) == ("mcp_approval_request", "restart")
    assert handed_over(made) == []
    word = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True}
    made.client("conversation.item.create", item=word)
    again = checks(made)[1]
    assert again.approval_request_id == request["id"]
    made.give(ToolReturned(again.response_id, again.call_id, ""))
    done = made.last("response.done")["response"]
    assert [item["type"] for item in done["output"]] == ["function_call"]
    assert len(handed_over(made)) == 1


def test_destructive_action_that_the_user_declines_is_not_made() -> None:
    """The model reads the no."""
    model = Model("restart")
    made = session(model, RESTART)
    made.client("response.create")
    call = checks(made)[0]
    made.give(ToolReturned(call.response_id, call.call_id, ""))
    request = made.last("response.done")["response"]["output"][0]
    word = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": False}
    made.client("conversation.item.create", item=word)
    assert "denied" in model.requests[-1].items[-1].text
    assert handed_over(made) == []


def test_actions_of_one_round_keep_their_order_and_numbers() -> None:
    """One that was refused leaves no gap in the numbering."""
    made = session(Model("open_runbook", "close_runbook", "plain"), OPEN,
                   FunctionSpec(name="close_runbook", route=ROUTE))  # fmt: skip
    made.client("response.create")
    first, second = checks(made)
    made.give(ToolReturned(second.response_id, second.call_id, ""))
    made.give(ToolReturned(first.response_id, first.call_id, None, McpExecutionError(message="no")))
    added = [event for event in made.sent if event["type"] == "response.output_item.added"]
    assert [(event["output_index"], event["item"]["name"]) for event in added] == [
        (0, "close_runbook"), (1, "plain"),
    ]  # fmt: skip


def test_barge_in_ends_a_check() -> None:
    """What comes of it later reaches nobody."""
    made = session(Model("open_runbook"), OPEN)
    made.client("response.create")
    call = checks(made)[0]
    made.client("response.cancel")
    assert fx.CancelTool(call.response_id, call.call_id) in made.effects
    made.give(ToolReturned(call.response_id, call.call_id, ""))
    assert handed_over(made) == []


@pytest.mark.parametrize(
    ("only", "names"), [(False, ["open_runbook", "own"]), (True, ["open_runbook"])]
)
def test_declared_action_has_the_operators_schema(*, only: bool, names: list[str]) -> None:
    """Whatever the client declares under the name; others stay unless only actions are taken."""
    own = [FunctionSpec(name="open_runbook", parameters={"b": 2}), FunctionSpec(name="own")]
    made = with_actions(own, [OPEN, RESTART], only=only)
    assert [function.name for function in made] == names
    assert (made[0].parameters, made[0].route.checked) == ({"a": 1}, True)
