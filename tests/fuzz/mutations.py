"""Changes to valid events: of structure, of values, of the text itself."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from realtime.events.client import MODELS

Json = Any
Place = tuple[Any, Any]
"""A container and the key or index of a value in it."""

ODD: tuple[Json, ...] = (
    None, True, False, 0, -1, 1, 0.5, -0.0, 1e308, 2**31, 2**53 + 1, 2**64, -(2**63) - 1, 1e-320,
    float("nan"), float("inf"), float("-inf"), "", " ", "\0", "null", "0", "NaN", "inf", "root",
    "\u202e\u200b", "\ufeff", "é\u0301", "\ud800", "🙂" * 40, "x" * 513, "<script>", "%s%n", "../..",
    [], {}, [[]], [None], {"": None}, {"type": None}, {"__proto__": {}}, "audio/pcm", "realtime",
)  # fmt: skip
KEYS = (
    "type",
    "id",
    "event_id",
    "item",
    "session",
    "response",
    "audio",
    "x",
    "",
    "é",
    "$ref",
    "a.b",
)


def places(value: Json) -> list[Place]:
    """Return every value inside a value, with where it stands."""
    found: list[Place] = []
    waiting = [value]
    while waiting and len(found) < 2_000:
        container = waiting.pop()
        keys = container.keys() if isinstance(container, dict) else range(len(container))
        for key in list(keys):
            found.append((container, key))
            if isinstance(container[key], dict | list):
                waiting.append(container[key])
    return found


class Mutations:
    """Changes an event; `another` gives a second one to take parts from."""

    def __init__(
        self, chance: random.Random, an_id: Callable[[], str], another: Callable[[], Json]
    ) -> None:
        self._chance, self._an_id, self._another = chance, an_id, another
        self._structural = [
            self._delete, self._delete, self._odd, self._odd, self._odd, self._rename, self._add,
            self._wrap, self._swap, self._cross, self._cross, self._retype, self._id, self._id,
            self._repeat, self._deepen, self._number, self._own_event_id,
        ]  # fmt: skip

    def frame(self, event: Json) -> str | bytes:
        """Return the mutated event as a frame."""
        for _ in range(self._chance.choice((1, 1, 1, 2, 3))):
            if isinstance(event, dict) and places(event):
                event = self._chance.choice(self._structural)(event)
        if self._chance.random() < 0.02:
            event = self._huge(event)
        text = json.dumps(event, ensure_ascii=self._chance.random() < 0.5)
        text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        return self._text(text) if self._chance.random() < 0.06 else text

    def _place(self, event: Json) -> Place:
        return self._chance.choice(places(event))

    def _delete(self, event: Json) -> Json:
        container, key = self._place(event)
        del container[key]
        return event

    def _odd(self, event: Json) -> Json:
        container, key = self._place(event)
        container[key] = self._copy(self._chance.choice(ODD))
        return event

    def _rename(self, event: Json) -> Json:
        container, key = self._place(event)
        if isinstance(container, dict):
            container[self._chance.choice((*KEYS, f"{key}s", str(key).upper()))] = container.pop(
                key
            )
        return event

    def _add(self, event: Json) -> Json:
        container, _ = self._place(event)
        value = self._copy(self._chance.choice(ODD))
        if isinstance(container, dict):
            container[self._chance.choice(KEYS)] = value
        else:
            container.append(value)
        return event

    def _wrap(self, event: Json) -> Json:
        container, key = self._place(event)
        value = container[key]
        container[key] = self._chance.choice(
            ([value], {"value": value}, [value, value], str(value))
        )
        return event

    def _swap(self, event: Json) -> Json:
        (one, first), (other, second) = self._place(event), self._place(event)
        if not isinstance(one[first], dict | list) and not isinstance(other[second], dict | list):
            one[first], other[second] = other[second], one[first]
        return event

    def _cross(self, event: Json) -> Json:
        theirs = self._another()
        taken = self._chance.choice(places(theirs)) if places(theirs) else None
        container, key = self._place(event)
        if taken is not None:
            container[key] = taken[0][taken[1]]
        return event

    def _retype(self, event: Json) -> Json:
        event["type"] = self._chance.choice(
            (*MODELS, "nope", "session.close", "transcription_session.update")
        )
        return event

    def _id(self, event: Json) -> Json:
        named = [(c, k) for c, k in places(event) if isinstance(k, str) and k.endswith("id")]
        if named:
            container, key = self._chance.choice(named)
            container[key] = self._an_id()
        return event

    def _repeat(self, event: Json) -> Json:
        arrays = [c[k] for c, k in places(event) if isinstance(c[k], list) and c[k]]
        if arrays:
            array = self._chance.choice(arrays)
            array.extend(self._copy(array[0]) for _ in range(self._chance.choice((1, 2, 130))))
        return event

    def _deepen(self, event: Json) -> Json:
        container, key = self._place(event)
        value: Json = container[key]
        for _ in range(self._chance.choice((3, 60, 63, 64, 65, 200))):
            value = [value] if self._chance.random() < 0.5 else {"a": value}
        container[key] = value
        return event

    def _number(self, event: Json) -> Json:
        numbers = [(c, k) for c, k in places(event) if type(c[k]) in (int, float)]
        if numbers:
            container, key = self._chance.choice(numbers)
            changed = (
                -container[key],
                container[key] + 1,
                container[key] * 1000,
                container[key] / 3,
                str(container[key]),
            )
            container[key] = self._chance.choice(changed)
        return event

    def _own_event_id(self, event: Json) -> Json:
        event["event_id"] = self._chance.choice((None, "", 5, "e" * 512, "e" * 513, "\0", "é", []))
        return event

    def _huge(self, event: Json) -> Json:
        size = self._chance.choice((10_000, 70_000, 300_000))
        value: Json = self._chance.choice(
            ("y" * size, list(range(size // 10)), {str(n): n for n in range(size // 20)})
        )
        if isinstance(event, dict) and places(event):
            container, key = self._place(event)
            container[key] = value
            return event
        return value

    def _text(self, text: str) -> str | bytes:
        """Break the text itself."""
        cut = self._chance.randrange(len(text) + 1)
        return self._chance.choice(
            (
                text[:cut],
                text[:cut] + text[cut + 1 :],
                text[:cut] + self._chance.choice('{}[]",:\\\0é') + text[cut:],
                text + text,
                " \n\t" + text + "\r\n",
                text.replace("{", '{"type":"response.create",', 1),
                text.encode(),
                b"\xff\xfe" + text[:cut].encode(),
                "",
                "[" * 2_000,
                "9" * 5_000,
            )
        )

    def _copy(self, value: Json) -> Json:
        return json.loads(json.dumps(value)) if isinstance(value, dict | list) else value
