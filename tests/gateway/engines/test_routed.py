"""Which brain answers: by declared rules, and by health."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from conformance.contracts.brain import WEATHER, Answer, opened
from gateway.engines.builtin import BuiltinBrain
from gateway.engines.engine import Engine
from gateway.engines.fallback import REST_S, FallbackBrain, Health
from gateway.engines.routed import RoutedBrain, Way, meets
from gateway.sessions.audio import OutputAudio
from gateway.sessions.speaking import Speaking
from gateway.settings.models import Route
from realtime.engine import (
    BrainFailed,
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainSpent,
    BrainText,
    BrainUsage,
    ContextImage,
    ContextItem,
    EngineFault,
    SessionFacts,
    ToolRoute,
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
    told = {"response_id": "resp_1", "instructions": "", **more}
    return BrainRequest(items=items or (message(),), **told)


OURS = replace(WEATHER, name="price", route=ToolRoute(executor="gateway"))
SERVERS = replace(WEATHER, name="search", route=ToolRoute(executor="mcp"))
PICTURE = message(images=(ContextImage("data:image/png;base64,AA=="),))


@pytest.mark.parametrize(
    ("route", "met", "missed"),
    [
        ({"words": 3}, request(), request(message("one two"))),
        ({"items": 2}, request(message(), message()), request()),
        ({"tools": True}, request(tools=(WEATHER,)), request(tools=(OURS, SERVERS))),
        ({"tools": False}, request(tools=(OURS,)), request(tools=(WEATHER,))),
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
        saying("usual"),
        [Way(Route(to="a", words=9), saying("a")), Way(Route(to="b", words=2), saying("b"))],
    )
    session = opened(brain)
    for text, who in (("hello", "usual"), ("hello you", "b"), ("x " * 9, "a")):
        answer = Answer(session, request(message(text), response_id=f"resp_{who}"))
        await answer.whole()
        assert answer.text.startswith(who)
    session.close()


class Early(Scripted):
    """A brain that works before the commit; `early` is what has become of it by then."""

    speculations = 1

    def __init__(self, *script: BrainText | EngineFault, early: EngineFault | None = None) -> None:
        super().__init__(*script)
        self.early = early

    def spent(self) -> BrainSpent:
        """What was read so far, or why nothing will come."""
        return BrainSpent(BrainUsage(input_text_tokens=7), "", self.early)


def test_route_is_chosen_for_the_very_request_that_is_prepared() -> None:
    """A preparation that nobody wanted binds nothing; what was wanted holds for its response."""
    usual, other = Early(BrainText("resp_1", "usual")), Early(BrainText("resp_1", "other"))
    brain = RoutedBrain(usual, [Way(Route(to="other", items=2), other)])
    session, reports = opened(brain), list[BrainReport]()
    session.prepare(request(), reports.append).cancel()
    assert reports == []
    session.prepare(request(message(), message()), reports.append).commit()
    session.prepare(request(), reports.append).commit()
    assert [r.text for r in reports if isinstance(r, BrainText)] == ["other", "other"]
    assert (len(usual.asked), len(other.asked)) == (1, 2)


def test_brains_of_a_group_are_asked_early_if_they_speculate_and_else_at_the_commit() -> None:
    """The route decides which of them is prepared, and whether that costs anything yet."""
    usual, early = Scripted(BrainText("resp_1", "usual")), Early(BrainText("resp_1", "early"))
    brain = RoutedBrain(usual, [Way(Route(to="early", words=3), early)])
    assert brain.speculations == 1
    session, reports = opened(brain), list[BrainReport]()
    routed = session.prepare(request(response_id="resp_2"), reports.append)
    assert len(early.asked) == 1
    assert routed.spent() == BrainSpent(BrainUsage(input_text_tokens=7))  # type: ignore[attr-defined]
    late = session.prepare(request(message("hi"), response_id="resp_3"), reports.append)
    assert usual.asked == []
    assert late.spent() is None  # type: ignore[attr-defined]
    late.commit()
    assert len(usual.asked) == 1


@pytest.mark.parametrize("ill", [None, AWAY])
def test_what_was_begun_early_and_fell_away_is_given_up(ill: EngineFault | None) -> None:
    """Where the fallback answers at the commit; behind a route too. It is paid for all the same."""
    early, other = (
        Early(BrainText("resp_1", "early"), early=ill),
        Scripted(BrainText("resp_1", "other")),
    )
    brain = FallbackBrain(early, other, health=Health("early", lambda: 0.0))
    routed = RoutedBrain(Scripted(AWAY), [Way(Route(to="early", items=1), brain)])
    reports: list[BrainReport] = []
    speaking = Speaking(
        Engine(name="e", brain=routed),
        SessionFacts(session_id="s"), OutputAudio(), reports.append,  # type: ignore[arg-type]
    )  # fmt: skip
    assert speaking.speculate(request(message()))
    begun, lost = speaking.commit("resp_1")
    assert begun
    assert lost == (None if ill is None else BrainSpent(BrainUsage(input_text_tokens=7), "", ill))
    said = [report.text for report in reports if isinstance(report, BrainText)]
    assert said == ["early" if ill is None else "other"]


@pytest.mark.parametrize(
    ("features", "asked", "whose"),
    [
        ({"tools", "mcp"}, request(PICTURE), "usual"),
        ({"images"}, request(tools=(WEATHER,)), "usual"),
        ({"tools"}, request(tools=(WEATHER, SERVERS)), "usual"),
        ({"images"}, request(tools=(OURS,), tool_choice="required"), "usual"),
        ({"images"}, request(PICTURE, tools=(OURS,)), "other"),
        ({"tools"}, request(tools=(WEATHER, OURS)), "other"),
    ],
)
def test_model_is_asked_only_what_it_takes(
    features: set[str], asked: BrainRequest, whose: str
) -> None:
    """A route or a fallback whose features do not reach is none, and tools of ours are left out."""
    usual, other = Scripted(AWAY), Scripted(BrainText("resp_1", "other"))
    routed = RoutedBrain(usual, [Way(Route(to="other", words=1), other, features)])
    with_fallback = FallbackBrain(usual, other, features=features)
    for brain in (routed, with_fallback):
        reports: list[BrainReport] = []
        opened(brain).prepare(asked, reports.append).commit()
        told = reports[0]
        lost, given = BrainFailed("resp_1", AWAY), BrainText("resp_1", "other")
        assert told == (lost if whose == "usual" else given)
    if whose == "other":
        kept = tuple(t for t in asked.tools if "tools" in features)
        assert [r.tools for r in other.asked] == [kept, kept]


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


def test_answer_prepared_by_a_brain_that_fell_ill_is_the_fallbacks() -> None:
    """Whether it failed by itself or for another session: nobody waits for it."""
    for early, ill in ((AWAY, False), (None, True)):
        first, second = (
            Early(BrainText("resp_1", "first"), early=early),
            Early(BrainText("resp_1", "second")),
        )
        health = Health("first", lambda: 100.0)
        brain = FallbackBrain(first, second, health=health)
        reports: list[BrainReport] = []
        run = opened(brain).prepare(request(), reports.append)
        assert (len(first.asked), len(second.asked)) == (1, 0)
        if ill:
            health.failed(AWAY.code)
        run.commit()
        assert reports[0] == BrainText("resp_1", "second")
        assert first.cancelled == 1
        assert not health.good


def test_unhealthy_brain_s_fallback_is_asked_early_itself() -> None:
    """What is prepared while the first rests is used even if that recovers meanwhile."""
    now_s = 100.0
    first, second = Early(BrainText("resp_1", "first")), Early(BrainText("resp_1", "second"))
    health = Health("first", lambda: now_s)
    brain = FallbackBrain(first, second, health=health)
    health.failed(AWAY.code)
    reports: list[BrainReport] = []
    run = opened(brain).prepare(request(), reports.append)
    assert (len(first.asked), len(second.asked)) == (0, 1)
    now_s += REST_S
    run.commit()
    assert reports[0] == BrainText("resp_1", "second")


def test_fault_of_the_prepared_request_is_asked_again_where_it_tells_nothing_of_health() -> None:
    """The brain that was chosen judges it once somebody waits."""
    first = Early(BrainText("resp_1", "first"), early=ODD)
    reports: list[BrainReport] = []
    health = Health("first", lambda: 100.0)
    opened(FallbackBrain(first, Scripted(AWAY), health=health)).prepare(
        request(), reports.append
    ).commit()
    assert reports[0] == BrainText("resp_1", "first")
    assert health.good
