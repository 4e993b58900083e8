"""Two brains in a row, each doing what its script says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.engines.fallback import FallbackBrain, beyond_skills
from realtime.engine import (
    BrainFailed,
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainText,
    ContextImage,
    ContextItem,
    EngineFault,
    SessionFacts,
)

PASSED = EngineFault("skills_unmatched", "No skill understands that.")
BROKEN = EngineFault("skills_timeout", "The skills did not answer in time.")


class Scripted:
    """A brain, its session and its runs in one: says its script on commit."""

    def __init__(self, *script: BrainText | EngineFault) -> None:
        self.script = script
        self.asked: list[BrainRequest] = []
        self.cancelled = self.closed = 0
        self._sinks: list[Callable[[BrainReport], None]] = []

    def open(self, _facts: SessionFacts, volunteer: Any = None) -> Scripted:
        del volunteer
        return self

    def prepare(self, request: BrainRequest, sink: Callable[[BrainReport], None]) -> Scripted:
        self.asked.append(request)
        self._sinks.append(sink)
        return self

    def commit(self) -> None:
        for step in self.script:
            told = BrainFailed("resp_1", step) if isinstance(step, EngineFault) else step
            self._sinks[-1](told)
        if not isinstance(self.script[-1], EngineFault):
            self._sinks[-1](BrainFinished("resp_1"))

    def cancel(self) -> None:
        self.cancelled += 1

    def playback(self, *, playing: bool) -> None:
        del playing

    def close(self) -> None:
        self.closed += 1


def said(text: str) -> BrainText:
    """Return a piece of an answer."""
    return BrainText("resp_1", text)


def message(role: Any = "user", **more: Any) -> ContextItem:
    """Return a message."""
    return ContextItem(item_id="i", kind="message", role=role, text="hello", **more)


def answer(first: Scripted, second: Scripted, **request: Any) -> list[BrainReport]:
    """Ask both in a row; return what was reported."""
    reports: list[BrainReport] = []
    brain = FallbackBrain(first, second, passing=[PASSED.code], beyond=beyond_skills)
    items = request.pop("items", (message(),))
    asked = BrainRequest(response_id="resp_1", items=items, instructions="", **request)
    session = brain.open(SessionFacts(session_id="s"))
    session.prepare(asked, reports.append).commit()
    session.close()
    assert (first.closed, second.closed) == (1, 1)
    return reports


def test_what_the_first_understands_is_its_own() -> None:
    """The second is not asked."""
    second = Scripted(said("no"))
    assert answer(Scripted(said("yes")), second) == [said("yes"), BrainFinished("resp_1")]
    assert second.asked == []


def test_what_the_first_does_not_understand_is_the_seconds() -> None:
    """The first's fault is not told."""
    reports = answer(Scripted(PASSED), Scripted(said("yes")))
    assert reports == [said("yes"), BrainFinished("resp_1")]


def test_other_faults_of_the_first_are_told() -> None:
    """What broke is not hidden by another answer."""
    second = Scripted(said("no"))
    assert answer(Scripted(BROKEN), second) == [BrainFailed("resp_1", BROKEN)]
    assert second.asked == []


def test_who_has_begun_to_speak_is_not_replaced() -> None:
    """Two voices in one answer would be worse than a fault."""
    second = Scripted(said("no"))
    reports = answer(Scripted(said("Well"), PASSED), second)
    assert reports == [said("Well"), BrainFailed("resp_1", PASSED)]
    assert second.asked == []


@pytest.mark.parametrize(
    "request_",
    [
        {"items": ()},
        {"items": (message(), ContextItem(item_id="o", kind="function_call_output", text="1"))},
        {"items": (message(images=(ContextImage("data:image/png;base64,AA=="),)),)},
        {"items": (message("assistant"),)},
        {"tool_choice": "required"},
        {"in_conversation": False},
    ],
)
def test_what_only_the_second_can_do_is_not_asked_of_the_first(request_: dict[str, Any]) -> None:
    """Images, outputs, forced calls and responses beside the conversation are the second's."""
    first = Scripted(said("no"))
    assert answer(first, Scripted(said("yes")), **request_)[0] == said("yes")
    assert first.asked == []


def test_cancel_reaches_whoever_is_asked() -> None:
    """After the hand-over it is the second that stops."""
    first, second = Scripted(PASSED), Scripted(said("yes"))
    brain = FallbackBrain(first, second, passing=[PASSED.code], beyond=beyond_skills)
    request = BrainRequest(response_id="resp_1", items=(message(),), instructions="")
    run = brain.open(SessionFacts(session_id="s")).prepare(request, lambda _: None)
    run.commit()
    run.cancel()
    assert (first.cancelled, second.cancelled) == (0, 1)
