"""Every scenario against the real server; every event against the schemas, theirs and ours."""

from __future__ import annotations

import asyncio
import copy
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from conformance.wire import handshake, suite
from conformance.wire.endpoint import Endpoint, Frame
from conformance.wire.scenario import Outcome, Scenario
from realtime.events.schemas import SERVER_EVENTS, event_type
from realtime.events.transcription_events import TranscriptionFailed, TranscriptionFault
from tests.functional.server import Server

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

REASONING_MODEL = "gpt-realtime-2.1"
NOT_PROVOKED = {
    "conversation.item.input_audio_transcription.failed": "no client can make a recogniser fail",
    **dict.fromkeys(
        (
            "output_audio_buffer.started",
            "output_audio_buffer.stopped",
            "output_audio_buffer.cleared",
        ),
        "a WebSocket plays nothing; `test_calls.py` sees them",
    ),
    **dict.fromkeys(
        (
            "mcp_list_tools.in_progress",
            "mcp_list_tools.completed",
            "mcp_list_tools.failed",
            "response.mcp_call_arguments.delta",
            "response.mcp_call_arguments.done",
            "response.mcp_call.in_progress",
            "response.mcp_call.completed",
            "response.mcp_call.failed",
        ),
        "an endpoint that is held to the suite has no MCP server; `test_mcp.py` has",
    ),
}
DEVIATIONS = [
    (
        "conversation.item.retrieved",
        "item.content.*.format",
        "CONTRACT 9.1: the sample of `retrieved` shows `format` beside the audio, its schema not",
    )
]
"""Keys that we send and the contract's schemas do not list: event type, path, and why."""


class Played:
    """What came of all scenarios."""

    def __init__(self, outcomes: list[Outcome], frames: list[Frame]) -> None:
        self.outcomes = {outcome.rule: outcome for outcome in outcomes}
        self.frames = frames


def play(endpoint: Endpoint, scenarios: list[Scenario]) -> Played:
    """Run scenarios; their lines are shown when a test fails."""
    return Played(*asyncio.run(suite.run(endpoint, print, scenarios)))


@pytest.fixture(scope="module")
def endpoint(voice_server: Server) -> Endpoint:
    """The server with speech and skills."""
    return Endpoint(voice_server.url, voice_server.key, timeout_s=60)


@pytest.fixture(scope="module")
def played(endpoint: Endpoint) -> Played:
    """Every scenario, once."""
    return play(endpoint, suite.scenarios())


class TheirSchemas:
    """The contract's schemas of server events, closed: a key that they do not list is a fault."""

    def __init__(self, contract: Path) -> None:
        document = json.loads((contract / "realtime-schemas.json").read_text())
        defs = closed(document["$defs"])
        self._validators = {}
        for reference in document["x-index"]["server_events"]["ga"]:
            word = defs[reference.rsplit("/", 1)[1]]["properties"]["type"]["enum"][0]
            self._validators[word] = Draft202012Validator({"$ref": reference, "$defs": defs})

    def faults(self, event: dict[str, Any]) -> list[str]:
        """Return what they refuse."""
        validator = self._validators.get(event["type"])
        if validator is None:
            return ["is not an event of the contract"]
        return [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(event)]


def closed(schema: Any) -> Any:
    """Return a schema in which every object that names its properties has no others."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {key: closed(part) for key, part in schema.items()}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    return {"additionalProperties": False, **shut} if named and "allOf" not in schema else shut


def without(event: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a copy without the keys at a path; `*` is every element."""
    found = copy.deepcopy(event)
    *steps, last = path.split(".")
    places: list[Any] = [found]
    for step in steps:
        inner = [place if step == "*" else [place[step]] for place in places]
        places = [element for elements in inner for element in elements]
    for place in places:
        place.pop(last, None)
    return found


def excused(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without the keys of the table."""
    for kind, path, _ in DEVIATIONS:
        if event["type"] == kind:
            event = without(event, path)
    return event


@pytest.mark.parametrize("entry", suite.scenarios(), ids=lambda entry: entry.name)
def test_scenario_passes(played: Played, entry: Scenario) -> None:
    """The conversation goes as the named section of the contract says."""
    outcome = played.outcomes[f"{entry.name} ({entry.section})"]
    assert (outcome.state, outcome.reason) == ("pass", "")


def test_every_event_type_is_provoked(played: Played) -> None:
    """No type of server event is left unseen but those that no client can provoke."""
    seen = {frame.event["type"] for frame in played.frames}
    assert {event_type(event) for event in SERVER_EVENTS} - seen == set(NOT_PROVOKED)


def test_every_event_passes_our_schema_form_and_the_sdk(played: Played) -> None:
    """The black-box suite's own three validators."""
    for outcome in suite.validate(played.frames):
        assert outcome.state == "pass", outcome.reason


def test_every_event_passes_the_contracts_schema(played: Played, contract: Path) -> None:
    """Nothing deviates but what the table names with its reason."""
    theirs = TheirSchemas(contract)
    outcome = suite.judge(
        "theirs", played.frames, lambda frame: theirs.faults(excused(frame.event))
    )
    assert outcome.state == "pass", outcome.reason


@pytest.mark.parametrize(("kind", "path", "reason"), DEVIATIONS)
def test_deviation_is_still_there(
    played: Played, contract: Path, kind: str, path: str, reason: str
) -> None:
    """A row of the table that nothing needs any more is taken out."""
    theirs = TheirSchemas(contract)
    events = [frame.event for frame in played.frames if frame.event["type"] == kind]
    assert any(theirs.faults(event) for event in events), reason


def test_failed_transcription_passes_the_contracts_schema(contract: Path) -> None:
    """The one event that no scenario provokes is held to the schemas as it is built."""
    fault = TranscriptionFault(type="server_error", code="recogniser_lost", message="Gone.")
    event = TranscriptionFailed(event_id="event_1", item_id="item_1", content_index=0, error=fault)
    assert TheirSchemas(contract).faults(asdict(event)) == []


@pytest.fixture(scope="module")
def reasoning(endpoint: Endpoint) -> list[Frame]:
    """A session of a reasoning model."""
    scenarios = [entry for entry in suite.scenarios() if entry.body is handshake.fresh_session]
    return play(replace(endpoint, model=REASONING_MODEL), scenarios).frames


def test_reasoning_session_passes_every_schema(reasoning: list[Frame], contract: Path) -> None:
    """Its two keys more are in our schema, the SDK's types and the contract's."""
    session = reasoning[0].event["session"]
    assert session["reasoning"] == {"effort": "low"}
    assert [outcome.reason for outcome in suite.validate(reasoning)] == ["", "", ""]
    assert TheirSchemas(contract).faults(reasoning[0].event) == []
