"""The validators of server events: the live wire passes, each kind of fault is found."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.schemas import EventForms, EventSchemas
from conformance.sdk_types import SdkTypes
from conformance.wire.endpoint import Frame
from conformance.wire.suite import judge, validate
from realtime.events.schemas import SERVER_EVENTS, event_type

RECORDINGS = (
    "ga_2025-12_ws_vad_audio.jsonl",
    "ga_2026-09_ws_text.jsonl",
    "ga_2026-09_ws_transcription.jsonl",
)
SCHEMAS, FORMS = EventSchemas(), EventForms()
ADDED: dict[str, Any] = {
    "type": "conversation.item.added",
    "event_id": "event_Ct1OZlX2FE6f7S0veUG5B",
    "previous_item_id": None,
    "item": {
        "id": "mine",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    },
}
LIMITS: dict[str, Any] = {
    "type": "rate_limits.updated",
    "event_id": "event_Ct1OZlX2FE6f7S0veUG5B",
    "rate_limits": [{"name": "tokens", "limit": 1, "remaining": 1, "reset_seconds": 0.001}],
}


def compact(event: Any) -> str:
    """Return an event as it is on the wire."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False)


def recorded(contract: Path) -> Iterator[dict[str, Any]]:
    """Yield the live service's events; transcription sessions are not ours yet."""
    for name in RECORDINGS:
        for line in (contract / "traces" / name).read_text().splitlines():
            event = json.loads(line)["ev"]
            mine = event.get("session", {}).get("type") != "transcription"
            if json.loads(line)["dir"] == "S>C" and mine:
                yield event


def test_every_event_of_ours_has_a_schema() -> None:
    """No class of the server's events is left out; some words have several forms."""
    assert {event_type(event) for event in SERVER_EVENTS} == SCHEMAS.types()


def test_recordings_of_the_live_service_pass(contract: Path) -> None:
    """Schema, form and SDK find nothing in what the live service sent."""
    sdk, tried = SdkTypes(), 0
    for event in recorded(contract):
        found = SCHEMAS.faults(event) + FORMS.faults(compact(event), event) + sdk.faults(event)
        assert found == [], event["type"]
        tried += 1
    assert tried > 30


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (["surprise"], 1, "surprise"),
        (["type"], "conversation.item.surprise", "unknown event type"),
        (["item", "status"], "done", "$.item.status"),
        (["item", "role"], "robot", "$.item.role"),
        (["item", "content", 0, "transcript"], 5, "$.item.content[0].transcript"),
        (["item", "content", 0, "audio"], "AAAA", "$.item.content[0]"),
        (["item", "type"], "riddle", "$.item"),
        (["previous_item_id"], 3, "$.previous_item_id"),
    ],
)
def test_wrong_shape_is_told_with_its_place(path: list[Any], value: object, told: str) -> None:
    """A key too many, an unknown word or another type is a finding of the schema."""
    event = copy.deepcopy(ADDED)
    place: Any = event
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    (finding,) = SCHEMAS.faults(event)
    assert told in finding


@pytest.mark.parametrize("key", ["event_id", "previous_item_id", "item"])
def test_missing_key_is_told(key: str) -> None:
    """A null must be written, not left out."""
    event = {name: value for name, value in ADDED.items() if name != key}
    (finding,) = SCHEMAS.faults(event)
    assert repr(key) in finding


def test_key_order_is_part_of_the_form() -> None:
    """The same keys in another order are a finding of the form, not of the schema."""
    event = {"event_id": ADDED["event_id"], **ADDED}
    assert SCHEMAS.faults(event) == []
    (finding,) = FORMS.faults(compact(event), event)
    assert "keys in the order" in finding


def test_fraction_written_as_a_whole_number_is_told() -> None:
    """A field that is a fraction keeps its point, as on the live wire."""
    event = copy.deepcopy(LIMITS)
    event["rate_limits"][0]["reset_seconds"] = 2
    assert SCHEMAS.faults(event) == []
    (finding,) = FORMS.faults(compact(event), event)
    assert "$.rate_limits[0].reset_seconds: 2 should be written as 2.0" in finding


@pytest.mark.parametrize("raw", [json.dumps(ADDED), compact(ADDED).replace("mine", "m\\u0069ne")])
def test_spaces_and_escapes_are_told(raw: str) -> None:
    """JSON on the wire is compact and not escaped."""
    assert FORMS.faults(raw, json.loads(raw)) == ["not compact JSON with unescaped UTF-8"]


def test_id_of_another_form_is_told() -> None:
    """Ids that only the server makes have its form; an item's may be the client's."""
    event = {**ADDED, "event_id": "evt-1"}
    (finding,) = FORMS.faults(compact(event), event)
    assert "$.event_id" in finding


def test_sdk_refuses_what_it_does_not_know() -> None:
    """An unknown type and a missing field are both findings."""
    sdk = SdkTypes()
    assert sdk.faults(ADDED) == []
    assert "knows no event type" in sdk.faults({"type": "nope"})[0]
    assert "$.item" in sdk.faults({"type": "conversation.item.added", "event_id": "x"})[0]


def test_same_finding_is_told_once_with_its_count() -> None:
    """A report names each fault once, with the scenario that first showed it."""
    frames = [Frame(name, "{}", {"type": "nope"}) for name in ("first", "second")]
    outcome = judge("rule", frames, lambda frame: ["bad"])
    assert outcome.state == "fail"
    assert outcome.reason == "nope bad (2 times, first in: first)"


def test_validation_holds_events_to_all_three() -> None:
    """One outcome each: our schema, the form, the SDK's types."""
    good = validate([Frame("one", compact(ADDED), ADDED)])
    assert [outcome.state for outcome in good] == ["pass"] * 3
    bad = {"event_id": "evt-1", "type": "conversation.item.added"}
    assert [outcome.state for outcome in validate([Frame("one", compact(bad), bad)])] == [
        "fail"
    ] * 3
