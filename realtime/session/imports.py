"""The tools of a session's MCP servers: asked for, shown, and offered to the brain (CONTRACT 8.5).

Invariants: one import per definition of a server, until it failed and the
client sends a new configuration; a report of an import that nobody waits for is
ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from realtime.engine import FunctionSpec
from realtime.events.mcp_events import (
    McpListToolsCompleted,
    McpListToolsFailed,
    McpListToolsInProgress,
)
from realtime.events.mcp_items import McpListedTool, McpListToolsItem
from realtime.events.server import ItemAdded, ItemDone
from realtime.session.effects import CancelImport, ImportTools
from realtime.session.state import SessionState
from realtime.tools.mcp import McpDefinition, McpServer, mcp_functions
from realtime.tools.offers import named, with_actions


@dataclass(slots=True)
class _Import:
    server: McpServer
    item: McpListToolsItem
    due_ms: int | None
    """None once it is over."""
    tools: tuple[McpListedTool, ...] | None = None


class Imports:
    """What is known of each server, by label."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._servers: dict[str, _Import] = {}

    def begin(
        self,
        tools: Sequence[dict[str, Any]],
        definitions: Mapping[str, McpDefinition],
        now_ms: int,
        *,
        again: bool,
    ) -> None:
        """Import the tools of servers that are not known yet; with `again` of failed ones too."""
        for tool in tools:
            if tool["type"] != "mcp":
                continue
            server = definitions[tool["server_label"]].server
            known = self._servers.get(server.label)
            if known is not None and known.server == server:
                failed = known.tools is None and known.due_ms is None
                if not failed or not again:
                    continue
            elif known is not None and known.due_ms is not None:
                self._fail(known)
            self._ask(server, now_ms)

    def _ask(self, server: McpServer, now_ms: int) -> None:
        state, outbox = self._state, self._state.outbox
        item = McpListToolsItem(id=outbox.ids("item"), server_label=server.label, tools=[])
        asked = _Import(server, item, now_ms + state.limits.import_ms)
        self._servers[server.label] = asked
        previous = state.conversation.add(item)
        outbox.send(ItemAdded(event_id=outbox.event_id(), previous_item_id=previous, item=item))
        outbox.send(McpListToolsInProgress(event_id=outbox.event_id(), item_id=item.id))
        if server.url is None:  # connectors and tunnels are the service's own
            self._fail(asked)
        else:
            outbox.do(ImportTools(item.id, server))

    def _find(self, item_id: str) -> _Import | None:
        for known in self._servers.values():
            if known.item.id == item_id and known.due_ms is not None:
                return known
        return None

    def imported(self, item_id: str, tools: tuple[McpListedTool, ...]) -> None:
        """A server told its tools."""
        known = self._find(item_id)
        if known is None:
            return
        known.due_ms, known.tools = None, tools
        state, outbox = self._state, self._state.outbox
        outbox.send(McpListToolsCompleted(event_id=outbox.event_id(), item_id=item_id))
        entry = state.conversation.get(item_id)
        if entry is None:  # deleted while it was under way
            return
        entry.item = known.item = replace(known.item, tools=list(tools))
        previous = state.conversation.previous_id(item_id)
        outbox.send(
            ItemDone(event_id=outbox.event_id(), previous_item_id=previous, item=entry.item)
        )

    def failed(self, item_id: str) -> None:
        """A server did not tell its tools."""
        known = self._find(item_id)
        if known is not None:
            self._fail(known)

    def _fail(self, known: _Import) -> None:
        known.due_ms = None
        outbox = self._state.outbox
        outbox.send(McpListToolsFailed(event_id=outbox.event_id(), item_id=known.item.id))

    def advance(self, now_ms: int) -> bool:
        """Give up what takes too long; return whether anything was."""
        late = [
            known
            for known in self._servers.values()
            if known.due_ms is not None and now_ms >= known.due_ms
        ]
        for known in late:
            self._state.outbox.do(CancelImport(known.item.id))
            self._fail(known)
        return bool(late)

    def deadline(self) -> int | None:
        """Return when `advance` has something to do."""
        if not self._servers:
            return None
        dues = [known.due_ms for known in self._servers.values() if known.due_ms is not None]
        return min(dues, default=None)

    def pending(self, tools: Sequence[dict[str, Any]]) -> bool:
        """Say whether a server of these tools is still being asked."""
        if not self._servers:
            return False
        labels = {tool["server_label"] for tool in tools if tool["type"] == "mcp"}
        return any(
            known.due_ms is not None and label in labels for label, known in self._servers.items()
        )

    def offered(
        self, tools: Sequence[dict[str, Any]], own: tuple[FunctionSpec, ...]
    ) -> tuple[FunctionSpec, ...]:
        """Return every function a brain may call: the client's own, the gateway's, the servers'.

        The client's keep their names; another tool of the same name gets a longer one.
        """
        state = self._state
        more = list(state.traits.tools)
        for tool in tools:
            known = self._servers.get(tool["server_label"]) if tool["type"] == "mcp" else None
            if known is not None and known.tools is not None:
                more += mcp_functions(
                    tool,
                    known.tools,
                    deadline_ms=state.limits.tool_call_ms,
                    most_ms=state.limits.tool_call_most_ms,
                )
        traits = state.traits
        return named(
            with_actions(own, traits.actions, only=traits.actions_only),
            (function for function in more if function.name not in state.narrowed),
        )
