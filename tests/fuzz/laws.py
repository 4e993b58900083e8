"""What must hold of everything a session sends, whatever its client sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson

from conformance.schemas import EventForms, EventSchemas
from realtime.events.base import MAX_EVENT_ID_CHARS
from realtime.events.schemas import server_event_schemas
from tests.realtime.test_invariants import Watch

Json = Any
MOST_SHAPES = 50_000
UNNAMED = "unnamed_"
"""How the beta's translation names events without an id, towards the machine only."""
AUTOMATIC = frozenset({"conversation_already_has_active_response", "policy_denied"})
"""Faults that may come without a client event behind them: of an answer begun by itself."""


class Broken(Exception):
    """A law does not hold; `law` names it."""

    def __init__(self, law: str, found: str) -> None:
        super().__init__(f"{law}: {found}")
        self.law = law


class Shapes:
    """Validates events; one that looks like a valid one seen before is not looked at twice."""

    def __init__(self) -> None:
        self._schemas, self._forms = EventSchemas(), EventForms()
        self._good: set[str] = set()
        events, shared = server_event_schemas()
        self._words = frozenset(_words([events, shared]))
        """The only strings that a schema tells from others."""

    def check(self, raw: str, event: Json) -> None:
        """Hold a frame to the closed schema and to the wire's form."""
        if orjson.dumps(event).decode() != raw:
            raise Broken("form", f"not compact JSON: {raw[:300]}")
        shape = repr(_shape(event, self._words))
        if shape in self._good:
            return
        found = self._schemas.faults(event) + self._forms.faults(raw, event)
        if found:
            raise Broken("schema", f"{found} in {raw[:2000]}")
        if len(self._good) < MOST_SHAPES:
            self._good.add(shape)


def _words(schema: Json) -> Iterator[str]:
    """Yield the constants of a schema."""
    if isinstance(schema, dict):
        yield from (word for word in schema.get("enum", ()) if isinstance(word, str))
        if isinstance(schema.get("const"), str):
            yield schema["const"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from _words(part)


def _shape(value: Json, words: frozenset[str]) -> Json:
    """Return a value without what a schema does not look at: free text, sizes of numbers."""
    if isinstance(value, dict):
        return tuple((key, _shape(part, words)) for key, part in value.items())
    if isinstance(value, list):
        return ("[]", *dict.fromkeys(_shape(part, words) for part in value))
    if isinstance(value, str):
        if len(value) > 25 and value[-21:].isalnum() and value[-22] == "_":
            return value[:-21]
        return value if value in words else "…"
    if isinstance(value, bool) or value is None:
        return value
    return type(value).__name__, value < 0, value == 0


class Laws(Watch):
    """The laws over one session's frames, in order."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self._shapes = shapes
        self._item_done: set[str] = set()
        self._deleted: set[str] = set()
        self.asked: dict[str | None, list[str]] = {}
        """Types of the frames sent so far by event id; None for those without a good one."""
        self.faults: dict[str | None, int] = {}
        self.counts: dict[str, int] = {}

    def ask(self, frame: str | bytes) -> None:
        """A frame is about to be sent."""
        try:
            data = orjson.loads(frame) if isinstance(frame, str) else None
        except orjson.JSONDecodeError:
            data = None
        event_id = data.get("event_id") if isinstance(data, dict) else None
        good = isinstance(event_id, str) and len(event_id) <= MAX_EVENT_ID_CHARS
        kind = str(data.get("type")) if good else ""
        self.asked.setdefault(event_id if good else None, []).append(kind)

    def take(self, raw: str) -> Json:
        """Look at a frame; return the event."""
        event = json.loads(raw)
        self.look(raw, event)
        return event

    def look(self, raw: str, event: Json) -> None:
        """Hold an event, and the frame it came in, to the laws."""
        kind = event["type"]
        self.counts[kind] = self.counts.get(kind, 0) + 1
        try:
            self.see(event)
        except (AssertionError, KeyError) as wrong:
            raise Broken("order", f"{wrong!r} at {raw[:500]}") from wrong
        self._shapes.check(raw, event)

    def on_error(self, event: Json) -> None:
        error = event["error"]
        if error["type"] == "server_error":
            raise Broken("fault", f"a fault of ours: {error}")
        echoed = error["event_id"]
        if echoed is not None and echoed.startswith(UNNAMED):
            echoed = None
        if echoed is None and error["code"] in AUTOMATIC:
            return
        self.faults[echoed] = self.faults.get(echoed, 0) + 1
        if self.faults[echoed] > len(self.asked.get(echoed, ())):
            raise Broken("echo", f"an error that no frame asked for: {error}")

    def on_conversation_item_done(self, event: Json) -> None:
        super().on_conversation_item_done(event)
        item_id = event["item"]["id"]
        if item_id not in self.items and item_id not in self._deleted:
            raise Broken("items", f"{item_id} is done and was never added")
        self._item_done.add(item_id)

    def on_conversation_item_added(self, event: Json) -> None:
        super().on_conversation_item_added(event)
        self._item_done.discard(event["item"]["id"])
        self._deleted.discard(event["item"]["id"])

    def on_conversation_item_deleted(self, event: Json) -> None:
        super().on_conversation_item_deleted(event)
        self._deleted.add(event["item_id"])

    def on_mcp_list_tools_failed(self, event: Json) -> None:
        """An import that failed says so instead (CONTRACT 8.5)."""
        self._item_done.add(event["item_id"])

    def on_session_updated(self, event: Json) -> None:
        super().on_session_updated(event)

    def settled(self) -> None:
        """Hold what must be so once nothing runs any more."""
        if self.live:
            raise Broken("responses", f"without their done: {list(self.live)}")
        open_ = self.items - self._item_done
        if open_:
            raise Broken("items", f"added and never done: {sorted(open_)}")
        self._check_replies()

    def _check_replies(self) -> None:
        """Each named frame had its reply: an error with its id, or what its type brings."""
        wanted: dict[str, int] = {}
        for event_id, kinds in self.asked.items():
            if event_id is not None and not self.faults.get(event_id):
                for reply in (REPLIES[kind] for kind in kinds if kind in REPLIES):
                    wanted[reply] = wanted.get(reply, 0) + 1
        for reply, count in wanted.items():
            if self.counts.get(reply, 0) < count:
                raise Broken("replies", f"{count} frames wanted {reply}, {self.counts} came")


REPLIES = {
    "session.update": "session.updated",
    "input_audio_buffer.commit": "input_audio_buffer.committed",
    "input_audio_buffer.clear": "input_audio_buffer.cleared",
    "conversation.item.create": "conversation.item.added",
    "conversation.item.retrieve": "conversation.item.retrieved",
    "conversation.item.truncate": "conversation.item.truncated",
    "conversation.item.delete": "conversation.item.deleted",
    "response.create": "response.created",
    "response.cancel": "response.done",
}
"""What each client event brings about, if it is not refused."""
