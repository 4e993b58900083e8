"""From pydantic's findings to the contract's one error (CONTRACT 16).

pydantic reports every finding, with the tags of unions in its paths; the
service reports one, with a dotted path of the client's own keys. The first
finding wins, and path elements that do not exist in the client's data are tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from realtime.errors import InvalidValue, MissingParameter, UnknownParameter, WireFault, quoted_list

CUSTOM_TYPE = "realtime"
"""`PydanticCustomError` type of our own validators; `ctx` holds `code` and `message`."""

_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a decimal",
    "bool_type": "a boolean",
    "list_type": "an array",
    "tuple_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "int_from_float": "an integer",
}
_ARRAYS_OF_OBJECTS = frozenset({"content", "tools", "input"})
_ARRAYS_OF_STRINGS = frozenset({"output_modalities", "include", "languages", "keywords"})


def fault_of(error: ValidationError, data: object, *, root: Sequence[str] = ()) -> WireFault:
    """Return the first finding as a wire fault; `root` prefixes its path."""
    return fault_of_finding(error.errors(include_url=False)[0], data, root=root)


def fault_of_finding(finding: ErrorDetails, data: object, *, root: Sequence[str] = ()) -> WireFault:
    """Return a finding as a wire fault; `root` prefixes its path."""
    keys = client_path(finding["loc"], data, missing=finding["type"] == "missing")
    param = dotted([*root, *keys])
    name = next((str(key) for key in reversed(keys) if isinstance(key, str)), "")
    return _translate(finding, param, name)


def client_path(
    loc: Sequence[str | int], data: object, *, missing: bool = False
) -> list[str | int]:
    """Return a finding's path in the client's own data; the end of it is absent if `missing`."""
    path: list[str | int] = []
    node = data
    tags = _tags(node)
    for place, key in enumerate(loc):
        if key in tags:
            # `{"type": "function", "function": …}`: the first is the tag, not the client's key.
            tags.remove(key)
            continue
        held, below = _child(node, key)
        if held:
            node = below
            tags = _tags(node)
        elif not (missing and place == len(loc) - 1):
            continue
        path.append(key)
    return path


def _tags(node: object) -> list[object]:
    """Return the tags that pydantic may put into a path where it enters this value."""
    return [node[key] for key in ("type", "role") if key in node] if isinstance(node, dict) else []


def _child(node: object, key: str | int) -> tuple[bool, object]:
    """Return whether the client's value has the key, and what it holds there."""
    if isinstance(node, dict) and key in node:
        return True, node[key]
    if isinstance(node, list) and isinstance(key, int) and key < len(node):
        return True, node[key]
    return False, None


def dotted(keys: Sequence[str | int]) -> str:
    """Return a path as the contract writes it: `session.tools[0].name`."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += f".{key}" if text else key
    return text


def _translate(finding: ErrorDetails, param: str, name: str) -> WireFault:
    kind = finding["type"]
    context: dict[str, Any] = finding.get("ctx", {})
    value = finding["input"]
    if kind in _EXPECTED:
        return _wrong_type(param, _expected_words(kind, name), value)
    translate = _BY_KIND.get(kind)
    if translate is not None:
        return translate(param, context, value)
    return InvalidValue(f"Invalid value for '{param}'.", param=param)


def _expected_words(kind: str, name: str) -> str:
    if kind == "list_type" and name in _ARRAYS_OF_OBJECTS:
        return "an array of objects"
    if kind == "list_type" and name in _ARRAYS_OF_STRINGS:
        return "an array of strings"
    return _EXPECTED[kind]


def json_kind(value: object) -> str:
    """Name the JSON type of a value as the service does: `a string`, `null`."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case list() | tuple():
            return "an array"
        case _:
            return "an object"


def _wrong_type(param: str, expected: str, value: object) -> WireFault:
    return WireFault(
        f"Invalid type for '{param}': expected {expected}, but got {json_kind(value)} instead.",
        param=param,
        code="invalid_type",
    )


def _missing(param: str, _context: dict[str, Any], _value: object) -> WireFault:
    return MissingParameter(param)


def _unknown(param: str, _context: dict[str, Any], _value: object) -> WireFault:
    return UnknownParameter(param)


def _literal(param: str, context: dict[str, Any], value: object) -> WireFault:
    supported = re.findall(r"'([^']*)'", str(context.get("expected", "")))
    if isinstance(value, str):
        return InvalidValue.unsupported(value, supported, param=param)
    expected = f"one of {quoted_list(supported, conjunction='or')}"
    return _wrong_type(param, expected if len(supported) > 1 else f"'{supported[0]}'", value)


def _tag_missing(param: str, context: dict[str, Any], value: object) -> WireFault:
    if not isinstance(value, dict):
        return _wrong_type(param, "an object", value)
    path, tag = _tag_of(param, context, value)
    return MissingParameter(path) if tag is None else _wrong_type(path, "a string", tag)


def _tag_unknown(param: str, context: dict[str, Any], value: object) -> WireFault:
    supported = re.findall(r"'([^']*)'", str(context.get("expected_tags", "")))
    path, tag = _tag_of(param, context, value)
    if tag is not None and not isinstance(tag, str):
        return _wrong_type(path, "a string", tag)
    return InvalidValue.unsupported(context.get("tag", ""), supported, param=path)


def _tag_of(param: str, context: dict[str, Any], value: object) -> tuple[str, object]:
    """Return the path of the key that tells a union's kind, and what the client has there.

    pydantic quotes the key (`'role'`); our own functions all look at `type`.
    """
    named = re.fullmatch(r"'(\w+)'", str(context.get("discriminator", "")))
    key = named[1] if named else "type"
    tag = value.get(key) if isinstance(value, dict) else None
    return (f"{param}.{key}" if param else key), tag


def _below(param: str, context: dict[str, Any], value: object) -> WireFault:
    return _out_of_range(param, value, context["ge"], side="below minimum", sign=">=")


def _above(param: str, context: dict[str, Any], value: object) -> WireFault:
    return _out_of_range(param, value, context["le"], side="above maximum", sign="<=")


def _out_of_range(param: str, value: object, bound: float, *, side: str, sign: str) -> WireFault:
    kind = "decimal" if isinstance(bound, float) or isinstance(value, float) else "integer"
    edge = "below_min" if sign == ">=" else "above_max"
    return WireFault(
        f"Invalid '{param}': {kind} {side} value. "
        f"Expected a value {sign} {bound}, but got {value} instead.",
        param=param,
        code=f"{kind}_{edge}_value",
    )


def _long_string(param: str, context: dict[str, Any], value: object) -> WireFault:
    return WireFault(
        f"Invalid '{param}': string too long. Expected a string with maximum length "
        f"{context['max_length']}, but got a string with length {len(str(value))} instead.",
        param=param,
        code="string_above_max_length",
    )


def _long_collection(param: str, context: dict[str, Any], value: object) -> WireFault:
    most = context["max_length"]
    got = len(value) if isinstance(value, list | dict) else context["actual_length"]
    if context.get("field_type") == "Dictionary":
        return WireFault(
            f"Invalid '{param}': too many properties. Expected an object with at most {most} "
            f"properties, but got an object with {got} properties instead.",
            param=param,
            code="object_above_max_properties",
        )
    return WireFault(
        f"Invalid '{param}': array too long. Expected an array with maximum length {most}, "
        f"but got an array with length {got} instead.",
        param=param,
        code="array_above_max_length",
    )


def _custom(param: str, context: dict[str, Any], _value: object) -> WireFault:
    return WireFault(
        str(context["message"]).replace("{param}", param), param=param, code=context["code"]
    )


_BY_KIND: dict[str, Callable[[str, dict[str, Any], object], WireFault]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "literal_error": _literal,
    "union_tag_not_found": _tag_missing,
    "union_tag_invalid": _tag_unknown,
    "greater_than_equal": _below,
    "less_than_equal": _above,
    "string_too_long": _long_string,
    "too_long": _long_collection,
    CUSTOM_TYPE: _custom,
}
