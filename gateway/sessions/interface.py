"""What goes to a client's own interface and comes back from it: its calls, updates and words.

Everything stands in the action log: a call when it is handed over and again
when its result came, an update when it was taken or refused (ADR 0019).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from gateway.telemetry import metrics
from gateway.tools.actions import INTERFACE_LABEL, Actions
from gateway.tools.ports import CallLog, Kind, LogEntry, Outcome, entry_of
from realtime.engine import ToolCall
from realtime.errors import WireFault
from realtime.events.client import ItemCreate
from realtime.events.items import FunctionOutputIn, Item, SystemMessageIn
from realtime.events.mcp_items import McpApprovalRequestItem, McpApprovalResponseItem
from realtime.session.effects import Ask

MOST_OPEN_CALLS: Final = 256
"""Calls whose results are waited for; an older one's is not logged any more."""


class Interface:
    """One session's client, as far as tools and actions go."""

    def __init__(self, actions: Actions, log: CallLog, principal_facts: Mapping[str, Any]) -> None:
        self._actions = actions
        self._log = log
        self._project_id = str(principal_facts.get("project_id", ""))
        self._strict = actions.only and principal_facts.get("kind") == "client_secret"
        self._open: dict[str, LogEntry] = {}
        self._asked: dict[str, McpApprovalRequestItem] = {}
        self._updates = 0

    def handed_over(self, call: ToolCall, now_ms: int) -> None:
        """The client's turn: a function of its own, or an action."""
        kind: Kind = "action" if call.route.checked else "function"
        made = entry_of(call, kind, Outcome("", "handed_over"), at_ms=now_ms, duration_ms=0)
        entry = replace(made, output=None, duration_ms=None)
        if len(self._open) >= MOST_OPEN_CALLS:
            del self._open[next(iter(self._open))]
        self._open[call.call_id] = entry
        self._log(entry)

    def told(self, asked: Ask, now_ms: int) -> WireFault | None:
        """Look at what the client adds to the conversation; return why it may not."""
        event = asked.facts.get("event")
        if not isinstance(event, ItemCreate):
            return None
        try:
            match event.item:
                case FunctionOutputIn():
                    self._result(event.item, now_ms)
                case SystemMessageIn():
                    self._update(event.item, str(asked.facts.get("model", "")), now_ms)
                case _:
                    pass
        except WireFault as fault:
            return fault
        return None

    def _result(self, item: FunctionOutputIn, now_ms: int) -> None:
        entry = self._open.get(item.call_id)
        if entry is None:
            return
        if entry.kind == "action":
            self._actions.check_result(entry.name, item.output)
        del self._open[item.call_id]
        spent_ms = now_ms - entry.at_ms
        done = replace(entry, status="completed", output=item.output, duration_ms=spent_ms)
        metrics.TOOL_RESULTS.labels("client", "completed").inc()
        self._log(done)

    def _update(self, item: SystemMessageIn, model: str, now_ms: int) -> None:
        try:
            told = self._actions.told(
                item, project_id=self._project_id, model=model, strict=self._strict
            )
        except WireFault as fault:
            said = "".join(part.text for part in item.content)
            self._log_update("", said, now_ms, fault=fault)
            raise
        if told is not None:
            self._log_update(told.name, told.data, now_ms)

    def _log_update(
        self, name: str, data: str, now_ms: int, *, fault: WireFault | None = None
    ) -> None:
        self._updates += 1
        metrics.CONTEXT_UPDATES.labels("completed" if fault is None else "refused").inc()
        self._log(
            LogEntry(
                kind="context",
                executor="client",
                name=name,
                status="completed" if fault is None else "refused",
                at_ms=now_ms,
                call_id=f"context_{self._updates}",
                arguments=data,
                error=None if fault is None else {"message": fault.message},
            )
        )

    # --- the user's word ---

    def shown(self, item: Item, now_ms: int) -> None:
        """An item is in the conversation: a question about a call, or its answer."""
        match item:
            case McpApprovalRequestItem():
                if len(self._asked) >= MOST_OPEN_CALLS:
                    del self._asked[next(iter(self._asked))]
                self._asked[item.id] = item
            case McpApprovalResponseItem():
                request = self._asked.pop(item.approval_request_id, None)
                if request is not None and not item.approve:
                    self._declined(request, item, now_ms)
            case _:
                pass

    def _declined(
        self, request: McpApprovalRequestItem, answer: McpApprovalResponseItem, now_ms: int
    ) -> None:
        action = request.server_label == INTERFACE_LABEL
        self._log(
            LogEntry(
                kind="action" if action else "mcp",
                executor="client" if action else "mcp",
                name=request.name,
                status="declined",
                at_ms=now_ms,
                call_id=request.id,
                server_label=request.server_label,
                arguments=request.arguments,
                error={"message": answer.reason} if answer.reason else None,
                approval="client",
                approval_request_id=request.id,
            )
        )
