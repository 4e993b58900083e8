"""Our schema of every server event, as a validator: shape by JSON schema, form by the dataclasses.

A black box may be any server, so what is found is told as text and never raised.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from typing import Any, TypeAlias

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from pydantic import TypeAdapter
from pydantic import ValidationError as Unreadable
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from realtime.events.schemas import SERVER_EVENTS, event_type, server_event_schemas

Json: TypeAlias = Any
Event: TypeAlias = dict[str, Any]

SHARED = "urn:voiceengine:server-events"
ID = "{prefix}_[A-Za-z0-9]{{21}}"
IDS = {
    "event_id": re.compile(ID.format(prefix="event")),
    "response_id": re.compile(ID.format(prefix="resp")),
    "response.id": re.compile(ID.format(prefix="resp")),
    "response.conversation_id": re.compile(ID.format(prefix="conv")),
    "session.id": re.compile(ID.format(prefix="sess")),
}
"""The form of ids that only the server makes (CONTRACT 17)."""


def _forms(events: Sequence[type]) -> dict[str, list[Any]]:
    """Return the classes of each event type: some have keys that not every session gets."""
    forms: dict[str, list[Any]] = {}
    for event in events:
        forms.setdefault(event_type(event), []).append(event)
    return forms


FORMS = _forms(SERVER_EVENTS)


def _any_of(schemas: list[Json]) -> Json:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


class EventSchemas:
    """A validator per event type."""

    def __init__(self, events_of: Sequence[type] = SERVER_EVENTS) -> None:
        """`events_of` another kind of session are its own."""
        events, shared = server_event_schemas(SHARED + "#/$defs/{model}", events_of)
        resource = DRAFT202012.create_resource({"$id": SHARED, "$defs": shared})
        registry: Registry[Any] = Registry().with_resource(SHARED, resource)
        self._validators = {
            kind: Draft202012Validator(
                _any_of([events[form.__name__] for form in forms]), registry=registry
            )
            for kind, forms in _forms(events_of).items()
        }

    def types(self) -> frozenset[str]:
        """Return the event types that are known."""
        return frozenset(self._validators)

    def faults(self, event: Event) -> list[str]:
        """Return what the schema finds wrong; one finding per place."""
        validator = self._validators.get(str(event.get("type")))
        if validator is None:
            return [f"unknown event type {event.get('type')!r}"]
        found = {}
        for error in validator.iter_errors(event):
            deepest = _meant(error)
            found[deepest.json_path] = f"{deepest.json_path}: {_short(deepest.message)}"
        return list(found.values())


class EventForms:
    """What a schema cannot say: key order, whole numbers and fractions, ids, compact JSON."""

    def __init__(self) -> None:
        self._adapters: dict[str, TypeAdapter[Any]] = {
            kind: TypeAdapter(reduce(or_, forms)) for kind, forms in FORMS.items()
        }

    def faults(self, raw: str, event: Event) -> list[str]:
        """Return what is wrong with the form of a frame; a wrong shape is the schema's to tell."""
        found = [] if _compact(event) == raw else ["not compact JSON with unescaped UTF-8"]
        for path, pattern in IDS.items():
            value = _at(event, path)
            if isinstance(value, str) and not pattern.fullmatch(value):
                found.append(f"$.{path}: {value!r} has not the form {pattern.pattern!r}")
        adapter = self._adapters.get(str(event.get("type")))
        if adapter is None:
            return found
        try:
            ours = orjson.loads(orjson.dumps(adapter.validate_python(event)))
        except Unreadable:
            return found
        return found + list(_differences(event, ours, "$"))


def _meant(error: ValidationError) -> ValidationError:
    """Return the finding inside the union branch that was meant: the one whose `type` fits."""
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    fitting = [
        found
        for found in branches.values()
        if not any(inner.validator in ("const", "type") for inner in found)
    ]
    return _meant(fitting[0][0]) if len(fitting) == 1 else error


def _compact(event: Event) -> str:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False)


def _short(message: str) -> str:
    return message if len(message) <= 300 else f"{message[:150]} … {message[-140:]}"


def _at(value: Json, path: str) -> Json:
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _differences(theirs: Json, ours: Json, path: str) -> Iterator[str]:
    """Yield where keys stand in another order, or a number is of another kind."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        shared = [key for key in theirs if key in ours]
        if shared != [key for key in ours if key in theirs]:
            yield f"{path}: keys in the order {shared}, expected {list(ours)}"
        for key in shared:
            yield from _differences(theirs[key], ours[key], f"{path}.{key}")
    elif isinstance(theirs, list) and isinstance(ours, list):
        for place, (left, right) in enumerate(zip(theirs, ours, strict=False)):
            yield from _differences(left, right, f"{path}[{place}]")
    elif isinstance(ours, int | float) and type(theirs) is not type(ours):
        yield f"{path}: {theirs!r} should be written as {ours!r}"
