"""Turns from messages alone."""

from __future__ import annotations

from typing import Any

import pytest

from ovos_bridge.messages import BusMessage
from ovos_bridge.turns import Outcome, Over, Say, Turn
from tests.ovos_bridge import fake_hub as orders
from tests.ovos_bridge.fake_hub import Step


def message(step: Step, ident: str = "own") -> BusMessage:
    """Return a step as it comes from the bus."""
    kind, data = step
    return BusMessage(kind, data, {"session": {"session_id": "s"}, "ident": ident})


def outcomes(turn: Turn, order: tuple[Step, ...], ident: str = "own") -> list[Outcome]:
    """Feed an order; return everything it meant."""
    return [outcome for step in order for outcome in turn.take(message(step, ident))]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (orders.MATCH, [Say("It is noon.", asks=False), Over()]),
        (orders.FALLBACK, [Say("I do not know.", asks=False), Over()]),
        (orders.NO_MATCH, [Over(matched=False)]),
        (orders.ERROR, [Say("An error occurred.", asks=False), Over()]),
        (orders.SILENT, [Over()]),
        (orders.CANCELLED, [Over()]),
        (orders.ASK, [Say("Which one?", asks=True), Over(asks=True)]),
        (orders.STOP, []),
    ],
)
def test_turn_of_a_recorded_order_ends_as_recorded(
    order: tuple[Step, ...], expected: list[Outcome]
) -> None:
    """Each recorded order of messages has its words and its end."""
    assert outcomes(Turn("own"), order) == expected


def test_turn_that_is_over_takes_nothing_more() -> None:
    """What comes after the end belongs to nobody."""
    turn = Turn("own")
    outcomes(turn, orders.MATCH)
    assert outcomes(turn, orders.SEVERAL) == []


def test_turn_ignores_the_words_of_another() -> None:
    """A late word of an earlier, cancelled turn is not taken."""
    assert outcomes(Turn("own"), orders.MATCH, ident="earlier") == []


def test_reply_takes_what_the_question_s_turn_says() -> None:
    """A skill goes on under the ident of the turn in which it asked."""
    turn = Turn("second", asked_by="first")
    assert outcomes(turn, orders.REPLY_OF_SECOND, ident="second") == []
    assert outcomes(turn, orders.REPLY_OF_FIRST, ident="first") == [
        Say("That one, then.", asks=False),
        Over(),
    ]


def test_unmarked_message_of_the_session_belongs_to_the_turn() -> None:
    """A skill that lost the context still speaks in its session."""
    assert outcomes(Turn("own"), (orders.speak("hm"),), ident="") == [Say("hm", asks=False)]


def test_listening_skill_ends_the_turn() -> None:
    """A skill that listens without a word gives the turn to the caller."""
    listen: Step = ("mycroft.mic.listen", {})
    assert outcomes(Turn("own"), (listen,)) == [Over(asks=True)]


@pytest.mark.parametrize("text", ["", "   ", None, 5])
def test_speak_without_words_says_nothing(text: Any) -> None:
    """An empty or malformed `speak` is no part of the answer."""
    assert outcomes(Turn("own"), (("speak", {"utterance": text}),)) == []


def test_stop_settles_and_a_new_handler_unsettles() -> None:
    """Quiet ends a turn after a stop, but not while a handler works."""
    turn = Turn("own")
    outcomes(turn, orders.STOP)
    assert turn.settling
    outcomes(turn, (orders.START,))
    assert not turn.settling
    outcomes(turn, (orders.COMPLETE,))
    assert turn.settling
