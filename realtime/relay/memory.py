"""What a relayed session must remember to begin anew elsewhere: configuration and words.

Bounded: of a long conversation the newest part is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from realtime.relay.inputs import Json

MOST_ITEMS: Final = 400
MOST_CHARACTERS: Final = 400_000

_READ_ONLY: Final = frozenset({"id", "object", "model", "type", "expires_at"})


class RelayMemory:
    """The configuration that clients asked for, and the conversation's text in order."""

    def __init__(self, session: Json) -> None:
        self.session = session
        self._asked: set[tuple[str, ...]] = set()
        self._items: dict[str, Json] = {}
        self._order: list[str] = []
        self._heard: dict[str, str] = {}

    # --- configuration ---

    def asked(self, session: Json) -> None:
        """A client set these fields; whether it may, the upstream's next echo says."""
        for name, value in session.items():
            if name in _READ_ONLY:
                continue
            if name != "audio" or not isinstance(value, Mapping):
                self._asked.add((name,))
                continue
            for side, fields in value.items():
                if isinstance(fields, Mapping):
                    self._asked.update((name, side, field) for field in fields)

    def configuration(self) -> dict[str, Any] | None:
        """Return a `session.update` that brings back what clients set, None for nothing."""
        found: dict[str, Any] = {}
        for path in sorted(self._asked):
            source: Any = self.session
            for name in path:
                source = source.get(name, _MISSING) if isinstance(source, Mapping) else _MISSING
            if source is _MISSING:
                continue
            place = found
            for name in path[:-1]:
                place = place.setdefault(name, {})
            place[path[-1]] = source
        if not found:
            return None
        return {"type": self.session.get("type", "realtime"), **found}

    # --- conversation ---

    def item(self, item: Json, previous_item_id: object) -> None:
        """An item is there in its final form."""
        item_id = item.get("id")
        if not isinstance(item_id, str):
            return
        if item_id not in self._items:
            if previous_item_id is None:
                self._order.insert(0, item_id)
            elif isinstance(previous_item_id, str) and previous_item_id in self._items:
                self._order.insert(self._order.index(previous_item_id) + 1, item_id)
            else:
                self._order.append(item_id)
        self._items[item_id] = item
        while len(self._order) > MOST_ITEMS:
            self.forget(self._order[0])

    @property
    def last_id(self) -> str | None:
        """The id of the item at the end."""
        return self._order[-1] if self._order else None

    @property
    def has_spoken(self) -> bool:
        """The model's voice was heard; a session has one."""
        return any(
            isinstance(part, Mapping) and part.get("type") == "output_audio"
            for item in self._items.values()
            if item.get("role") == "assistant"
            for part in item.get("content") or ()
        )

    def ids(self) -> list[str]:
        """Return the ids of the items, oldest first."""
        return [*self._order]

    def heard(self, item_id: object, transcript: object) -> None:
        """What was said in an item."""
        if isinstance(item_id, str) and item_id in self._items and isinstance(transcript, str):
            self._heard[item_id] = transcript

    def forget(self, item_id: object) -> None:
        """An item is deleted, or cut: nobody knows which of its words were heard."""
        if isinstance(item_id, str) and self._items.pop(item_id, None) is not None:
            self._order.remove(item_id)
            self._heard.pop(item_id, None)

    def conversation(self) -> list[Json]:
        """Return the items that can be said again in text, oldest first, under their ids."""
        found: list[Json] = []
        room = MOST_CHARACTERS
        for item_id in reversed(self._order):
            again = _in_text(self._items[item_id], self._heard.get(item_id))
            if again is None:
                continue
            room -= _characters(again)
            if room < 0:
                break
            found.append(again)
        found.reverse()
        return found


_MISSING: Final = object()


def _in_text(item: Json, heard: str | None) -> Json | None:
    kind = item.get("type")
    if kind == "message":
        return _message(item, heard)
    if kind == "function_call":
        return {key: item[key] for key in ("id", "type", "call_id", "name", "arguments")
                if key in item}  # fmt: skip
    if kind == "function_call_output":
        return {key: item[key] for key in ("id", "type", "call_id", "output") if key in item}
    return None


def _message(item: Json, heard: str | None) -> Json | None:
    role = item.get("role")
    kind = "output_text" if role == "assistant" else "input_text"
    parts = [part for part in item.get("content") or () if isinstance(part, Mapping)]
    words = [part.get("text") or part.get("transcript") for part in parts]
    texts = [text for text in words if isinstance(text, str) and text]
    if not texts and heard:
        texts = [heard]
    if not texts:
        return None
    content = [{"type": kind, "text": text} for text in texts]
    return {"id": item["id"], "type": "message", "role": role, "content": content}


def _characters(item: Json) -> int:
    texts = [part["text"] for part in item.get("content", ())]
    return sum(
        len(str(text)) for text in (*texts, item.get("arguments", ""), item.get("output", ""))
    )
