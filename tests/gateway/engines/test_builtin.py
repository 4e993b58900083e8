"""The built-in answerer, and the choice between two brains."""

from __future__ import annotations

from datetime import datetime

from conformance.contracts.brain import Answer, asked, opened
from gateway.engines.builtin import BuiltinBrain
from gateway.engines.switch import SwitchBrain
from realtime.ports import Brain

WARMING = "The skills are still loading."
NOON = datetime(2026, 5, 4, 12, 5)


def builtin(status: str = WARMING) -> BuiltinBrain:
    """Return a built-in answerer at five past twelve."""
    return BuiltinBrain(lambda: status, now=lambda: NOON)


async def said(brain: Brain, question: str) -> str:
    """Ask and return the answer."""
    answer = Answer(opened(brain), asked(question))
    await answer.whole()
    return answer.text


async def test_builtin_answerer_tells_time_and_what_is_missing() -> None:
    """The time is told, and to anything else what is missing as well."""
    assert await said(builtin(), "what time is it") == "It is 12:05 PM."
    assert WARMING in await said(builtin(), "spell banana")


async def test_switch_asks_the_first_only_while_it_is_ready() -> None:
    """The choice is made anew for each response."""
    ready = False
    brain = SwitchBrain(builtin("first"), builtin("second"), ready=lambda: ready)
    assert "second" in await said(brain, "hello")
    ready = True
    assert "first" in await said(brain, "hello")
