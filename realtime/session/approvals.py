"""Calls that wait for the client's word, and those it agreed to (CONTRACT 8.5)."""

from __future__ import annotations

from collections.abc import Iterable

from realtime.engine import ToolCall
from realtime.events.mcp_items import McpApprovalResponseItem


class Approvals:
    """By the id of the request."""

    def __init__(self) -> None:
        self._requested: dict[str, ToolCall] = {}
        self._approved: list[ToolCall] = []
        self.due = False
        """A response should begin: a call may be made, or nothing is left to agree to."""

    def requested(self, calls: Iterable[ToolCall]) -> None:
        """Calls wait for the client's word."""
        for call in calls:
            self._requested[call.item_id] = call

    def answered(self, item: McpApprovalResponseItem) -> None:
        """The client gave its word."""
        call = self._requested.pop(item.approval_request_id, None)
        if call is not None and item.approve:
            self._approved.append(call)
        self.due = self.due or bool(self._approved) or not self._requested

    def take(self) -> tuple[ToolCall, ...]:
        """Return the calls that may be made now, once."""
        taken, self._approved = tuple(self._approved), []
        self.due = False
        return taken
