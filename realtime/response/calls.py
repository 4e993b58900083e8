"""Calls that the gateway carries out, and calls that wait for the client's word (CONTRACT 8.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from realtime.conversation import call_context
from realtime.engine import ContextItem, ToolCall, ToolRoute
from realtime.events.items import ItemStatus
from realtime.events.mcp_events import (
    McpCallArgumentsDelta,
    McpCallArgumentsDone,
    McpCallCompleted,
    McpCallFailed,
    McpCallInProgress,
)
from realtime.events.mcp_items import (
    McpApprovalRequestItem,
    McpCallItem,
    McpError,
    McpExecutionError,
)
from realtime.session.effects import CallTool, CancelTool, CheckCall
from realtime.session.inputs import ToolProgressed, ToolReturned
from realtime.session.outbox import Outbox

CANCELLED = McpExecutionError(message="The call was cancelled.")


@dataclass(slots=True, kw_only=True)
class ToolOutput:
    """A call that the gateway carries out; a hidden one never reaches the wire."""

    item_id: str
    index: int = 0
    call_id: str
    name: str
    """The brain's word for the tool."""
    route: ToolRoute
    approval_request_id: str | None = None
    opened: bool = False
    waiting_arguments: str = ""
    arguments: str = ""
    ended: bool = False
    started: bool = False
    told: bool = False
    """The client knows that it runs."""
    due_ms: int | None = None
    most_ms: int | None = None
    """No progress moves `due_ms` beyond this."""
    returned: bool = False
    output: str | None = None
    error: McpError | None = None

    @property
    def hidden(self) -> bool:
        """The client sees nothing of it."""
        return self.route.shown_as == "nothing" or self.route.checked

    @property
    def running(self) -> bool:
        """Its executor is at work."""
        return self.started and not self.returned

    @property
    def words(self) -> str:
        """What counts as text tokens."""
        return self.arguments

    @property
    def finished(self) -> bool:
        """Everything there will be is known."""
        return self.returned and not self.waiting_arguments

    def call(self, response_id: str) -> ToolCall:
        """Return the call for its executor; it may begin before its arguments are on the wire."""
        return ToolCall(
            call_id=self.call_id,
            response_id=response_id,
            item_id=self.item_id,
            name=self.route.tool_name or self.name,
            arguments=self.arguments + self.waiting_arguments,
            route=self.route,
            approval_request_id=self.approval_request_id,
        )

    def item(self, status: ItemStatus) -> McpCallItem:
        """Return the item as shown."""
        return McpCallItem(
            id=self.item_id,
            server_label=self.route.server_label,
            name=self.route.tool_name or self.name,
            arguments="" if status == "in_progress" else self.arguments,
            approval_request_id=self.approval_request_id,
            output=self.output,
            error=self.error,
        )

    def context(self) -> tuple[ContextItem, ContextItem]:
        """Return call and result as a brain reads them."""
        call = ContextItem(
            item_id=self.item_id,
            kind="function_call",
            name=self.name,
            call_id=self.call_id,
            text=self.arguments,
        )
        return call_context(call, self.output, self.error)


@dataclass(slots=True, kw_only=True)
class ApprovalOutput:
    """A call that the client must agree to; it is shown when its arguments are whole."""

    item_id: str
    index: int = 0
    call_id: str
    name: str
    route: ToolRoute
    opened: bool = False
    waiting_arguments: str = ""
    ended: bool = False

    @property
    def words(self) -> str:
        """What counts as text tokens."""
        return self.waiting_arguments

    @property
    def finished(self) -> bool:
        """Everything there will be is known."""
        return self.ended

    def call(self, response_id: str) -> ToolCall:
        """Return the call as it will be made."""
        return ToolCall(
            call_id=self.call_id,
            response_id=response_id,
            item_id=self.item_id,
            name=self.name,
            arguments=self.waiting_arguments,
            route=self.route,
            approval_request_id=self.item_id,
        )

    def item(self, _status: ItemStatus) -> McpApprovalRequestItem:
        """Return the item as shown."""
        return McpApprovalRequestItem(
            id=self.item_id,
            server_label=self.route.server_label,
            name=self.route.tool_name or self.name,
            arguments=self.waiting_arguments,
        )


class ToolRunner:
    """Starts, ends and shows the gateway's calls of one response."""

    def __init__(self, response_id: str, outbox: Outbox) -> None:
        self._response_id = response_id
        self._outbox = outbox

    def start(self, outputs: Sequence[object], now_ms: int) -> None:
        """Start the first call and those that follow it at once: they run side by side."""
        for output in outputs:
            if not isinstance(output, ToolOutput) or not output.ended:
                return
            if not output.started:
                output.started = True
                if output.route.deadline_ms is not None:
                    output.due_ms = now_ms + output.route.deadline_ms
                    output.most_ms = now_ms + (output.route.most_ms or output.route.deadline_ms)
                call = output.call(self._response_id)
                self._outbox.do(CheckCall(call) if output.route.checked else CallTool(call))

    def reported(
        self, outputs: Sequence[object], report: ToolReturned | ToolProgressed, now_ms: int
    ) -> None:
        """Take the end of a call, or the word that it goes on."""
        for output in outputs:
            if not isinstance(output, ToolOutput) or not output.running:
                continue
            if output.call_id != report.call_id:
                continue
            if isinstance(report, ToolReturned):
                output.returned = True
                output.output, output.error = report.output, report.error
            elif output.most_ms is not None:
                wait_ms = output.route.deadline_ms or 0
                output.due_ms = min(now_ms + wait_ms, output.most_ms)
            return

    def arguments(self, output: ToolOutput, delta: str) -> None:
        """Send more arguments."""
        output.arguments += delta
        self._outbox.send(
            McpCallArgumentsDelta(
                event_id=self._outbox.event_id(),
                response_id=self._response_id,
                item_id=output.item_id,
                output_index=output.index,
                delta=delta,
                obfuscation=self._outbox.padding(delta),
            )
        )

    def tell(self, output: ToolOutput) -> None:
        """Tell the client that the call runs, once."""
        if output.hidden or output.told:
            return
        output.told = True
        self._outbox.send(
            McpCallArgumentsDone(
                event_id=self._outbox.event_id(),
                response_id=self._response_id,
                item_id=output.item_id,
                output_index=output.index,
                arguments=output.arguments,
            )
        )
        self._outbox.send(
            McpCallInProgress(
                event_id=self._outbox.event_id(), output_index=output.index, item_id=output.item_id
            )
        )

    def tell_end(self, output: ToolOutput) -> None:
        """Tell the client how the call ended, if it knows that it ran."""
        if output.hidden or not output.told:
            return
        kind = McpCallCompleted if output.error is None else McpCallFailed
        self._outbox.send(
            kind(
                event_id=self._outbox.event_id(), output_index=output.index, item_id=output.item_id
            )
        )

    def expire(self, outputs: Sequence[object], now_ms: int) -> None:
        """Give up calls whose time is over."""
        for output in outputs:
            if not isinstance(output, ToolOutput) or not output.running:
                continue
            if output.due_ms is not None and now_ms >= output.due_ms:
                seconds = (output.route.deadline_ms or 0) / 1000
                self._cancel(
                    output, f"The tool did not answer within {seconds:g} seconds.", late=True
                )

    def cancel(self, outputs: Sequence[object]) -> None:
        """Nobody waits for the calls any more."""
        for output in outputs:
            if isinstance(output, ToolOutput) and output.running:
                self._cancel(output, CANCELLED.message)

    def _cancel(self, output: ToolOutput, why: str, *, late: bool = False) -> None:
        output.returned, output.error = True, McpExecutionError(message=why)
        self._outbox.do(CancelTool(self._response_id, output.call_id, late))


def due_ms(outputs: Sequence[object]) -> int | None:
    """Return when the first running call's time is over."""
    dues = [
        output.due_ms
        for output in outputs
        if isinstance(output, ToolOutput) and output.running and output.due_ms is not None
    ]
    return min(dues, default=None)
