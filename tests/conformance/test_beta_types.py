"""Whatever a session may send, a beta client gets events of the old SDK's own types."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import orjson
import pytest

from conformance.golden import Player, traces
from realtime.dialects.beta.dialect import BetaDialect
from realtime.ids import SequentialIds
from tests.conftest import ROOT, missing
from tests.realtime.driver import ALLOWANCE, Driver
from tests.realtime.stage import MachineStage
from tests.realtime.test_invariants import STEPS

PYTHON = ROOT / "var" / "venv" / "conformance-beta" / "bin" / "python"
JUDGE = ROOT / "conformance" / "sdk" / "beta_python" / "beta_types.py"
WALKS, STEPS_OF_A_WALK = 150, 60
KNOWN_MODEL = "gpt-4o-realtime-preview"
"""The types refuse any name that is younger than the SDK."""

pytestmark = pytest.mark.real


def walked() -> Iterable[list[dict[str, Any]]]:
    """Yield what random walks over everything that can happen send."""
    chance = random.Random(18)
    for walk in range(WALKS):
        driver = Driver() if walk % 2 else Driver(brain=lambda _: [], transcript=None, speech_ms=0)
        for _ in range(STEPS_OF_A_WALK):
            chance.choice(STEPS)(driver, chance.randint(0, 12))
        yield driver.sent


def golden() -> Iterable[list[dict[str, Any]]]:
    """Yield what golden traces send."""
    for trace in traces():
        spoken_by_the_beta = trace.traits.get("session") != "translation"
        if spoken_by_the_beta and not trace.traits.get("socket"):
            player = Player(trace, MachineStage(trace.traits))
            player.play()
            yield [dict(event) for event in player.events if "type" in event]


def allowance() -> list[dict[str, Any]]:
    """Return what `rate_limits.updated` says."""
    return [asdict(ALLOWANCE)]


def translated(sessions: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return what beta clients of these sessions get."""
    found: list[dict[str, Any]] = []
    for events in sessions:
        dialect = BetaDialect(ids=SequentialIds(), rate_limits=allowance, conversation_id="conv_1")
        for event in events:
            found += dialect.outgoing(whole(event))
    return found


def whole(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event as it is on the wire, with a model's name that the SDK knew."""
    if event["type"] == "response.output_audio.delta":
        event = {"event_id": "event_1", "output_index": 0, "content_index": 0, **event}
        event["delta"] = "AAAA"
    session = event.get("session", {})
    return {**event, "session": {**session, "model": KNOWN_MODEL}} if session else event


def aged(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without the values that are younger than the SDK's types."""
    for shown in (event.get("session", {}), event.get("response", {})):
        if isinstance(shown.get("voice"), dict):
            shown["voice"] = shown["voice"]["id"]
        if isinstance(shown.get("tool_choice"), dict):
            shown["tool_choice"] = "auto"
        if shown.get("input_audio_transcription"):
            shown["input_audio_transcription"]["model"] = "whisper-1"
    return event


def refused(events: list[dict[str, Any]]) -> list[str]:
    """Return what the SDK's types refuse."""
    if not PYTHON.exists():
        missing("the beta SDK's environment", "Run `python3 deploy/bootstrap.py conformance-beta`.")
    lines = b"".join(orjson.dumps(event) + b"\n" for event in events)
    done = subprocess.run(
        [PYTHON, JUDGE], input=lines, capture_output=True, timeout=120, check=False
    )
    assert done.returncode in {0, 1}, done.stderr.decode()
    return done.stdout.decode().splitlines()


def test_random_walks_give_valid_beta_events() -> None:
    """Whatever happens, in whatever order."""
    events = translated(walked())
    assert len({event["type"] for event in events}) > 20
    assert refused(events) == []


def test_golden_traces_give_valid_beta_events() -> None:
    """Every scenario of the contract, too."""
    assert refused([aged(event) for event in translated(golden())]) == []


def test_types_refuse_what_is_not_the_betas() -> None:
    """The judge can say no: GA's own events fail."""
    assert refused([{"type": "conversation.item.added", "event_id": "e", "item": {}}])
    assert refused([{"type": "response.text.delta", "event_id": "e", "delta": "x"}])
