"""OVOS skills as a tool of a chat model: words in, what the skills say out.

The model decides which of its user's wishes a skill is good for. A skill that wants
to say something later (a timer rings) says it by itself, as it would without a model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.settings.tools import SKILLS_TOOL
from gateway.tools.ports import Kind
from realtime.engine import (
    BrainFailed,
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainText,
    ContextItem,
    FunctionSpec,
    SessionFacts,
    ToolCall,
    ToolRoute,
    Volunteered,
)
from realtime.events.mcp_items import McpError, McpExecutionError
from realtime.ports import Brain, BrainSession

NAME = SKILLS_TOOL
DESCRIPTION = (
    "Ask the assistant on the user's own device, which can tell the time and the date, set timers "
    "and alarms, and control what is installed there. Give it one plain request in the user's "
    "language, such as 'set a timer for ten minutes'; it returns what it says."
)
PARAMETERS = {
    "type": "object",
    "properties": {"utterance": {"type": "string", "description": "The request in plain words."}},
    "required": ["utterance"],
    "additionalProperties": False,
}
MOST_CHARS = 500
"""Of a request; skills understand sentences, not pages."""

NO_WORDS = McpExecutionError(message="The argument `utterance` must be a short text.")
OVER = McpExecutionError(message="The session is over.")
SILENT = "The skills had nothing to say."


class SkillsTool:
    """One for all sessions; each is known from `enter` to `leave`."""

    kind: Kind = "skill"

    def __init__(self, brain: Brain, *, timeout_s: float) -> None:
        """`timeout_s` bounds one request."""
        self._brain = brain
        self._timeout_s = timeout_s
        self._facts: dict[str, tuple[SessionFacts, Callable[[Volunteered], None]]] = {}
        self._sessions: dict[str, BrainSession] = {}
        """Of those that asked something; skills remember what was said before."""

    def enter(self, facts: SessionFacts, volunteer: Callable[[Volunteered], None]) -> None:
        """A session begins; `volunteer` gets what skills say later."""
        self._facts[facts.session_id] = (facts, volunteer)

    def leave(self, session_id: str) -> None:
        """A session is over."""
        self._facts.pop(session_id, None)
        session = self._sessions.pop(session_id, None)
        if session is not None:
            session.close()

    def function(self) -> FunctionSpec:
        """Return the tool as a model sees it; its user sees nothing of it."""
        deadline_ms = int(self._timeout_s * 1000)
        route = ToolRoute(
            executor="gateway", shown_as="nothing", deadline_ms=deadline_ms, tool_name=NAME
        )
        return FunctionSpec(name=NAME, description=DESCRIPTION, parameters=PARAMETERS, route=route)

    def offered_to(self, *, project_id: str, model: str) -> bool:
        """Every session has it whose model asks for it (`Tools.offered`)."""
        del project_id, model
        return True

    async def call(
        self, call: ToolCall, arguments: dict[str, Any], *, session_id: str
    ) -> str | McpError:
        """Return what the skills say; cancelled, they are asked no more."""
        words = arguments.get("utterance")
        if not isinstance(words, str) or not words.strip() or len(words) > MOST_CHARS:
            return NO_WORDS
        session = self._session(session_id)
        if session is None:
            return OVER
        asked = ContextItem(item_id=call.item_id, kind="message", role="user", text=words.strip())
        request = BrainRequest(response_id=call.call_id, items=(asked,), instructions="")
        return await _answer(session, request)

    def _session(self, session_id: str) -> BrainSession | None:
        if session_id not in self._sessions and session_id in self._facts:
            facts, volunteer = self._facts[session_id]
            self._sessions[session_id] = self._brain.open(facts, volunteer=volunteer)
        return self._sessions.get(session_id)

    async def close(self) -> None:
        """Forget every session."""
        for session_id in tuple(self._facts):
            self.leave(session_id)


async def _answer(session: BrainSession, request: BrainRequest) -> str | McpError:
    ended: asyncio.Future[BrainFinished | BrainFailed] = asyncio.Future()
    said: list[str] = []

    def told(report: BrainReport) -> None:
        if isinstance(report, BrainText):
            said.append(report.text)
        elif isinstance(report, BrainFinished | BrainFailed) and not ended.done():
            ended.set_result(report)

    run = session.prepare(request, told)
    run.commit()
    try:
        end = await ended
    finally:
        run.cancel()
    if isinstance(end, BrainFailed):
        return McpExecutionError(message=end.fault.message)
    return "".join(said).strip() or SILENT
