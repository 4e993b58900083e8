"""What goes to a relayed session's client and back, as the log of actions knows it.

Events of an upstream are objects of nobody's promise; what is not of the expected shape is no
call and no update.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from gateway.sessions.interface import Interface
from realtime.engine import ToolCall, ToolRoute
from realtime.errors import WireFault
from realtime.events.client import client_event
from realtime.events.mcp_items import McpApprovalRequestItem, McpApprovalResponseItem
from realtime.session.effects import Ask

_TOLD: Final = frozenset({"function_call_output", "message"})


class RelayedInterface:
    """Feeds the log from events as they are."""

    def __init__(self, interface: Interface, route: Callable[[str], ToolRoute]) -> None:
        self._interface = interface
        self._route = route

    def told(self, asked: Ask, now_ms: int) -> WireFault | None:
        """Look at what the client adds to the conversation; return why it may not."""
        event = asked.facts.get("event")
        item = event.get("item") if isinstance(event, Mapping) else None
        if not isinstance(item, Mapping) or item.get("type") not in _TOLD:
            return None
        try:
            known = client_event(dict(event or {}))
        except WireFault:
            return None  # what is wrong with it the upstream says
        return self._interface.told(replace(asked, facts={**asked.facts, "event": known}), now_ms)

    def shown(self, event: Mapping[str, Any], now_ms: int) -> None:
        """An item of a response is whole, or one is in the conversation."""
        item = event.get("item")
        if not isinstance(item, Mapping):
            return
        kind = item.get("type")
        if kind == "function_call" and event["type"] == "response.output_item.done":
            self._handed_over(item, str(event.get("response_id", "")), now_ms)
        elif event["type"] != "conversation.item.done":
            return
        elif kind == "mcp_approval_request":
            self._interface.shown(_request(item), now_ms)
        elif kind == "mcp_approval_response":
            self._interface.shown(_response(item), now_ms)

    def _handed_over(self, item: Mapping[str, Any], response_id: str, now_ms: int) -> None:
        if item.get("status") == "incomplete":
            return
        name = str(item.get("name", ""))
        call = ToolCall(
            call_id=str(item.get("call_id", "")),
            response_id=response_id,
            item_id=str(item.get("id", "")),
            name=name,
            arguments=str(item.get("arguments", "")),
            route=self._route(name),
        )
        self._interface.handed_over(call, now_ms)


def _request(item: Mapping[str, Any]) -> McpApprovalRequestItem:
    return McpApprovalRequestItem(
        id=str(item.get("id", "")),
        server_label=str(item.get("server_label", "")),
        name=str(item.get("name", "")),
        arguments=str(item.get("arguments", "")),
    )


def _response(item: Mapping[str, Any]) -> McpApprovalResponseItem:
    reason = item.get("reason")
    return McpApprovalResponseItem(
        id=str(item.get("id", "")),
        approval_request_id=str(item.get("approval_request_id", "")),
        approve=item.get("approve") is True,
        reason=reason if isinstance(reason, str) else None,
    )
