"""JSON schemas of the operator's tools: checked at start, held to at every call."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator, SchemaError

MOST_FINDING_CHARS = 300


def validator(schema: dict[str, Any], *, of: str) -> Draft202012Validator:
    """Return what holds values to a schema.

    Raises:
        ValueError: it is no JSON schema.
    """
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"{of} is no JSON schema: {error.json_path}: {error.message}") from None
    return Draft202012Validator(schema)


def finding(schema: Draft202012Validator, value: object) -> str | None:
    """Return where a value does not fit a schema, None if it fits."""
    found = next(iter(schema.iter_errors(value)), None)
    return None if found is None else f"{found.json_path}: {found.message}"[:MOST_FINDING_CHARS]
