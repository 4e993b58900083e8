"""The list of scenarios, what comes of one, and what they compare with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import websockets

from conformance.wire.endpoint import Broken, Endpoint, Event, Frame, NotRun, Wire

State: TypeAlias = Literal["pass", "fail", "not run"]
Body: TypeAlias = Callable[[Wire], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A conversation, and the rule it is about (`section` of the contract)."""

    name: str
    section: str
    body: Body
    needs_speech: bool
    slow: bool = False
    """It waits for seconds."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a rule."""

    suite: str
    rule: str
    state: State
    reason: str = ""


SCENARIOS: list[Scenario] = []


def scenario(
    name: str, section: str, *, needs_speech: bool = False, slow: bool = False
) -> Callable[[Body], Body]:
    """Add a conversation to the list."""

    def add(body: Body) -> Body:
        SCENARIOS.append(Scenario(name, section, body, needs_speech, slow))
        return body

    return add


async def play(chosen: Scenario, endpoint: Endpoint) -> tuple[Outcome, list[Frame]]:
    """Run a scenario; return what came of it and every frame."""
    wire = Wire(endpoint, chosen.name)
    state: State = "fail"
    try:
        await chosen.body(wire)
    except NotRun as left_out:
        state, reason = "not run", str(left_out)
    except Broken as broken:
        reason = str(broken)
    except (OSError, TimeoutError, websockets.WebSocketException) as lost:
        reason = f"the connection was lost: {type(lost).__name__} {lost}"
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as unreadable:
        # A foreign server may send any shape; what cannot be read is its fault.
        reason = f"an event cannot be read: {type(unreadable).__name__} {unreadable}"
    else:
        state, reason = "pass", ""
    return Outcome("wire", f"{chosen.name} ({chosen.section})", state, reason), wire.frames


def expect(holds: object, reason: str) -> None:
    """Fail the scenario unless it holds."""
    if not holds:
        raise Broken(reason)


def expect_order(events: Iterable[Event], wanted: list[str]) -> None:
    """Compare the order of events, without deltas and what may come at any time."""
    found = [event["type"] for event in events if not _any_time(event["type"])]
    expect(found == wanted, f"order is {found}, expected {wanted}")


def _any_time(kind: str) -> bool:
    return kind.endswith(".delta") or ".input_audio_transcription." in kind


def expect_same(found: Any, wanted: Any, what: str) -> None:
    """Compare a value."""
    expect(found == wanted, f"{what} is {found!r}, expected {wanted!r}")


def deltas(events: Iterable[Event], kind: str) -> list[str]:
    """Return the deltas of a kind, such as `output_audio`."""
    return [event["delta"] for event in events if event["type"] == f"response.{kind}.delta"]
