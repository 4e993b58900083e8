"""JSON schemas of what the server sends, from the dataclasses that it sends.

Every field is always on the wire, null where the wire has a null, and nothing
else is: so every property is required and no other is allowed (CONTRACT 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from realtime.events.server import ServerEvent
from realtime.events.translation import TranslationEvent

JsonObject = dict[str, Any]
SERVER_EVENTS: tuple[type, ...] = get_args(ServerEvent)
TRANSLATION_EVENTS: tuple[type, ...] = get_args(TranslationEvent)


class WireJsonSchema(GenerateJsonSchema):
    """Closed objects whose every property is required; a default says no more than that."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        """Require every field of a dataclass."""
        return field["type"] == "dataclass-field" or super().field_is_required(field, total=total)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave the default out: what is always sent has none."""
        return self.generate_inner(schema["schema"])

    def dataclass_args_schema(self, schema: core_schema.DataclassArgsSchema) -> JsonSchemaValue:
        """Leave out what is kept beside the wire: its name begins with an underscore."""
        sent = [field for field in schema["fields"] if not field["name"].startswith("_")]
        return super().dataclass_args_schema({**schema, "fields": sent})

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        """Close the object."""
        return {**super().dataclass_schema(schema), "additionalProperties": False}


def event_type(event: type) -> str:
    """Return the `type` word of a server event's class."""
    return str(event.__dataclass_fields__["type"].default)  # type: ignore[attr-defined]


def server_event_schemas(
    ref_template: str = "#/$defs/{model}", events_of: Sequence[type] = SERVER_EVENTS
) -> tuple[JsonObject, JsonObject]:
    """Return the schemas of server events by class name, and what they refer to."""
    events: JsonObject = {}
    shared: JsonObject = {}
    for event in events_of:
        schema = TypeAdapter(event).json_schema(
            mode="serialization", ref_template=ref_template, schema_generator=WireJsonSchema
        )
        shared.update(schema.pop("$defs", {}))
        events[event.__name__] = schema
    return events, shared
