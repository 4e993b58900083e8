"""What others recorded of the live service: order, keys and their order, types, nulls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from realtime.engine import TranscriptFinal
from realtime.session.config import TranscriptionSessionConfig
from tests.realtime.driver import Driver, say, text_item

WILD = {"obfuscation", "event_id", "id", "item_id", "response_id", "conversation_id"}
TRANSCRIBING = TranscriptionSessionConfig(id="sess_test", expires_at=3600)


def recorded(contract: Path, name: str) -> list[dict[str, Any]]:
    """Return the server's events of a recording."""
    lines = (contract / "traces" / name).read_text().splitlines()
    return [json.loads(line)["ev"] for line in lines if json.loads(line).get("dir") == "S>C"]


def assert_same_shape(ours: Any, theirs: Any, path: str = "") -> None:
    """Keys in the same order, values of the same types, nulls where there are nulls."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), path
        assert list(ours) == list(theirs), path
        for key, value in theirs.items():
            assert_same_shape(ours[key], value, f"{path}.{key}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), path
        assert len(ours) == len(theirs), path
        for place, value in enumerate(theirs):
            assert_same_shape(ours[place], value, f"{path}[{place}]")
    elif path.rsplit(".", 1)[-1] not in WILD or theirs is None:
        assert type(ours) is type(theirs), f"{path}: {ours!r} against {theirs!r}"


def by_type(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(event for event in events if event["type"] == kind)


class TestVoiceTurn:
    """gpt-realtime, 2025-12: a spoken turn."""

    @pytest.fixture
    def theirs(self, contract: Path) -> list[dict[str, Any]]:
        return recorded(contract, "ga_2025-12_ws_vad_audio.jsonl")

    @pytest.fixture
    def ours(self) -> Driver:
        driver = Driver(brain=say("Sure, that is done."))
        driver.client("session.update", session={"type": "realtime", "instructions": "Be polite."})
        driver.utterance()
        driver.run()
        return driver

    def test_order_is_the_recorded_one(self, theirs: list[dict[str, Any]], ours: Driver) -> None:
        """Audio deltas and the item's done were left out of the recording."""
        left_out = {"response.output_audio.delta"}
        found = [kind for kind in ours.types() if kind not in left_out]
        recorded_types = [event["type"] for event in theirs]
        at = recorded_types.index("response.output_item.done")
        assert found == [*recorded_types[:at], "conversation.item.done", *recorded_types[at:]]

    def test_each_event_has_the_recorded_shape(
        self, theirs: list[dict[str, Any]], ours: Driver
    ) -> None:
        """Key order, types and nulls of every event."""
        mine = [event for event in ours.sent if event["type"] != "response.output_audio.delta"]
        own_done = [e for e in mine if e["type"] == "conversation.item.done"][1]
        mine.remove(own_done)
        assert len(mine) == len(theirs)
        for event, other in zip(mine, theirs, strict=True):
            assert_same_shape(event, other, event["type"])


class TestTextTurn:
    """gpt-realtime-mini, 2026-09: a written turn."""

    def test_order_and_shapes_are_the_recorded_ones(self, contract: Path) -> None:
        """Every event of the recording, in order."""
        theirs = recorded(contract, "ga_2026-09_ws_text.jsonl")
        driver = Driver(brain=say("Hi"))
        session = {"type": "realtime", "output_modalities": ["text"]}
        driver.client("session.update", session=session)
        driver.client("conversation.item.create", item=text_item("Say hi"))
        driver.client("response.create")
        driver.run()
        theirs_once = [
            event
            for place, event in enumerate(theirs)
            if not (event["type"].endswith(".delta") and theirs[place - 1]["type"] == event["type"])
        ]
        assert driver.types() == [event["type"] for event in theirs_once]
        for event, other in zip(driver.sent, theirs_once, strict=True):
            assert_same_shape(event, other, event["type"])


class TestTranscriptionTurn:
    """gpt-4o-mini-transcribe, 2026-09: speech that the client's commit ends."""

    def test_order_and_shapes_are_the_recorded_ones(self, contract: Path) -> None:
        """Every event of the recording, in order: no speech_stopped, no response, no rate limits."""
        name = "ga_2026-09_ws_transcription.jsonl"
        theirs = recorded(contract, name)
        lines = (contract / "traces" / name).read_text().splitlines()
        asked = [json.loads(line)["ev"] for line in lines if json.loads(line)["dir"] == "C>S"]
        driver = Driver(config=TRANSCRIBING, transcript=None)
        driver.client("session.update", session=asked[0]["session"])
        driver.audio(1_700, voiced=True)
        driver.client(asked[2]["type"])
        item_id = driver.last("conversation.item.done")["item"]["id"]
        driver.give(TranscriptFinal(item_id, "Hello from the Gateway Probe."))
        driver.run()
        assert driver.types() == [event["type"] for event in theirs]
        for event, other in zip(driver.sent, theirs, strict=True):
            assert_same_shape(event, other, event["type"])
        assert driver.sent[-1]["usage"]["type"] == "tokens"


class TestErrors:
    """Captured faults of 2026-09: code, type, param and, where captured, the message."""

    PROVOKED = 5

    def test_each_provoked_fault_is_worded_as_recorded(self, contract: Path) -> None:
        """What can be sent as an event is sent, and compared."""
        lines = (contract / "traces" / "ga_2026-09_errors.jsonl").read_text().splitlines()
        tried = 0
        for line in lines:
            case = json.loads(line)
            sent = case["sent"]
            if not isinstance(sent, dict) or "bogus" in str(case["ev"].get("close")):
                continue
            if sent["type"] == "response.create":
                continue
            transcribes = sent.get("session", {}).get("type") == "transcription"
            driver = Driver(config=TRANSCRIBING if transcribes else None)
            driver.client(kind=sent.pop("type"), **sent)
            ours, theirs = driver.error(), case["ev"]["error"]
            assert list(ours) == list(theirs)
            assert {**ours, "message": ""} == {**theirs, "message": ""}
            _, left_open, known = theirs["message"].partition("<text containing> ")
            assert known in ours["message"] if left_open else ours["message"] == theirs["message"]
            tried += 1
        assert tried == self.PROVOKED
