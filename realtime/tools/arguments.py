"""Arguments that satisfy a function's JSON schema, for a call that must be made.

A brain without a language model still obeys a forced `tool_choice`: strings
without a stricter rule take the caller's words, everything else the plainest
value the schema allows. A schema comes from a client and may be anything: what is
malformed counts as absent, and `MAX_DEPTH`, `MAX_VALUES`, `MAX_ITEMS` and `MAX_CHARACTERS`
bound what is made of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from realtime.tools.patterns import example

Schema = Mapping[str, Any]

MAX_DEPTH = 12
MAX_VALUES = 2_000
MAX_ITEMS = 256
MAX_CHARACTERS = 4_096
MAX_NUMBER = 1e300

_FORMATS = {
    "date": "2000-01-01",
    "time": "00:00:00Z",
    "date-time": "2000-01-01T00:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
}


def arguments_for(schema: Schema, utterance: str) -> dict[str, Any]:
    """Return an arguments object for a function called because of an utterance."""
    made = _Maker(schema, utterance).value(schema, 0)
    return made if isinstance(made, dict) else {}


class _Maker:
    def __init__(self, root: Schema, utterance: str) -> None:
        self._root = root
        self._utterance = utterance.strip()
        self._left = MAX_VALUES

    def value(self, schema: Any, depth: int) -> Any:
        """Return a value that a schema allows; null where the bounds are reached."""
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            return None
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if _list(schema.get("enum")):
            return schema["enum"][0]
        if "default" in schema and depth > 0:
            return schema["default"]
        match self._type(schema, depth):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "string":
                return self._string(schema)
            case "integer":
                return _number(schema, whole=True)
            case "number":
                return _number(schema, whole=False)
            case "boolean":
                return True
            case _:
                return None

    def _resolved(self, given: Any, depth: int = 0) -> Schema:
        """Follow a local `$ref`, merge `allOf`, take the first of `anyOf` or `oneOf`."""
        schema: Schema = _mapping(given)
        for _ in range(MAX_DEPTH if depth < MAX_DEPTH else 0):
            self._left -= 1
            parts = _list(schema.get("allOf"))[:MAX_ITEMS]
            choice = _list(schema.get("anyOf")) or _list(schema.get("oneOf"))
            if self._left < 0:
                return schema
            if "$ref" in schema:
                rest = {key: part for key, part in schema.items() if key != "$ref"}
                schema = {**self._referred(str(schema["$ref"])), **rest}
            elif parts:
                rest = {key: part for key, part in schema.items() if key != "allOf"}
                schema = _merged([*(self._resolved(part, depth + 1) for part in parts), rest])
            elif choice:
                dropped = ("anyOf", "oneOf")
                rest = {key: part for key, part in schema.items() if key not in dropped}
                schema = _merged([rest, self._resolved(choice[0], depth + 1)])
            else:
                return schema
        return schema

    def _referred(self, reference: str) -> Schema:
        node: Any = self._root
        for key in reference.removeprefix("#").strip("/").split("/"):
            if key:
                name = key.replace("~1", "/").replace("~0", "~")
                node = _mapping(node).get(name)
        return _mapping(node)

    def _type(self, schema: Schema, depth: int) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            return str(next((name for name in kind if name != "null"), "null"))
        if isinstance(kind, str):
            return kind
        if depth == 0 or "properties" in schema or "required" in schema:
            return "object"
        if "items" in schema or "minItems" in schema:
            return "array"
        if "minimum" in schema or "maximum" in schema or "multipleOf" in schema:
            return "number"
        return "string"

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = _mapping(schema.get("properties"))
        required = [name for name in _list(schema.get("required")) if isinstance(name, str)]
        made = {name: self.value(properties.get(name), depth + 1) for name in required}
        for name, part in properties.items():
            if name not in made and self._takes_words(part):
                made[name] = self._string(part)
        for place in range(_count(schema.get("minProperties"), MAX_ITEMS) - len(made)):
            made.setdefault(f"value{place}", self._extra(schema, depth))
        return made

    def _takes_words(self, schema: Any) -> bool:
        """An optional string without a stricter rule carries the caller's words."""
        strict = ("enum", "const", "pattern", "format", "maxLength", "default")
        return (
            isinstance(schema, Mapping)
            and schema.get("type") == "string"
            and not any(key in schema for key in strict)
            and _count(schema.get("minLength"), MAX_CHARACTERS) <= len(self._utterance)
        )

    def _extra(self, schema: Schema, depth: int) -> Any:
        extra = schema.get("additionalProperties")
        return self.value(extra, depth + 1) if isinstance(extra, Mapping) else "value"

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        first = _list(schema.get("prefixItems"))[:MAX_ITEMS]
        leading = [self.value(part, depth + 1) for part in first]
        missing = _count(schema.get("minItems"), MAX_ITEMS) - len(leading)
        items = schema.get("items")
        made = leading + [self.value(items, depth + 1) for _ in range(max(missing, 0))]
        if schema.get("uniqueItems") and len(made) > 1:
            made = [_distinct(value, place) for place, value in enumerate(made)]
        return made

    def _string(self, schema: Schema) -> str:
        if str(schema.get("format")) in _FORMATS:
            return _FORMATS[str(schema["format"])]
        text = self._utterance or "value"
        if "pattern" in schema:
            text = example(str(schema["pattern"])) or text
        least = _count(schema.get("minLength"), MAX_CHARACTERS)
        if len(text) < least:
            text = text.ljust(least, "x")
        most = schema.get("maxLength")
        return text if most is None else text[: _count(most, MAX_CHARACTERS)]


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _real(value: Any) -> float | int | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    return value if fits and -MAX_NUMBER <= value <= MAX_NUMBER else None


def _count(value: Any, most: int) -> int:
    real = _real(value)
    return 0 if real is None else int(min(max(real, 0), most))


def _merged(schemas: list[Schema]) -> Schema:
    merged: dict[str, Any] = {}
    for schema in schemas:
        for key, part in schema.items():
            if key == "properties":
                merged[key] = {**_mapping(merged.get(key)), **_mapping(part)}
            elif key == "required":
                merged[key] = [*_list(merged.get(key)), *_list(part)]
            else:
                merged[key] = part
    return merged


def _distinct(value: Any, place: int) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return value + place
    return f"{value}{place}" if isinstance(value, str) and place else value


def _number(schema: Schema, *, whole: bool) -> int | float:
    low, high = _bounds(schema, whole=whole)
    step = _real(schema.get("multipleOf"))
    # Beyond the precision of a float there is nothing to step to.
    if step is not None and step > 0 and max(abs(low or 0), abs(high or 0)) / step < 1e15:
        start = 0.0 if low is None else math.ceil(low / step) * step
        if high is not None and start > high:
            start = math.floor(high / step) * step
        return int(start) if whole or float(start).is_integer() else start
    value = 0.0
    if low is not None and value < low:
        value = low
    if high is not None and value > high:
        value = high
    return math.ceil(value) if whole else value


def _bounds(schema: Schema, *, whole: bool) -> tuple[float | None, float | None]:
    low, high = _real(schema.get("minimum")), _real(schema.get("maximum"))
    nudge = 1 if whole else 1e-6
    above, below = _real(schema.get("exclusiveMinimum")), _real(schema.get("exclusiveMaximum"))
    if above is not None:
        low = max(above + nudge, low) if low is not None else above + nudge
    if below is not None:
        high = min(below - nudge, high) if high is not None else below - nudge
    return low, high
