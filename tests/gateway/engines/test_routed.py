"""Which brain answers: by declared rules, and by health."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.contracts.brain import WEATHER, Answer, opened
from gateway.engines.builtin import BuiltinBrain
from gateway.engines.fallback import REST_S, FallbackBrain, Health
from gateway.engines.routed import RoutedBrain, meets
from gateway.settings.models import Route
from realtime.engine import (
    BrainFailed,
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainText,
    ContextImage,
    ContextItem,
    EngineFault,
)
from realtime.ports import Brain
from tests.gateway.engines.test_fallback import Scripted

AWAY = EngineFault("model_unavailable", "The model cannot be reached.")
ODD = EngineFault("model_refused_request", "The model does not take this request.")


def message(text: str = "one two three", **more: Any) -> ContextItem:
    """Return a message of the user."""
    return ContextItem(item_id="i", kind="message", role="user", text=text, **more)


def request(*items: ContextItem, **more: Any) -> BrainRequest:
    """Return a request."""
    return BrainRequest(response_id="resp_1", items=items or (message(),), instructions="", **more)


PICTURE = message(images=(ContextImage("data:image/png;base64,AA=="),))


@pytest.mark.parametrize(
    ("route", "met", "missed"),
    [
        ({"words": 3}, request(), request(message("one two"))),
        ({"items": 2}, request(message(), message()), request()),
        ({"tools": True}, request(tools=(WEATHER,)), request()),
        ({"tools": False}, request(), request(tools=(WEATHER,))),
        ({"images": True}, request(PICTURE, message()), request()),
        ({"images": False}, request(), request(PICTURE, message())),
        ({"words": 3, "tools": True}, request(tools=(WEATHER,)), request()),
    ],
)
def test_route_is_met_by_every_condition_it_states(
    route: dict[str, Any], met: BrainRequest, missed: BrainRequest
) -> None:
    """Conditions that are not stated do not count."""
    declared = Route(to="x", **route)
    assert meets(declared, met)
    assert not meets(declared, missed)


async def test_first_route_that_is_met_answers() -> None:
    """Order decides between routes; without any the usual brain answers."""

    def saying(text: str) -> Brain:
        return BuiltinBrain(lambda: text)

    brain = RoutedBrain(
        saying("usual"), [(Route(to="a", words=9), saying("a")), (Route(to="b", words=2), saying("b"))]
    )  # fmt: skip
    session = opened(brain)
    for text, who in (("hello", "usual"), ("hello you", "b"), ("x " * 9, "a")):
        answer = Answer(session, request(message(text)))
        await answer.whole()
        assert answer.text.startswith(who)
    session.close()


class Times:
    """A first brain and its fallback, asked again and again, and a clock."""

    def __init__(self, *script: BrainText | EngineFault) -> None:
        self.first, self.second = Scripted(*script), Scripted(BrainText("resp_1", "second"))
        self.now_s = 100.0
        health = Health("first", lambda: self.now_s)
        self.brain = FallbackBrain(self.first, self.second, health=health)

    def ask(self) -> list[BrainReport]:
        """Ask in a session of its own; return the reports."""
        reports: list[BrainReport] = []
        session = opened(self.brain)
        session.prepare(request(), reports.append).commit()
        session.close()
        return reports


def test_brain_that_failed_rests_and_is_tried_again() -> None:
    """Callers do not wait for a dead endpoint at every turn, and return when it is back."""
    times = Times(AWAY)
    for _ in range(3):
        assert times.ask() == [BrainText("resp_1", "second"), BrainFinished("resp_1")]
    assert len(times.first.asked) == 1
    times.now_s += REST_S
    times.first.script = (BrainText("resp_1", "first"),)
    assert times.ask()[0] == BrainText("resp_1", "first")
    times.ask()
    assert len(times.first.asked) == 3


def test_response_that_has_begun_fails_and_the_next_is_the_fallbacks() -> None:
    """Never within a response; between turns."""
    times = Times(BrainText("resp_1", "Well"), AWAY)
    assert times.ask() == [BrainText("resp_1", "Well"), BrainFailed("resp_1", AWAY)]
    assert times.ask()[0] == BrainText("resp_1", "second")


def test_fault_of_the_request_is_told_and_says_nothing_of_health() -> None:
    """What one caller asked badly takes the model from nobody."""
    times = Times(ODD)
    assert times.ask() == [BrainFailed("resp_1", ODD)]
    times.ask()
    assert len(times.first.asked) == 2
    assert times.second.asked == []
