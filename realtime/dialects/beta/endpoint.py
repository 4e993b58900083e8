"""The beta at the other end: a session of GA over an endpoint that speaks only the old dialect.

The opposite of `BetaDialect`, and more lenient: what an endpoint sends is nobody's promise, so
events and fields that are not known pass as they came. The beta announces an item once; GA says
when it begins and when it is whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from realtime.dialects.beta.incoming import ga_session, placed_response
from realtime.dialects.beta.names import (
    CONTENT_TYPES,
    FORMAT_NAMES,
    RENAMED,
    RESPONSE_PLACES,
    SESSION_PLACES,
    JsonObject,
    ga_path,
)

MOST_OPEN: Final = 256
"""Items whose end is awaited; the oldest are forgotten."""

_RENAMED: Final[Mapping[str, str]] = {beta: ga for ga, beta in RENAMED.items()}
_CONTENT: Final[Mapping[str, str]] = {beta: ga for ga, beta in CONTENT_TYPES.items()}
_MOVED: Final = frozenset({"type", "audio", "output_modalities", "max_output_tokens"})
"""Fields of GA that the beta keeps elsewhere, or does not have."""


class BetaEndpoint:
    """Translates both ways for one connection."""

    def __init__(self) -> None:
        self._open: dict[str, object] = {}
        """The items that began, with the item before each."""

    # --- to the endpoint ---

    @staticmethod
    def up(event: JsonObject) -> JsonObject:
        """Return a GA client event as the endpoint reads it."""
        match event.get("type"):
            case "session.update" if isinstance(event.get("session"), dict):
                return {**event, "session": _flat(event["session"], SESSION_PLACES)}
            case "response.create" if isinstance(event.get("response"), dict):
                response = _flat(event["response"], RESPONSE_PLACES)
                if isinstance(response.get("input"), list):
                    response["input"] = [_item_up(item) for item in response["input"]]
                return {**event, "response": response}
            case "conversation.item.create":
                return {**event, "item": _item_up(event.get("item"))}
            case _:
                return event

    # --- from the endpoint ---

    def down(self, event: JsonObject) -> list[JsonObject]:
        """Return what an event of the endpoint means in GA; maybe nothing.

        Raises:
            LookupError: it lacks what its kind must have.
            TypeError: that is of another type.
            ValueError: the same.
        """
        kind = event["type"]
        if kind in _RENAMED:
            return [{**event, "type": _RENAMED[kind]}]
        match kind:
            case "session.created" | "session.updated":
                return [{**event, "session": _session(event["session"])}]
            case "conversation.created":
                return []
            case "conversation.item.created":
                return self._created(event)
            case "conversation.item.retrieved" | "response.output_item.added":
                return [{**event, "item": _item(event["item"])}]
            case "response.output_item.done":
                return self._item_done({**event, "item": _item(event["item"])})
            case "response.created" | "response.done":
                return [{**event, "response": _response(event["response"])}]
            case "error":
                return [_error(event)]
            case _:
                return [event]

    def _created(self, event: JsonObject) -> list[JsonObject]:
        item = _item(event["item"])
        added = {**event, "type": "conversation.item.added", "item": item}
        if item.get("status") != "in_progress":
            return [added, _done(added, item)]
        self._open[str(item.get("id"))] = event.get("previous_item_id")
        if len(self._open) > MOST_OPEN:
            del self._open[next(iter(self._open))]
        return [added]

    def _item_done(self, event: JsonObject) -> list[JsonObject]:
        item = event["item"]
        item_id = str(item.get("id"))
        if item_id not in self._open:  # beside the conversation
            return [event]
        began = {"event_id": event.get("event_id"), "previous_item_id": self._open.pop(item_id)}
        return [_done(began, item), event]


def _done(began: JsonObject, item: JsonObject) -> JsonObject:
    return {
        "type": "conversation.item.done",
        "event_id": f"{began.get('event_id')}-done",
        "previous_item_id": began.get("previous_item_id"),
        "item": item,
    }


def _session(flat: JsonObject) -> JsonObject:
    session = ga_session(flat)
    audio = session.setdefault("audio", {})
    for side, fields in (
        ("input", ("format", "transcription", "noise_reduction", "turn_detection")),
        ("output", ("format", "voice", "speed")),
    ):
        below = audio.setdefault(side, {})
        for name in fields:
            below.setdefault(name, None)
    return session


def _response(flat: JsonObject) -> JsonObject:
    response = placed_response(flat)
    if isinstance(response.get("output"), list):
        response["output"] = [_item(item) for item in response["output"]]
    return response


def _item(item: JsonObject) -> JsonObject:
    """An assistant's text and speech have other names; a user's have the same."""
    shown = {key: value for key, value in item.items() if key != "object"}
    if shown.get("role") == "assistant":
        shown["content"] = _renamed(shown.get("content"), _CONTENT)
    return shown


def _item_up(item: Any) -> Any:
    if not isinstance(item, dict) or item.get("role") != "assistant":
        return item
    return {**item, "content": _renamed(item.get("content"), CONTENT_TYPES)}


def _renamed(content: Any, names: Mapping[str, str]) -> list[Any]:
    return [
        {**part, "type": names.get(str(part.get("type")), part.get("type"))}
        if isinstance(part, dict)
        else part
        for part in content or ()
    ]


def _error(event: JsonObject) -> JsonObject:
    error = event["error"]
    param = error.get("param")
    if not isinstance(param, str) or ga_path(param) == param:
        return event
    return {**event, "error": {**error, "param": ga_path(param)}}


def _flat(fields: JsonObject, places: Mapping[str, str]) -> JsonObject:
    """Return GA's fields at their places in the beta, as far as they are there."""
    flat = {name: value for name, value in fields.items() if name not in _MOVED}
    for name, path in places.items():
        place: Any = fields
        *above, last = path.split(".")
        for step in above:
            place = place.get(step) if isinstance(place, dict) else None
        if isinstance(place, dict) and last in place:
            flat[name] = _word(last, place[last])
    return flat


def _word(name: str, value: Any) -> Any:
    if name == "format" and isinstance(value, dict):
        return FORMAT_NAMES.get(str(value.get("type")), value)
    if name == "output_modalities" and isinstance(value, list):
        return ["audio", "text"] if "audio" in value else ["text"]
    return value
