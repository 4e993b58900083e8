"""The tool that hands words to skills: what it returns, refuses, and leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.engines.builtin import BuiltinBrain
from gateway.tools.skills import MOST_CHARS, NAME, NO_WORDS, OVER, SkillsTool
from ovos_bridge.brain import SkillsBrain
from realtime.engine import BrainReport, BrainRequest, SessionFacts, ToolCall, Volunteered
from realtime.events.mcp_items import McpExecutionError
from realtime.ports import Brain, BrainRun, BrainSession

SESSION = "sess_1"


def call_of(tool: SkillsTool) -> ToolCall:
    """Return a call of the tool."""
    return ToolCall(
        call_id="call_1", response_id="resp_1", item_id="item_1", name=NAME, arguments="{}",
        route=tool.function().route,
    )  # fmt: skip


def entered(brain: Brain) -> SkillsTool:
    """Return the tool with one session."""
    tool = SkillsTool(brain, timeout_s=5.0)
    tool.enter(SessionFacts(session_id=SESSION), lambda _: None)
    return tool


async def asked(tool: SkillsTool, session_id: str = SESSION, **arguments: Any) -> object:
    """Call the tool."""
    async with asyncio.timeout(30):
        return await tool.call(call_of(tool), arguments, session_id=session_id)


async def test_skills_tool_returns_what_is_said() -> None:
    """The model reads the words that a caller would hear."""
    tool = entered(BuiltinBrain(lambda: "Nothing is missing."))
    assert "It is" in str(await asked(tool, utterance="what time is it"))


@pytest.mark.parametrize("words", [None, "", "  ", 7, "x" * (MOST_CHARS + 1)])
async def test_skills_tool_without_proper_words_is_refused(words: object) -> None:
    """What is no short text never reaches a skill."""
    assert await asked(entered(BuiltinBrain(lambda: "")), utterance=words) == NO_WORDS


async def test_skills_tool_fault_of_the_skills_is_an_error() -> None:
    """Skills that are away are told as such, and the model goes on without them."""
    found = await asked(entered(SkillsBrain("ws://127.0.0.1:9/core")), utterance="what time is it")
    assert isinstance(found, McpExecutionError)
    assert "skills" in found.message


async def test_skills_tool_of_a_session_that_is_over_asks_nobody() -> None:
    """After `leave` there is no session to speak for."""
    tool = entered(BuiltinBrain(lambda: ""))
    tool.leave(SESSION)
    assert await asked(tool, utterance="what time is it") == OVER


def test_skills_tool_is_hidden_and_has_a_deadline() -> None:
    """SDKs answer functions they do not know themselves: the client sees nothing (DECISIONS 2.8)."""
    route = SkillsTool(BuiltinBrain(lambda: ""), timeout_s=5.0).function().route
    assert (route.executor, route.shown_as, route.deadline_ms) == ("gateway", "nothing", 5_000)


class SlowBrain:
    """Skills that never answer, one run at a time."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.volunteers: list[Callable[[Volunteered], None] | None] = []

    def open(
        self, _facts: SessionFacts, volunteer: Callable[[Volunteered], None] | None = None
    ) -> BrainSession:
        """Serve a session."""
        self.volunteers.append(volunteer)
        return self

    def prepare(self, _request: BrainRequest, _sink: Callable[[BrainReport], None]) -> BrainRun:
        """Begin an answer."""
        return self

    def commit(self) -> None:
        """Say nothing."""

    def cancel(self) -> None:
        """Count."""
        self.cancelled += 1

    def playback(self, *, playing: bool) -> None:
        """Of no interest."""

    def close(self) -> None:
        """Nothing to close."""


async def test_skills_tool_that_is_cancelled_asks_no_more() -> None:
    """A deadline or a caller who interrupts ends the skills' work too."""
    brain = SlowBrain()
    tool = entered(brain)
    calling = asyncio.create_task(asked(tool, utterance="tell me a story"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert brain.cancelled == 1


async def test_skills_tool_one_session_remembers_its_talk() -> None:
    """All calls of a session are one conversation with the skills, who may speak up later."""
    brain = SlowBrain()
    tool = entered(brain)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await tool.call(call_of(tool), {"utterance": "hello"}, session_id=SESSION)
    assert len(brain.volunteers) == 1
    assert brain.volunteers[0] is not None
