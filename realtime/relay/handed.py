"""A call that the user agreed to, handed to the client in a response of its own."""

from __future__ import annotations

from typing import Any

from realtime.relay.inputs import Json
from realtime.session.outbox import Outbox


def response_of(item: Json, template: Json, outbox: Outbox) -> list[dict[str, Any]]:
    """Return the events of a response that is nothing but a function call (CONTRACT 8.3).

    The upstream knows nothing of it: the call stands in its conversation already.
    """
    response = {
        **template, "id": outbox.ids("resp"), "status": "in_progress", "status_details": None,
        "output": [], "usage": None,
    }  # fmt: skip
    begun = {**item, "status": "in_progress", "arguments": ""}
    place = {"response_id": response["id"], "output_index": 0}
    argued = {**place, "item_id": item["id"], "call_id": item["call_id"]}
    arguments = {"name": item["name"], "arguments": item["arguments"]}
    told: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": response}),
        ("response.output_item.added", {**place, "item": begun}),
        ("conversation.item.added", {"previous_item_id": None, "item": begun}),
        ("response.function_call_arguments.delta", {**argued, "delta": item["arguments"]}),
        ("response.function_call_arguments.done", {**argued, **arguments}),
        ("conversation.item.done", {"previous_item_id": None, "item": item}),
        ("response.output_item.done", {**place, "item": item}),
        ("response.done", {"response": {**response, "status": "completed", "output": [item]}}),
    ]
    return [{"type": kind, "event_id": outbox.event_id(), **fields} for kind, fields in told]
