"""Golden traces of our own, written from the contract, against the protocol machine."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.golden import HEADER_KEYS, Line, Player, Trace, audio_ms, play, traces
from conformance.schemas import EventSchemas
from conformance.sdk_types import SdkTypes
from realtime.events.schemas import TRANSLATION_EVENTS
from tests.realtime.stage import MachineStage
from tests.realtime.translation.stage import TranslationStage

ALL = traces()
OURS, THEIRS = EventSchemas(), SdkTypes()
TRANSLATIONS = EventSchemas(TRANSLATION_EVENTS), SdkTypes(translations=True)
PLAYABLE = [trace for trace in ALL if not trace.traits.get("socket")]


@pytest.mark.parametrize("trace", PLAYABLE, ids=lambda trace: trace.name)
def test_machine_sends_what_the_trace_says(trace: Trace) -> None:
    """Order, key order, types, nulls and values, line by line; nothing before, between, after.

    What came fits our schemas and the SDK's types.
    """
    translates = trace.traits.get("session") == "translation"
    player = Player(trace, (TranslationStage if translates else MachineStage)(trace.traits))
    ours, theirs = TRANSLATIONS if translates else (OURS, THEIRS)
    assert not player.play(), "\n".join(player.differences)
    for event in player.events:
        check_usage(event)
        if "close" not in event:
            assert not [*ours.faults(dict(event)), *theirs.faults(dict(event))], event["type"]
    check_audio_tokens(player.events)


def check_usage(event: Any) -> None:
    """Totals are the sums of their details (CONTRACT 10)."""
    usage = event.get("response", {}).get("usage")
    if usage is None:
        return
    given, made = usage["input_token_details"], usage["output_token_details"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_tokens"] == sum(given[f"{kind}_tokens"] for kind in KINDS)
    assert usage["output_tokens"] == made["text_tokens"] + made["audio_tokens"]
    cached = given["cached_tokens_details"]
    assert given["cached_tokens"] == sum(cached[f"{kind}_tokens"] for kind in KINDS)
    assert given["cached_tokens"] <= usage["input_tokens"]


KINDS = ("text", "audio", "image")


def check_audio_tokens(events: list[Mapping[str, Any]]) -> None:
    """A response's audio tokens are those of the audio that was sent: 1 per 50 ms (CONTRACT 10)."""
    heard_ms: dict[str, float] = {}
    for event in events:
        if event.get("type") == "response.output_audio.delta":
            owner = event["response_id"]
            heard_ms[owner] = heard_ms.get(owner, 0) + audio_ms(event["delta"])
        elif event.get("type") == "response.done":
            shown = event["response"]
            told = shown["usage"]["output_token_details"]["audio_tokens"]
            assert told == math.ceil(heard_ms.get(shown["id"], 0) / 50)


@pytest.mark.parametrize("trace", ALL, ids=lambda trace: trace.name)
def test_header_names_its_source_and_review(trace: Trace) -> None:
    """A trace is golden only with its provenance and a line-by-line review in its header."""
    assert [key for key in HEADER_KEYS if key not in trace.header] == []
    assert trace.header["trace"] == trace.name
    assert trace.header["provenance"] == "written from the contract"
    assert trace.header["reviewed"]


class Replay:
    """A stage that sends what it is given, whatever happens."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self._events = deque(events)

    def send(self, line: Mapping[str, Any]) -> None:
        """Take no notice."""

    act = send

    def asked(self) -> None:
        """Nothing was asked."""

    def take(self) -> Mapping[str, Any] | None:
        """Return the next event."""
        return self._events.popleft() if self._events else None

    unasked = take


def ident(kind: str, number: int) -> str:
    return f"{kind}_{number:021d}"


def delta(number: int, text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "d", "event_id": ident("event", number), "delta": text, **fields}


SMALL = Trace(
    Path("area/small.jsonl"),
    {},
    (
        Line(2, "S>C", {"ev": {"type": "a", "event_id": "<event>", "id": "<item:1>", "n": None}}),
        Line(3, "S>C", {"deltas": [{"type": "d", "event_id": "<event>", "delta": "Hello."}]}),
        Line(4, "S>C", {"ev": {"type": "b", "id": "<item:1>", "other": "<item:2>", "x": 1.0}}),
        Line(5, "S>C", {"close": [1001, "<...>over."]}),
    ),
)
FIRST = {"type": "a", "event_id": ident("event", 1), "id": ident("item", 1), "n": None}
LAST = {"type": "b", "id": ident("item", 1), "other": ident("item", 2), "x": 1.0}
GOOD: list[dict[str, Any]] = [
    FIRST,
    delta(2, "He"),
    delta(3, "llo."),
    LAST,
    {"close": [1001, "It is over."]},
]


def test_player_accepts_what_fits() -> None:
    """Deltas may be cut anywhere, and a name takes the value it meets first."""
    assert not play(SMALL, Replay(GOOD))


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([{**FIRST, "n": 0}, *GOOD[1:]], id="a null that is none"),
        pytest.param([dict(sorted(FIRST.items())), *GOOD[1:]], id="another key order"),
        pytest.param([{**FIRST, "more": 1}, *GOOD[1:]], id="a key too many"),
        pytest.param([{**FIRST, "id": "item_1"}, *GOOD[1:]], id="an id of another form"),
        pytest.param([FIRST, delta(1, "Hello."), *GOOD[3:]], id="an event id used twice"),
        pytest.param([FIRST, delta(2, "Hello!"), *GOOD[3:]], id="another text"),
        pytest.param([FIRST, delta(2, "Hello.", obfuscation="x"), *GOOD[3:]], id="a delta's keys"),
        pytest.param([FIRST, *GOOD[3:]], id="no delta"),
        pytest.param([*GOOD[:3], {**LAST, "id": ident("item", 3)}, GOOD[4]], id="another item"),
        pytest.param([*GOOD[:3], {**LAST, "other": LAST["id"]}, GOOD[4]], id="the same item"),
        pytest.param([*GOOD[:3], {**LAST, "x": 1}, GOOD[4]], id="an integer for a decimal"),
        pytest.param([*GOOD[:3], GOOD[4]], id="a missing event"),
        pytest.param([LAST, *GOOD], id="an event too early"),
        pytest.param([*GOOD, LAST], id="an event too many"),
        pytest.param(GOOD[:4], id="no close"),
        pytest.param([*GOOD[:4], {"close": [1000, "It is over."]}], id="another close code"),
    ],
)
def test_player_tells_what_does_not_fit(events: list[dict[str, Any]]) -> None:
    """Each way in which a server can be wrong is found."""
    assert play(SMALL, Replay(events))
