"""Scripted tools: imports and calls that end at any time, in any way, or never."""

from __future__ import annotations

from collections.abc import Callable

from realtime.engine import ToolCall
from realtime.events.mcp_items import McpExecutionError, McpListedTool
from realtime.session.effects import ImportTools
from realtime.session.inputs import (
    Input,
    ToolProgressed,
    ToolReturned,
    ToolsImported,
    ToolsNotImported,
)
from tests.fuzz.engine import Script

LISTED = tuple(
    McpListedTool(name=name, description=None, input_schema={}, annotations=None)
    for name in ("search", "re.set", "search")
)
FAILED = McpExecutionError(message="The tool failed.")


class ScriptedTools:
    """In place of a session's tools."""

    def __init__(self, script: Script, post: Callable[[Input], None]) -> None:
        self._script = script
        self._post = post
        self._closed = False

    def _report(self, report: Input) -> None:
        if not self._closed:
            self._post(report)

    def _later(self, report: Input) -> None:
        self._script.later(lambda: self._report(report))

    def import_tools(self, effect: ImportTools) -> None:
        """Import some tools, or none, now and then twice."""
        if self._script.happens(0.2):
            self._later(ToolsNotImported(effect.item_id))
        if not self._script.happens(0.1):
            self._later(ToolsImported(effect.item_id, LISTED))

    def call(self, call: ToolCall) -> None:
        """End a call of the gateway's, or let it hang."""
        if call.route.executor in {"mcp", "gateway"}:
            self._end(call)

    def check(self, call: ToolCall) -> None:
        """Take an action, refuse it, or let it wait."""
        self._end(call)

    def _end(self, call: ToolCall) -> None:
        if self._script.happens(0.3):
            self._later(ToolProgressed(call.response_id, call.call_id))
        if self._script.happens(0.3):
            self._later(ToolReturned(call.response_id, call.call_id, None, FAILED))
        if not self._script.happens(0.1):
            self._later(ToolReturned(call.response_id, call.call_id, self._script.words()))

    def cancel(self, response_id: str, call_id: str, *, late: bool = False) -> None:
        """What was begun comes all the same; the machine must ignore it."""

    def cancel_import(self, item_id: str) -> None:
        """See `cancel`."""

    def close(self) -> None:
        """Report no more."""
        self._closed = True
