"""Arguments that satisfy a function's JSON schema, for a call that must be made.

A brain without a language model still obeys a forced `tool_choice`: strings
without a stricter rule take the caller's words, everything else the plainest
value the schema allows. Bounded: recursion through `$ref` ends at `MAX_DEPTH`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

MAX_DEPTH = 12

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

    def value(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
            return {} if depth == 0 else None
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
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

    def _resolved(self, schema: Schema) -> Schema:
        """Follow a local `$ref`, merge `allOf`, take the first of `anyOf` or `oneOf`."""
        for _ in range(MAX_DEPTH):
            if "$ref" in schema:
                rest = {key: part for key, part in schema.items() if key != "$ref"}
                schema = {**self._referred(str(schema["$ref"])), **rest}
            elif schema.get("allOf"):
                parts = [self._resolved(part) for part in schema["allOf"]]
                rest = {key: part for key, part in schema.items() if key != "allOf"}
                schema = _merged([*parts, rest])
            elif choice := schema.get("anyOf") or schema.get("oneOf"):
                dropped = ("anyOf", "oneOf")
                rest = {key: part for key, part in schema.items() if key not in dropped}
                schema = _merged([rest, self._resolved(choice[0])])
            else:
                return schema
        return schema

    def _referred(self, reference: str) -> Schema:
        node: Any = self._root
        for key in reference.removeprefix("#").strip("/").split("/"):
            if key:
                name = key.replace("~1", "/").replace("~0", "~")
                node = node.get(name, {}) if isinstance(node, Mapping) else {}
        return node if isinstance(node, Mapping) else {}

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
        properties = schema.get("properties") or {}
        required = list(schema.get("required") or ())
        made = {name: self.value(properties.get(name, {}), depth + 1) for name in required}
        for name, part in properties.items():
            if name not in made and self._takes_words(part):
                made[name] = self._string(part)
        for place in range(int(schema.get("minProperties") or 0) - len(made)):
            made.setdefault(f"value{place}", self._extra(schema, depth))
        return made

    def _takes_words(self, schema: Any) -> bool:
        """An optional string without a stricter rule carries the caller's words."""
        strict = ("enum", "const", "pattern", "format", "maxLength", "default")
        return (
            isinstance(schema, Mapping)
            and schema.get("type") == "string"
            and not any(key in schema for key in strict)
            and int(schema.get("minLength") or 0) <= len(self._utterance)
        )

    def _extra(self, schema: Schema, depth: int) -> Any:
        extra = schema.get("additionalProperties")
        return self.value(extra, depth + 1) if isinstance(extra, Mapping) else "value"

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        leading = [self.value(part, depth + 1) for part in schema.get("prefixItems") or ()]
        missing = int(schema.get("minItems") or 0) - len(leading)
        items = schema.get("items", {})
        made = leading + [self.value(items, depth + 1) for _ in range(max(missing, 0))]
        if schema.get("uniqueItems") and len(made) > 1:
            made = [_distinct(value, place) for place, value in enumerate(made)]
        return made

    def _string(self, schema: Schema) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[str(schema["format"])]
        text = self._utterance or "value"
        if "pattern" in schema:
            text = _plain_match(str(schema["pattern"]))
        least, most = int(schema.get("minLength") or 0), schema.get("maxLength")
        if len(text) < least:
            text = text.ljust(least, "x")
        return text if most is None else text[: int(most)]


def _merged(schemas: list[Schema]) -> Schema:
    merged: dict[str, Any] = {}
    for schema in schemas:
        for key, part in schema.items():
            if key == "properties":
                merged[key] = {**merged.get(key, {}), **part}
            elif key == "required":
                merged[key] = [*merged.get(key, []), *part]
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
    step = schema.get("multipleOf")
    if step:
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
    low, high = schema.get("minimum"), schema.get("maximum")
    nudge = 1 if whole else 1e-6
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if isinstance(above, int | float) and not isinstance(above, bool):
        low = max(above + nudge, low) if low is not None else above + nudge
    if isinstance(below, int | float) and not isinstance(below, bool):
        high = min(below - nudge, high) if high is not None else below - nudge
    return low, high


def _plain_match(pattern: str) -> str:
    """Return a string for simple patterns: classes, literals and counts; else its literals."""
    made, place = "", 0
    pattern = pattern.removeprefix("^").removesuffix("$")
    classes = {"d": "0", "w": "a", "s": " "}
    while place < len(pattern):
        character, place = pattern[place], place + 1
        if character == "\\" and place < len(pattern):
            unit = classes.get(pattern[place], pattern[place])
            place += 1
        elif character == "[":
            end = pattern.find("]", place)
            unit = (
                pattern[place] if pattern[place] != "\\" else classes.get(pattern[place + 1], "a")
            )
            place = end + 1
        elif character == ".":
            unit = "a"
        else:
            unit = character
        count, place = _repeats(pattern, place)
        made += unit * count
    return made


def _repeats(pattern: str, place: int) -> tuple[int, int]:
    mark = pattern[place : place + 1]
    if mark == "{":
        end = pattern.find("}", place)
        least = pattern[place + 1 : end].split(",", maxsplit=1)[0]
        return int(least or 0), end + 1
    if mark in ("*", "?"):
        return 0, place + 1
    return 1, place + 1 if mark == "+" else place
