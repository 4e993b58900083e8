"""An endpoint of the beta as GA: items that begin and end, and what is odd."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.dialects.beta.endpoint import MOST_OPEN, BetaEndpoint

ITEM = {"id": "i", "object": "realtime.item", "type": "message", "role": "assistant", "content": []}


def created(**item: Any) -> dict[str, Any]:
    """Return how the beta announces an item."""
    shown = {**ITEM, **item}
    return {
        "type": "conversation.item.created",
        "event_id": "e",
        "previous_item_id": "p",
        "item": shown,
    }


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """Return the types."""
    return [event["type"] for event in events]


def test_item_that_is_whole_begins_and_ends_at_once() -> None:
    """The beta says it once, GA twice (CONTRACT 18)."""
    events = BetaEndpoint().down(created(status="completed", role="user"))
    assert kinds(events) == ["conversation.item.added", "conversation.item.done"]
    assert events[0]["event_id"] != events[1]["event_id"]
    assert {event["previous_item_id"] for event in events} == {"p"}


def test_item_that_is_made_ends_with_its_output() -> None:
    """`conversation.item.done` stands before `response.output_item.done` (CONTRACT 8.1)."""
    endpoint = BetaEndpoint()
    assert kinds(endpoint.down(created(status="in_progress"))) == ["conversation.item.added"]
    item = {**ITEM, "status": "completed", "content": [{"type": "text", "text": "Yes."}]}
    done = {"type": "response.output_item.done", "event_id": "f", "item": item}
    events = endpoint.down(done)
    assert kinds(events) == ["conversation.item.done", "response.output_item.done"]
    assert events[0]["item"] == events[1]["item"]
    assert events[0]["item"]["content"] == [{"type": "output_text", "text": "Yes."}]
    assert events[0]["previous_item_id"] == "p"
    assert kinds(endpoint.down(done)) == ["response.output_item.done"]


def test_items_without_an_end_are_forgotten() -> None:
    """An endpoint that never ends what it begins costs no memory."""
    endpoint = BetaEndpoint()
    for number in range(MOST_OPEN + 1):
        endpoint.down(created(id=f"i{number}", status="in_progress"))
    done = {"type": "response.output_item.done", "item": {**ITEM, "id": "i0"}}
    assert kinds(endpoint.down(done)) == ["response.output_item.done"]


def test_event_that_nobody_knows_passes() -> None:
    """Both ways."""
    event = {"type": "vendor.hint", "session": 1}
    assert BetaEndpoint().down(event) == [event]
    assert BetaEndpoint.up(event) is event


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.update", "session": None},
        {"type": "session.update", "session": {"audio": None, "output_modalities": 3}},
        {"type": "session.update", "session": {"audio": {"input": {"format": "pcm16"}}}},
        {"type": "response.create", "response": {"input": [None, {"role": "assistant"}]}},
        {"type": "conversation.item.create"},
        {"type": "conversation.item.create", "item": {"role": "assistant", "content": [1]}},
    ],
)
def test_odd_event_of_a_client_is_left_to_the_endpoint(event: dict[str, Any]) -> None:
    """It knows best what is wrong with it."""
    assert BetaEndpoint.up(event)["type"] == event["type"]
