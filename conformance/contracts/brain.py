"""The contract of `realtime.ports.Brain`; every brain runs it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

from jsonschema import Draft202012Validator

from realtime.engine import (
    BrainCallArguments,
    BrainCallFinished,
    BrainCallStarted,
    BrainFailed,
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainText,
    ContextItem,
    FunctionSpec,
    SessionFacts,
    Volunteered,
)
from realtime.ports import Brain, BrainRun, BrainSession

ANSWER_TIMEOUT_S = 20.0
QUIET_S = 0.3
"""Time in which a run that may not report gets its chance to break the rule."""

WEATHER = FunctionSpec(
    name="weather",
    parameters={
        "type": "object",
        "properties": {
            "place": {"type": "string"},
            "days": {"type": "integer", "minimum": 2},
            "unit": {"enum": ["celsius", "fahrenheit"]},
        },
        "required": ["place", "days", "unit"],
        "additionalProperties": False,
    },
)


class Answer:
    """What one run reported."""

    def __init__(self, session: BrainSession, request: BrainRequest) -> None:
        """Prepare the run."""
        self.reports: list[BrainReport] = []
        self.ended = asyncio.Event()
        self.run: BrainRun = session.prepare(request, self._take)

    def _take(self, report: BrainReport) -> None:
        self.reports.append(report)
        if isinstance(report, BrainFinished | BrainFailed):
            self.ended.set()

    async def whole(self) -> list[BrainReport]:
        """Commit and wait for the end."""
        self.run.commit()
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await self.ended.wait()
        return self.reports

    @property
    def text(self) -> str:
        """Everything said."""
        return "".join(r.text for r in self.reports if isinstance(r, BrainText))


def asked(question: str, *, response_id: str = "resp_1", **more: Any) -> BrainRequest:
    """Return a request whose last user message is `question`."""
    message = ContextItem(item_id="item_1", kind="message", role="user", text=question)
    items = (message, *more.pop("after", ()))
    return BrainRequest(response_id=response_id, items=items, instructions="", **more)


def opened(
    brain: Brain,
    name: str = "sess_contract",
    volunteer: Callable[[Volunteered], None] | None = None,
) -> BrainSession:
    """Open a session."""
    return brain.open(SessionFacts(session_id=name), volunteer=volunteer)


async def check_brain(brain: Brain, question: str) -> None:
    """Raise AssertionError where a brain breaks the contract; `question` is one it can answer."""
    rules: tuple[Callable[[Brain, str], Coroutine[Any, Any, None]], ...] = (
        answer_ends_once_and_last,
        nothing_happens_before_commit,
        cancelled_run_is_silent,
        abandoned_run_leaves_the_session_usable,
        forced_call_satisfies_its_schema,
        choice_none_never_calls,
        function_output_is_answered_in_words,
        empty_question_is_answered,
        aside_is_answered,
        closed_session_is_silent,
        nothing_is_volunteered_for_an_answer,
    )
    for rule in rules:
        await rule(brain, question)


async def check_failing_brain(brain: Brain, question: str, code: str) -> None:
    """Raise AssertionError where a brain that cannot answer breaks the contract.

    Its failure is `code`, told once and in time, in words that hold nothing internal, and
    costs no more than the answer.
    """
    session = opened(brain)
    for response_id in ("resp_first", "resp_again"):
        answer = Answer(session, asked(question, response_id=response_id))
        await asyncio.sleep(QUIET_S)
        assert answer.reports == [], "failed before commit"
        reports = await answer.whole()
        await asyncio.sleep(QUIET_S)
        assert {report.response_id for report in reports} == {response_id}
        ends = [r for r in reports if isinstance(r, BrainFinished | BrainFailed)]
        assert ends == [reports[-1]]
        end = reports[-1]
        assert isinstance(end, BrainFailed), end
        assert end.fault.code == code
        assert re.fullmatch(r"[a-z][a-z0-9_]*", end.fault.code)
        assert re.fullmatch(r"[A-Z][^/\\{}<>]*\.", end.fault.message), end.fault.message
    given_up = Answer(session, asked(question, response_id="resp_given_up"))
    given_up.run.commit()
    given_up.run.cancel()
    before = list(given_up.reports)
    await asyncio.sleep(QUIET_S)
    assert given_up.reports == before
    session.close()


async def answer_ends_once_and_last(brain: Brain, question: str) -> None:
    """An answer has text, one end, nothing after it, and names its response throughout."""
    session = opened(brain)
    answer = Answer(session, asked(question, response_id="resp_named"))
    reports = await answer.whole()
    await asyncio.sleep(QUIET_S)
    assert answer.text.strip(), reports
    assert {report.response_id for report in reports} == {"resp_named"}
    ends = [r for r in reports if isinstance(r, BrainFinished | BrainFailed)]
    assert ends == [reports[-1]]
    assert isinstance(reports[-1], BrainFinished), reports[-1]
    usage = reports[-1].usage
    if usage is not None:
        assert 0 <= usage.cached_text_tokens <= usage.input_text_tokens
        assert usage.output_text_tokens > 0
    session.close()


async def nothing_happens_before_commit(brain: Brain, question: str) -> None:
    """A prepared run reports nothing until it is committed, and never from inside a call."""
    session = opened(brain)
    answer = Answer(session, asked(question))
    await asyncio.sleep(QUIET_S)
    assert answer.reports == []
    answer.run.commit()
    assert answer.reports == []
    await asyncio.wait_for(answer.ended.wait(), ANSWER_TIMEOUT_S)
    session.close()


async def cancelled_run_is_silent(brain: Brain, question: str) -> None:
    """Nothing is reported after `cancel`, which may be repeated."""
    session = opened(brain)
    answer = Answer(session, asked(question))
    answer.run.commit()
    answer.run.cancel()
    answer.run.cancel()
    before = list(answer.reports)
    await asyncio.sleep(QUIET_S)
    assert answer.reports == before
    session.close()


async def abandoned_run_leaves_the_session_usable(brain: Brain, question: str) -> None:
    """A speculation that is thrown away does not disturb the next answer."""
    session = opened(brain)
    void = Answer(session, asked(question, response_id="resp_void"))
    void.run.cancel()
    answer = Answer(session, asked(question, response_id="resp_next"))
    assert isinstance((await answer.whole())[-1], BrainFinished)
    assert void.reports == []
    session.close()


async def forced_call_satisfies_its_schema(brain: Brain, question: str) -> None:
    """`required` and `function:<name>` are obeyed by one call with valid arguments."""
    session = opened(brain)
    for choice in ("required", "function:weather"):
        request = asked(question, tools=(WEATHER,), tool_choice=choice)
        reports = await Answer(session, request).whole()
        started = [r for r in reports if isinstance(r, BrainCallStarted)]
        finished = [r for r in reports if isinstance(r, BrainCallFinished)]
        text = "".join(r.delta for r in reports if isinstance(r, BrainCallArguments))
        assert [r.name for r in started] == ["weather"]
        assert [r.call_id for r in finished] == [r.call_id for r in started]
        Draft202012Validator(WEATHER.parameters).validate(json.loads(text))
    session.close()


async def choice_none_never_calls(brain: Brain, question: str) -> None:
    """`none` makes no call though there are tools."""
    session = opened(brain)
    request = asked(question, tools=(WEATHER,), tool_choice="none")
    reports = await Answer(session, request).whole()
    assert not any(isinstance(r, BrainCallStarted) for r in reports)
    session.close()


async def function_output_is_answered_in_words(brain: Brain, question: str) -> None:
    """After a function's output the answer is words, and no further call."""
    session = opened(brain)
    output = ContextItem(
        item_id="item_3", kind="function_call_output", call_id="call_1", text='{"degrees": 21}'
    )
    request = asked(question, tools=(WEATHER,), tool_choice="required", after=(output,))
    answer = Answer(session, request)
    reports = await answer.whole()
    assert "21" in answer.text
    assert not any(isinstance(r, BrainCallStarted) for r in reports)
    session.close()


async def empty_question_is_answered(brain: Brain, _question: str) -> None:
    """A response without any words of the user is said to lack them, not failed."""
    session = opened(brain)
    request = BrainRequest(response_id="resp_1", items=(), instructions="")
    answer = Answer(session, request)
    assert isinstance((await answer.whole())[-1], BrainFinished)
    assert answer.text.strip()
    session.close()


async def aside_is_answered(brain: Brain, question: str) -> None:
    """An out-of-band response is answered like any other."""
    session = opened(brain)
    answer = Answer(session, asked(question, in_conversation=False))
    assert isinstance((await answer.whole())[-1], BrainFinished)
    session.close()


async def closed_session_is_silent(brain: Brain, question: str) -> None:
    """Nothing is reported after `close`, which ends what runs."""
    session = opened(brain)
    answer = Answer(session, asked(question))
    answer.run.commit()
    session.playback(playing=True)
    session.close()
    before = list(answer.reports)
    await asyncio.sleep(QUIET_S)
    assert answer.reports == before


async def nothing_is_volunteered_for_an_answer(brain: Brain, question: str) -> None:
    """What was asked is answered by the run alone, also when the caller cuts it off."""
    unasked: list[Volunteered] = []
    session = opened(brain, volunteer=unasked.append)
    await Answer(session, asked(question)).whole()
    cut = Answer(session, asked(question, response_id="resp_2"))
    cut.run.commit()
    await asyncio.sleep(0)
    cut.run.cancel()
    await asyncio.sleep(QUIET_S)
    assert unasked == []
    session.close()
