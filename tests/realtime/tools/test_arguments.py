"""Arguments made for a function that must be called."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from realtime.tools.arguments import arguments_for
from realtime.tools.patterns import example

PATTERNS = [
    r"^\d{4}-\d{2}-\d{2}$",
    r"^[A-Z]{3}$",
    r"^\+?[0-9]+$",
    r"^(red|green)$",
    r"^[a-z0-9_-]{3,16}$",
    r"^#[0-9a-fA-F]{6}$",
    r"^[^@]+@[^@]+\.[a-z]+$",
    r"^(?:[01]\d|2[0-3]):[0-5]\d$",
    r"^[^a-z\s]$",
    r"\bword\b",
]
FORMATS = ["date", "time", "date-time", "email", "uri", "uuid", "ipv4", "ipv6", "hostname"]


@st.composite
def strings(draw: st.DrawFn) -> dict[str, Any]:
    """String schemas."""
    least = draw(st.integers(0, 30))
    return draw(
        st.sampled_from(
            [
                {"type": "string"},
                {"type": "string", "minLength": least, "maxLength": least + 4},
                {"type": "string", "maxLength": least},
                {"type": "string", "enum": ["a", "b"]},
                {"type": "string", "pattern": draw(st.sampled_from(PATTERNS))},
                {"type": "string", "format": draw(st.sampled_from(FORMATS))},
                {"const": "fixed"},
            ]
        )
    )


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, Any]:
    """Number schemas that some number satisfies."""
    made: dict[str, Any] = {"type": draw(st.sampled_from(["integer", "number"]))}
    low = draw(st.integers(-50, 50))
    step = draw(st.sampled_from([1, 2, 5, 7]))
    if draw(st.booleans()):
        made[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()):
        made["multipleOf"] = step
    if draw(st.booleans()):
        made[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = low + 2 * step
    return made


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects, arrays and choices of schemas."""
    names = st.sampled_from("abcdef")
    return st.one_of(
        st.dictionaries(names, inner, max_size=4).map(
            lambda parts: {
                "type": "object",
                "properties": parts,
                "required": sorted(parts)[::2],
                "additionalProperties": False,
            }
        ),
        st.tuples(inner, st.integers(0, 3)).map(
            lambda made: {
                "type": "array",
                "items": made[0],
                "minItems": made[1],
                "maxItems": made[1] + 1,
            }
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
        inner.map(lambda part: {"allOf": [part]}),
    )


LEAVES = st.one_of(
    strings(),
    numbers(),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {}, True, {"$ref": "#/$defs/shared"}]),
    st.just({"type": ["string", "null"]}),
)
KEYWORDS = st.sampled_from(
    [
        "type",
        "properties",
        "required",
        "items",
        "enum",
        "const",
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
        "minimum",
        "maximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "uniqueItems",
        "prefixItems",
        "format",
        "default",
        "a",
    ]
)
ODD = st.sampled_from(["object", "string", "#", "#/properties", "(", "a{3", "(?P<a>x)(?P=a)"])
JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), ODD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=5),
    max_leaves=12,
)
SHARED = {"type": "object", "properties": {"n": {"minimum": 3}}, "required": ["n"]}


@settings(max_examples=300, deadline=None)
@given(st.recursive(LEAVES, containers, max_leaves=8), st.text(max_size=30))
def test_arguments_satisfy_their_schema(part: Any, utterance: str) -> None:
    """Whatever a schema asks for, the arguments are valid by it."""
    schema = {
        "type": "object",
        "properties": {"x": part},
        "required": ["x"],
        "$defs": {"shared": SHARED},
    }
    Draft202012Validator(schema).validate(arguments_for(schema, utterance))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYWORDS, JUNK, max_size=5))
def test_malformed_schema_gives_some_object(schema: dict[str, Any]) -> None:
    """A client may send anything as a schema; nothing of it raises."""
    assert isinstance(json.loads(json.dumps(arguments_for(schema, "hello"))), dict)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "array", "minItems": 10**9, "items": {"type": "array", "minItems": 10**9}},
        {"type": "string", "minLength": 10**12},
        {"type": "string", "pattern": "(((a{200}){200}){200}){200}"},
        {"type": "string", "pattern": "(a+){40}$"},
        {"type": "integer", "minimum": 1e308, "multipleOf": 1e-308},
        {"type": "integer", "minimum": 10**400},
        {"$ref": "#"},
        {"$ref": "#/$defs/wide"},
    ],
)
def test_schema_that_would_explode_stays_small(part: dict[str, Any]) -> None:
    """What a client asks for is bounded in depth, number and length."""
    wide = {
        "type": "object",
        "properties": {name: {"$ref": "#/$defs/wide"} for name in "abcdefghij"},
        "required": list("abcdefghij"),
    }
    schema = {"properties": {"x": part}, "required": ["x"], "$defs": {"wide": wide}}
    assert len(json.dumps(arguments_for(schema, "hello"))) < 100_000


def test_optional_strings_take_the_caller_s_words() -> None:
    """Strings without a stricter rule carry what was said; other optional values are left out."""
    schema = {
        "type": "object",
        "properties": {
            "query": {"type": "string"},
            "limit": {"type": "integer"},
            "unit": {"type": "string", "enum": ["c", "f"]},
        },
    }
    assert arguments_for(schema, " weather in Rome ") == {"query": "weather in Rome"}


def test_unique_items_differ() -> None:
    """Items that must differ do."""
    part = {"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True}
    schema = {"properties": {"x": part}, "required": ["x"]}
    assert arguments_for(schema, "") == {"x": [0, 1, 2]}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_example_is_found_by_its_pattern(pattern: str) -> None:
    """What is made for a pattern matches it."""
    made = example(pattern)
    assert made is not None
    assert re.search(pattern, made)


@pytest.mark.parametrize(
    "pattern", ["(", "a(?=b)", r"(a)\1", "(?i)a", "a{2000}", "(" * 99 + ")" * 99]
)
def test_pattern_beyond_it_gives_none(pattern: str) -> None:
    """It gives up rather than guess."""
    assert example(pattern) is None
