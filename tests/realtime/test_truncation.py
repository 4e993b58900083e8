"""Truncation, asserted on the items that the brain is handed (CONTRACT 11)."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.engine import BrainFinished, BrainReport, BrainRequest
from realtime.session.inputs import SessionLimits
from realtime.truncation import MOST_OUTPUT_TOKENS
from tests.realtime.driver import Driver, text_item

ITEM_TOKENS = 100
INSTRUCTIONS = "x" * 400
FIXED_TOKENS = 100
ROOM_ITEMS = 10
CONTEXT = MOST_OUTPUT_TOKENS + FIXED_TOKENS + ROOM_ITEMS * ITEM_TOKENS


class Reader:
    """A brain that notes what it was handed."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, request: BrainRequest) -> list[BrainReport]:
        """Take a request."""
        self.read = [item.item_id for item in request.items]
        return [BrainFinished(request.response_id)]


def conversation(items: int, truncation: Any = None, **limits: Any) -> tuple[Driver, Reader]:
    """Return a conversation of that many user messages of `ITEM_TOKENS` each."""
    reader = Reader()
    driver = Driver(brain=reader, limits=SessionLimits(context_tokens=CONTEXT, **limits))
    session: dict[str, Any] = {"type": "realtime", "instructions": INSTRUCTIONS}
    if truncation is not None:
        session["truncation"] = truncation
    driver.client("session.update", session=session)
    for number in range(items):
        add(driver, number)
    return driver, reader


def add(driver: Driver, number: int) -> None:
    """Add a message of `ITEM_TOKENS`."""
    driver.client("conversation.item.create", item=text_item("y" * 400, id=f"item_{number}"))


def names(first: int, last: int) -> list[str]:
    """Return the ids of a run of items."""
    return [f"item_{number}" for number in range(first, last + 1)]


def ratio(kept: float, post_instructions: int | None = None) -> dict[str, Any]:
    """Return a retention ratio."""
    limits = {} if post_instructions is None else {"post_instructions": post_instructions}
    return {"type": "retention_ratio", "retention_ratio": kept, "token_limits": limits}


@pytest.mark.parametrize("truncation", ["auto", "disabled", ratio(0.5), ratio(1.0)])
def test_conversation_that_fits_is_read_whole(truncation: Any) -> None:
    """Nothing is left out while everything fits."""
    driver, reader = conversation(ROOM_ITEMS, truncation)
    driver.client("response.create")
    assert reader.read == names(0, ROOM_ITEMS - 1)


def test_auto_leaves_out_the_oldest() -> None:
    """With `auto` as many of the latest items are read as fit."""
    driver, reader = conversation(ROOM_ITEMS + 3)
    driver.client("response.create")
    assert reader.read == names(3, ROOM_ITEMS + 2)
    done = driver.last("response.done")["response"]
    assert done["usage"]["input_tokens"] == FIXED_TOKENS + ROOM_ITEMS * ITEM_TOKENS


def test_ratio_leaves_room_to_grow() -> None:
    """At the limit only the ratio is kept, so that the next responses truncate nothing."""
    driver, reader = conversation(ROOM_ITEMS + 1, ratio(0.5))
    driver.client("response.create")
    assert reader.read == names(6, 10)
    add(driver, 11)
    driver.client("response.create")
    assert reader.read == names(6, 11)


def test_post_instructions_caps_the_items() -> None:
    """`post_instructions` is the most that items may hold, whatever else would fit."""
    driver, reader = conversation(5, ratio(1.0, post_instructions=3 * ITEM_TOKENS))
    driver.client("response.create")
    assert reader.read == names(2, 4)
    driver, reader = conversation(5, ratio(0.34, post_instructions=3 * ITEM_TOKENS))
    driver.client("response.create")
    assert reader.read == names(4, 4)


def test_post_instructions_beyond_the_context_changes_nothing() -> None:
    """The context itself stays the limit."""
    driver, reader = conversation(ROOM_ITEMS + 1, ratio(1.0, post_instructions=1_000_000))
    driver.client("response.create")
    assert reader.read == names(1, ROOM_ITEMS)


def test_disabled_fails_the_response() -> None:
    """With `disabled` a conversation that does not fit fails the response, and nobody thinks."""
    driver, reader = conversation(ROOM_ITEMS + 1, "disabled")
    driver.client("response.create")
    done = driver.last("response.done")["response"]
    assert done["status"] == "failed"
    assert done["status_details"]["error"]["code"] == "context_length_exceeded"
    assert reader.read == []
    driver.client("conversation.item.delete", item_id="item_0")
    driver.client("response.create")
    assert driver.last("response.done")["response"]["status"] == "completed"


def test_left_out_items_stay_and_can_be_retrieved() -> None:
    """What the model no longer reads is still in the conversation."""
    driver, _ = conversation(ROOM_ITEMS + 3)
    driver.client("response.create")
    assert "item_0" in driver.machine.conversation
    driver.client("conversation.item.delete", item_id="item_0")
    assert driver.last("conversation.item.deleted")["item_id"] == "item_0"


def test_last_item_is_always_read() -> None:
    """What is to be answered is read, however long it is."""
    driver, reader = conversation(0)
    driver.client("conversation.item.create", item=text_item("z" * 80_000, id="long"))
    driver.client("response.create")
    assert reader.read == ["long"]


def test_output_of_a_call_goes_with_the_call() -> None:
    """A function's output is not read without its call."""
    driver, reader = conversation(0)
    call = {"type": "function_call", "id": "call", "call_id": "c1", "name": "f", "arguments": "{}"}
    driver.client("conversation.item.create", item=call)
    output = {"type": "function_call_output", "id": "output", "call_id": "c1", "output": "1"}
    driver.client("conversation.item.create", item=output)
    for number in range(ROOM_ITEMS):
        add(driver, number)
    driver.client("response.create")
    assert reader.read == names(0, ROOM_ITEMS - 1)


def test_own_input_is_not_truncated() -> None:
    """A response with its own `input` reads exactly that."""
    driver, reader = conversation(ROOM_ITEMS + 3)
    references = [{"type": "item_reference", "id": "item_0"}]
    driver.client("response.create", response={"conversation": "none", "input": references})
    assert reader.read == ["item_0"]
