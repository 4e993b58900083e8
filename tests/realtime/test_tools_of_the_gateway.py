"""Tools that the gateway runs, seen from the protocol machine: hidden calls, rounds, choices."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.engine import (
    BrainCallArguments,
    BrainCallFinished,
    BrainCallStarted,
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainText,
    BrainUsage,
    FunctionSpec,
    ToolRoute,
)
from realtime.events.mcp_items import McpListedTool
from realtime.session import effects as fx
from realtime.session.inputs import (
    EngineTraits,
    SessionLimits,
    ToolProgressed,
    ToolReturned,
    ToolsImported,
)
from realtime.tools.mcp import brain_name, is_allowed, needs_approval
from realtime.tools.offers import bounded
from tests.realtime.driver import Driver, say, text_item

HIDDEN = ToolRoute(executor="gateway", shown_as="nothing", deadline_ms=5_000)
PRICE = FunctionSpec(name="price", route=HIDDEN)


def calls(response_id: str, *names: str) -> list[BrainReport]:
    """Return the reports of calls."""
    made: list[BrainReport] = []
    for name in names:
        made += [
            BrainCallStarted(response_id, f"call_{name}", name),
            BrainCallArguments(response_id, f"call_{name}", "{}"),
            BrainCallFinished(response_id, f"call_{name}"),
        ]
    return [*made, BrainFinished(response_id)]


def caller(*names: str) -> Any:
    """Return a brain that calls, then says what it read."""

    def think(request: BrainRequest) -> list[BrainReport]:
        last = request.items[-1] if request.items else None
        if last is None or last.kind != "function_call_output":
            return calls(request.response_id, *names)
        return [BrainText(request.response_id, last.text), BrainFinished(request.response_id)]

    return think


def driver(brain: Any, *tools: FunctionSpec, **limits: int) -> Driver:
    """Return a session whose gateway runs tools."""
    made = Driver(brain=brain, traits=EngineTraits(tools=tools), limits=SessionLimits(**limits))
    made.client("session.update", session={"type": "realtime", "output_modalities": ["text"]})
    return made


def asked(made: Driver) -> list[fx.CallTool]:
    """Return the calls that were asked for."""
    return [effect for effect in made.effects if isinstance(effect, fx.CallTool)]


def test_hidden_call_runs_and_nothing_of_it_reaches_the_client() -> None:
    """The client sees the answer as the first and only item (DECISIONS 2.8)."""
    made = driver(caller("price"), PRICE)
    made.client("conversation.item.create", item=text_item("price?"))
    before = len(made.sent)
    made.client("response.create")
    call = asked(made)[0].call
    assert made.types(skip=before) == ["response.created"]
    made.give(ToolReturned(call.response_id, call.call_id, "3 euros"))
    kinds = made.types(skip=before)
    assert not [kind for kind in kinds if "call" in kind]
    done = made.last("response.done")["response"]
    assert [item["content"][0]["text"] for item in done["output"]] == ["3 euros"]
    assert made.last("response.output_item.done")["output_index"] == 0


def test_calls_of_one_round_run_side_by_side() -> None:
    """The second does not wait for the first."""
    made = driver(caller("price", "stock"), PRICE, FunctionSpec(name="stock", route=HIDDEN))
    made.client("response.create")
    assert [effect.call.name for effect in asked(made)] == ["price", "stock"]


def test_hidden_call_that_never_answers_ends_by_its_deadline() -> None:
    """The brain is told, and answers."""
    made = driver(caller("price"), PRICE)
    made.client("response.create")
    made.run()
    assert "did not answer within 5 seconds" in str(made.last("response.done")["response"])
    assert [effect for effect in made.effects if isinstance(effect, fx.CancelTool)]


def test_brain_that_calls_without_end_is_stopped() -> None:
    """After the last round a further call fails the response."""
    made = driver(lambda request: calls(request.response_id, "price"), PRICE, tool_rounds=3)
    made.client("response.create")
    for _ in range(10):
        call = asked(made)[-1].call
        made.give(ToolReturned(call.response_id, call.call_id, "again"))
    done = made.last("response.done")["response"]
    assert done["status"] == "failed"
    assert done["status_details"]["error"]["code"] == "too_many_tool_calls"
    assert len(asked(made)) == 4


def test_barge_in_cancels_a_running_call() -> None:
    """The caller speaks: nobody waits for the tool, and what it says later is ignored."""
    made = driver(caller("price"), PRICE)
    made.client("response.create")
    call = asked(made)[0].call
    made.audio(640, voiced=False)
    made.audio(800, voiced=True)
    assert made.last("response.done")["response"]["status"] == "cancelled"
    assert fx.CancelTool(call.response_id, call.call_id) in made.effects
    before = len(made.sent)
    made.give(ToolReturned(call.response_id, call.call_id, "late"))
    assert made.types(skip=before) == []


def test_named_mcp_tool_is_forced_and_the_others_are_not() -> None:
    """`tool_choice` of a server's tool is a named function to the brain."""
    requests: list[BrainRequest] = []

    def think(request: BrainRequest) -> list[BrainReport]:
        requests.append(request)
        return [BrainFinished(request.response_id)]

    made = driver(think)
    server = {"type": "mcp", "server_label": "docs", "server_url": "https://x.example/mcp"}
    made.client("session.update", session={"type": "realtime", "tools": [server]})
    made.client("response.create", response={"tool_choice": {"type": "mcp", "server_label": "docs",
                                                             "name": "b"}})  # fmt: skip
    assert requests == []  # it waits for the import
    tools = tuple(
        McpListedTool(name=name, description=None, input_schema={}, annotations=None)
        for name in "ab"
    )
    made.give(ToolsImported(made.last("mcp_list_tools.in_progress")["item_id"], tools))
    assert requests[0].tool_choice == "function:b"
    assert [tool.name for tool in requests[0].tools] == ["a", "b"]


TOOL = McpListedTool(
    name="read", description=None, input_schema={}, annotations={"readOnlyHint": True}
)


@pytest.mark.parametrize(
    ("wanted", "needed"),
    [
        (None, True), ("always", True), ("never", False),
        ({"never": {"tool_names": ["read"]}}, False), ({"never": {"tool_names": ["write"]}}, True),
        ({"never": {"read_only": True}}, False), ({"never": {"read_only": False}}, True),
        ({"always": {"tool_names": ["read"]}, "never": {"read_only": True}}, True),
        ({"always": {"tool_names": ["write"]}}, True), ({}, True),
    ],
)  # fmt: skip
def test_approval_is_needed_unless_a_filter_says_never(wanted: Any, needed: bool) -> None:
    """Without a word the client must agree (CONTRACT 8.5)."""
    assert needs_approval({"require_approval": wanted}, TOOL) is needed


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (None, True), (["read"], True), ([], False), ({"tool_names": ["read"]}, True),
        ({"read_only": True}, True), ({"read_only": False}, False),
        ({"tool_names": ["x"], "read_only": True}, False),
    ],
)  # fmt: skip
def test_tool_is_offered_only_if_allowed(allowed: Any, expected: bool) -> None:
    """By name, by the hint that it only reads, or both."""
    assert is_allowed({"allowed_tools": allowed}, TOOL) is expected


def test_name_for_a_model_is_fit_and_unique() -> None:
    """Other characters become underscores, and a name that is taken gets its server's label."""
    assert brain_name("read.file", "docs", {}) == "read_file"
    assert brain_name("read", "docs", {"read": 1}) == "docs_read"
    assert brain_name("read", "docs", {"read": 1, "docs_read": 1}) == "docs_read_2"


SLOW = FunctionSpec(
    name="price",
    route=ToolRoute(executor="gateway", shown_as="nothing", deadline_ms=5_000, most_ms=12_000),
)


def test_progress_keeps_a_call_alive_up_to_its_cap() -> None:
    """Each word moves the deadline; no word moves it beyond what a call may take at all."""
    made = driver(caller("price"), SLOW)
    made.client("response.create")
    call = asked(made)[0].call
    for now_ms in (4_000, 8_000, 11_000):
        made.run(until_ms=now_ms)
        made.now_ms = now_ms
        made.give(ToolProgressed(call.response_id, call.call_id))
        assert not [effect for effect in made.effects if isinstance(effect, fx.CancelTool)]
    assert made.machine.deadline() == 12_000
    made.run()
    assert fx.CancelTool(call.response_id, call.call_id, late=True) in made.effects
    assert made.last("response.done")["response"]["status"] == "completed"


def test_progress_of_a_call_that_is_over_is_ignored() -> None:
    """A late word changes nothing."""
    made = driver(caller("price"), SLOW)
    made.client("response.create")
    call = asked(made)[0].call
    made.give(ToolReturned(call.response_id, call.call_id, "3 euros"))
    before = len(made.effects)
    made.give(ToolProgressed(call.response_id, call.call_id))
    assert len(made.effects) == before


def used(given: int, made: int) -> BrainUsage:
    """Return what a model counted."""
    return BrainUsage(input_text_tokens=given, output_text_tokens=made)


def counting(*counts: BrainUsage | None) -> Any:
    """Return a brain that calls once, then answers, and counts each time."""
    left = list(counts)

    def think(request: BrainRequest) -> list[BrainReport]:
        reports = caller("price")(request)
        return [*reports[:-1], BrainFinished(request.response_id, usage=left.pop(0))]

    return think


def usage_of(made: Driver) -> dict[str, Any]:
    """Call once, and return the response's usage."""
    made.client("conversation.item.create", item=text_item("price?"))
    made.client("response.create")
    call = asked(made)[0].call
    made.give(ToolReturned(call.response_id, call.call_id, "three euros and twenty cents"))
    return dict(made.last("response.done")["response"]["usage"])


def test_usage_of_every_round_is_counted() -> None:
    """The model read twice and wrote twice."""
    rounds = [used(100, 10), used(140, 20)]
    usage = usage_of(driver(counting(*rounds), PRICE))
    assert (usage["input_tokens"], usage["output_tokens"]) == (240, 30)


@pytest.mark.parametrize("counts", [(None, used(140, 20)), (used(100, 10), None)])
def test_usage_is_estimated_where_a_round_was_not_counted(
    counts: tuple[BrainUsage | None, BrainUsage | None],
) -> None:
    """Half a count would be too little: all rounds are estimated, and marked so."""
    plain = driver(say("Hello."), PRICE)
    plain.client("conversation.item.create", item=text_item("price?"))
    plain.client("response.create")
    once = plain.last("response.done")["response"]["usage"]["input_tokens"]
    made = driver(counting(*counts), PRICE)
    assert usage_of(made)["input_tokens"] > 2 * once
    recorded = [effect for effect in made.effects if isinstance(effect, fx.RecordUsage)]
    assert recorded[-1].estimated


def test_brain_is_told_of_no_more_tools_than_the_bound() -> None:
    """The client's come first, and the one that must be called is among them."""
    tools = tuple(FunctionSpec(name=f"t{number}") for number in range(500))
    assert [tool.name for tool in bounded(tools, "auto", most=3)] == ["t0", "t1", "t2"]
    assert [tool.name for tool in bounded(tools, "function:t400", most=3)] == ["t0", "t1", "t400"]
    assert bounded(tools[:3], "auto", most=3) == tools[:3]
