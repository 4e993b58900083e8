"""Responses beside the conversation: what calls of theirs bring is for them alone.

Such a response has no memory upstream: it is asked for again with all that was said in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from realtime.relay.inputs import Json

AGAIN = ("message", "function_call")
"""Items of a response that are told to the next one."""


@dataclass(slots=True)
class _Asked:
    request: Json
    context: list[Json]
    """What it read: its own input, or the conversation."""
    said: list[Json] = field(default_factory=list)
    brought: list[Json] = field(default_factory=list)


class Beside:
    """By response, from its beginning to its end, or to what its calls brought."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}

    def __contains__(self, response_id: str) -> bool:
        return response_id in self._asked

    def began(self, response_id: str, request: Json, conversation: list[str]) -> None:
        """A response runs that was asked for so, over these items of the conversation."""
        given = request.get("input")
        context = given if isinstance(given, list) else [_reference(one) for one in conversation]
        self._asked[response_id] = _Asked(request, context)

    def said(self, response_id: str, output: object) -> None:
        """It ended upstream, with calls."""
        asked = self._asked.get(response_id)
        if asked is not None and isinstance(output, list):
            items = [item for item in output if isinstance(item, Mapping)]
            asked.said = [_plain(item) for item in items if item.get("type") in AGAIN]

    def brought(self, response_id: str, outputs: list[dict[str, Any]]) -> None:
        """A call of it is over."""
        asked = self._asked.get(response_id)
        if asked is not None:
            asked.brought += outputs

    def take(self, response_id: str) -> Json | None:
        """Return what asks for it to go on; None for a response of the conversation."""
        asked = self._asked.pop(response_id, None)
        if asked is None:
            return None
        answered = {item["call_id"] for item in asked.brought}
        said = [item for item in asked.said if item.get("call_id", "") in {"", *answered}]
        context = [*asked.context, *said, *asked.brought]
        return {**asked.request, "input": context, "tool_choice": "auto"}

    def forget(self, response_id: str) -> None:
        """Nothing of it goes on."""
        self._asked.pop(response_id, None)


def _reference(item_id: str) -> Json:
    return {"type": "item_reference", "id": item_id}


def _plain(item: Json) -> Json:
    """Return an item as a client writes one: in words, under no id that is taken."""
    if item["type"] == "function_call":
        return {key: item[key] for key in ("type", "call_id", "name", "arguments") if key in item}
    parts = [part for part in item.get("content") or () if isinstance(part, Mapping)]
    words = "".join(str(part.get("text") or part.get("transcript") or "") for part in parts)
    content = [{"type": "output_text", "text": words}]
    return {"type": "message", "role": "assistant", "content": content}
