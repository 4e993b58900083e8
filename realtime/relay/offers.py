"""The functions that an upstream is told of: the client's, the operator's, and MCP servers'.

What it is told differs from what the client wrote: servers become plain functions (CONTRACT 8.5),
the operator's tools are added, commands to an interface have the operator's schema, and what
policy took away, or is too much, is left out. Invariants: the client is shown the tools as it
wrote them, without secrets; one import per definition of a server; updates that this sends up by
itself are answered to nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from realtime.engine import FunctionSpec
from realtime.errors import InvalidValue
from realtime.events.mcp_items import McpListedTool
from realtime.relay.effects import SendRelayed, SendUpstream
from realtime.relay.inputs import Json
from realtime.session.effects import CancelImport, ImportTools
from realtime.session.inputs import ToolsImported
from realtime.session.outbox import Outbox
from realtime.tools.mcp import McpDefinition, McpServer, brain_name, defined, mcp_functions

OFFER: Final = "relay_tools"
"""The id of the update that offers what was imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayTools:
    """What the operator lets sessions of a model have (`EngineTraits` of our own machine)."""

    tools: tuple[FunctionSpec, ...] = ()
    """Those that the gateway runs, whoever the client is."""
    actions: tuple[FunctionSpec, ...] = ()
    """Commands that the client's interface may declare."""
    actions_only: bool = False
    most: int = 128
    """So many functions a model is told of."""


@dataclass(slots=True)
class _Import:
    server: McpServer
    item_id: str
    due_ms: int | None
    tools: tuple[McpListedTool, ...] | None = None


@dataclass(slots=True)
class _Update:
    """A `session.update` that the upstream has not answered."""

    event_id: object
    ours: bool = False
    tools: list[dict[str, Any]] | None = None
    definitions: Mapping[str, McpDefinition] | None = None
    choice: object = None


class Offers:
    """What is known of each server, and what the upstream knows of it."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        import_ms: int,
        call_ms: int,
        call_most_ms: int,
        given: RelayTools | None = None,
        delegated: bool = False,
    ) -> None:
        self._call_most_ms = call_most_ms
        self._given = given or RelayTools()
        self._delegated = delegated
        """Servers are the upstream's affair; it is told of them as the client wrote them."""
        self._narrowed: frozenset[str] = frozenset()
        self._differs = False
        """The upstream was told of other tools than the client wrote."""
        self.functions: dict[str, FunctionSpec] = {}
        """The servers' tools by the names that the upstream knows."""
        self.items: dict[str, Json] = {}
        """Items that only the client knows, by id."""
        self._outbox = outbox
        self._import_ms = import_ms
        self._call_ms = call_ms
        self._tools: list[dict[str, Any]] | None = None
        self._choice: object = None
        self._definitions: Mapping[str, McpDefinition] = {}
        self._imports: dict[str, _Import] = {}
        self._updates: deque[_Update] = deque()
        self._stale = False

    @property
    def active(self) -> bool:
        """True once there may be calls that are not the client's alone."""
        return bool(self._imports or self._given.tools or self._given.actions)

    def _adjusts(self, tools: object) -> bool:
        """Say whether an upstream may not be told of these tools as they are."""
        given = self._given
        return isinstance(tools, list) and (
            self.active or given.actions_only or bool(self._narrowed) or len(tools) > given.most
        )

    @property
    def importing(self) -> bool:
        """True while a server is being asked, or will be as soon as an update is taken."""
        return any(known.due_ms is not None for known in self._imports.values()) or any(
            self._is_ours(tool) and tool["server_label"] not in self._imports
            for update in self._updates
            for tool in update.tools or ()
        )

    # --- what clients set ---

    def update_up(self, event: Json) -> Json:
        """Return a `session.update` as the upstream must read it.

        Raises:
            InvalidValue: a definition cannot be.
        """
        session = event["session"]
        tools, choice = session.get("tools"), session.get("tool_choice")
        update = _Update(event.get("event_id"), choice=choice)
        if self._has_mcp(tools) or self._adjusts(tools):
            update.tools, update.definitions = self._defined(tools, "session")
            self._differs = True
            session = {**session, "tools": self._as_functions(update.tools, choice)}
        elif tools is None and (brought := self._brought_in(choice)) is not None:
            self._differs = True
            session = {**session, "tools": brought}
        if self._is_ours(choice):
            session = {**session, "tool_choice": self._choice_up(choice)}
        self._updates.append(update)
        return event if session is event["session"] else {**event, "session": session}

    def response_up(self, event: Json) -> Json:
        """Return a `response.create` as the upstream must read it."""
        response = event.get("response")
        if not isinstance(response, Mapping):
            return event
        tools, choice, changed = response.get("tools"), response.get("tool_choice"), {**response}
        if self._has_mcp(tools) or self._adjusts(tools):
            shown, _ = self._defined(tools, "response")
            changed["tools"] = self._as_functions(shown, choice)
        elif tools is None and (brought := self._brought_in(choice)) is not None:
            changed["tools"] = brought
        if self._is_ours(choice):
            changed["tool_choice"] = self._choice_up(choice)
        return event if changed == response else {**event, "response": changed}

    def prepare(self, event: Json, now_ms: int) -> None:
        """Ask the servers that a response names and nobody asked yet.

        Raises:
            InvalidValue: a definition cannot be.
        """
        response = event.get("response")
        tools = response.get("tools") if isinstance(response, Mapping) else None
        if self._has_mcp(tools):
            shown, definitions = self._defined(tools, "response")
            self._definitions = definitions
            self._begin(shown, now_ms)

    def adopt(self, session: Json) -> None:
        """A client secret set these tools."""
        tools = session.get("tools")
        if self._has_mcp(tools):
            self._tools, self._definitions = self._defined(tools, "session")
            self._choice = session.get("tool_choice")

    def opened(self, session: Json) -> None:
        """The session begins with these tools; tell the upstream of those that it lacks."""
        tools = session.get("tools")
        if self._tools is None and isinstance(tools, list):
            self._tools = tools
        if self._choice is None:
            self._choice = session.get("tool_choice")
        if self._given.tools or (tools and self._adjusts(tools)):
            self._tools = self._tools or []
            self._offer()

    def narrow(self, names: frozenset[str], session: Json, *, up: bool) -> None:
        """Policy takes tools away: the next response goes without them."""
        self._narrowed |= names
        tools = session.get("tools")
        if self._tools is None and isinstance(tools, list):
            self._tools = tools
        self._stale = True
        if up:
            self._offer()

    def _has_mcp(self, tools: object) -> bool:
        return isinstance(tools, list) and any(self._is_ours(tool) for tool in tools)

    def _is_ours(self, value: object) -> bool:
        """Say whether it is about a server that the gateway asks."""
        return _is_mcp(value) and not self._delegated

    def _defined(
        self, tools: Any, root: str
    ) -> tuple[list[dict[str, Any]], Mapping[str, McpDefinition]]:
        if self._delegated:
            return tools, {}
        for place, tool in enumerate(tools):
            label = tool.get("server_label", "") if isinstance(tool, Mapping) else None
            if not isinstance(label, str) or (_is_mcp(tool) and not label):
                raise InvalidValue("Invalid tool.", param=f"{root}.tools[{place}]")
        return defined([{"type": None, **tool} for tool in tools], self._definitions, root=root)

    # --- what the upstream answers ---

    def updated(self) -> bool:
        """The upstream took the oldest update; return whether the client sent it."""
        update = self._updates.popleft() if self._updates else _Update(None)
        if update.tools is not None and update.definitions is not None:
            self._tools, self._definitions = update.tools, update.definitions
        if update.choice is not None:
            self._choice = update.choice
        return not update.ours

    def refused(self, event_id: object) -> None:
        """The upstream refused an event, which may be an update."""
        for update in self._updates:
            if update.event_id == event_id:
                self._updates.remove(update)
                return

    def is_next(self, event_id: str) -> bool:
        """Say whether it is the oldest update that was not answered."""
        return bool(self._updates) and self._updates[0].event_id == event_id

    def begin(self, now_ms: int) -> None:
        """Ask the servers of the session that nobody asked yet."""
        if self._tools:
            self._begin(self._tools, now_ms)

    def shown(self, session: Json) -> Json:
        """Return a session's echo with the tools as the client wrote them."""
        if not self._differs and not self._has_mcp(self._tools):
            return session
        changed = {**session}
        if "tools" in session and self._tools is not None:
            changed["tools"] = self._tools
        if self._is_ours(self._choice) and "tool_choice" in session:
            changed["tool_choice"] = self._choice
        return changed

    def lost(self) -> None:
        """The connection is gone, and with it what was not answered."""
        self._updates.clear()

    def ready(self) -> None:
        """There is a connection again."""
        if self._stale or self._differs:
            self._offer()

    # --- imports ---

    def _begin(self, tools: list[dict[str, Any]], now_ms: int) -> None:
        for tool in tools:
            if not self._is_ours(tool):
                continue
            server = self._definitions[tool["server_label"]].server
            known = self._imports.get(server.label)
            failed = known is not None and known.tools is None and known.due_ms is None
            if known is None or known.server != server or failed:
                self._ask(server, now_ms)

    def _ask(self, server: McpServer, now_ms: int) -> None:
        asked = _Import(server, self._outbox.ids("item"), now_ms + self._import_ms)
        self._imports[server.label] = asked
        self._list(asked, "conversation.item.added", ())
        self._tell("mcp_list_tools.in_progress", asked)
        if server.url is None:  # connectors and tunnels are the service's own
            self._fail(asked)
        else:
            self._outbox.do(ImportTools(asked.item_id, server))

    def _list(self, known: _Import, kind: str, tools: tuple[McpListedTool, ...]) -> None:
        item = {
            "id": known.item_id,
            "type": "mcp_list_tools",
            "server_label": known.server.label,
            "tools": [asdict(tool) for tool in tools],
        }
        self.items[known.item_id] = item
        event_id = self._outbox.event_id()
        event = {"type": kind, "event_id": event_id, "previous_item_id": None, "item": item}
        self._outbox.do(SendRelayed(event))

    def _tell(self, kind: str, known: _Import) -> None:
        event = {"type": kind, "event_id": self._outbox.event_id(), "item_id": known.item_id}
        self._outbox.do(SendRelayed(event))

    def imported(self, given: ToolsImported, *, up: bool) -> None:
        """A server told its tools."""
        known = self._asked(given.item_id)
        if known is None:
            return
        known.due_ms, known.tools = None, given.tools
        self._tell("mcp_list_tools.completed", known)
        self._list(known, "conversation.item.done", given.tools)
        self._stale = True
        if up:
            self._offer()

    def _asked(self, item_id: str) -> _Import | None:
        for known in self._imports.values():
            if known.item_id == item_id and known.due_ms is not None:
                return known
        return None

    def not_imported(self, item_id: str) -> None:
        """A server did not tell its tools."""
        known = self._asked(item_id)
        if known is not None:
            self._fail(known)

    def _fail(self, known: _Import) -> None:
        known.due_ms = None
        self._tell("mcp_list_tools.failed", known)

    def advance(self, now_ms: int) -> None:
        """Give up what takes too long."""
        for known in self._imports.values():
            if known.due_ms is not None and now_ms >= known.due_ms:
                self._outbox.do(CancelImport(known.item_id))
                self._fail(known)

    def deadline(self) -> int | None:
        """Return when `advance` has something to do."""
        dues = [known.due_ms for known in self._imports.values() if known.due_ms is not None]
        return min(dues, default=None)

    # --- as functions ---

    def _offer(self) -> None:
        self._stale = False
        if self._tools is None:
            return
        self._differs = True
        tools = self._as_functions(self._tools, self._choice)
        session: dict[str, Any] = {"type": "realtime", "tools": tools}
        if self._is_ours(self._choice):
            session["tool_choice"] = self._choice_up(self._choice)
        self._updates.append(_Update(OFFER, ours=True))
        update = {"type": "session.update", "event_id": OFFER, "session": session}
        self._outbox.do(SendUpstream(update))

    def _as_functions(self, shown: list[dict[str, Any]], choice: object) -> list[dict[str, Any]]:
        """Return as many functions as may be, those among them that `choice` forces."""
        every = self._every_function(shown)
        forced = self._forced(choice) if len(every) > self._given.most else ()
        kept = [tool for tool in every if isinstance(tool, Mapping) and tool.get("name") in forced]
        others = [tool for tool in every if tool not in kept]
        most = self._given.most
        return [*others[: max(most - len(kept), 0)], *kept][:most]

    def _brought_in(self, choice: object) -> list[dict[str, Any]] | None:
        """Return the session's functions if a choice forces one of which the model was not told."""
        latest = [update.tools for update in self._updates if update.tools is not None]
        shown = latest[-1] if latest else self._tools
        if shown is None or not isinstance(choice, Mapping):
            return None
        if len(self._every_function(shown)) <= self._given.most:
            return None
        return self._as_functions(shown, choice)

    def _forced(self, choice: object) -> Container[object]:
        """Return the names, as the upstream knows them, of which a choice forces one."""
        if not isinstance(choice, Mapping):
            return ()
        return self._names_of(choice) if self._is_ours(choice) else (choice.get("name"),)

    def _every_function(self, shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
        own = [up for tool in shown if not self._is_ours(tool) for up in self._of_client(tool)]
        taken: dict[str, object] = {str(tool.get("name")): tool for tool in own}
        for spec in (*self._given.tools, *self._of_servers(shown)):
            if spec.name not in self._narrowed:
                name = brain_name(spec.name, spec.route.server_label or "gateway", taken)
                taken[name] = self.functions[name] = spec
                own.append(_function(spec, name=name, description=spec.description))
        return own

    def _of_client(self, tool: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """Yield a client's own function, if the upstream may be told of it."""
        if not isinstance(tool, Mapping) or tool.get("type") != "function":
            yield tool
            return
        name = str(tool.get("name"))
        if name in self._narrowed:
            return
        action = next((one for one in self._given.actions if one.name == name), None)
        if action is not None:
            self.functions[name] = action
            said = action.description or str(tool.get("description") or "")
            yield _function(action, name=name, description=said)
        elif not self._given.actions_only:
            self.functions.pop(name, None)
            yield tool

    def _of_servers(self, shown: list[dict[str, Any]]) -> Iterable[FunctionSpec]:
        for tool in shown:
            known = self._imports.get(tool["server_label"]) if self._is_ours(tool) else None
            if known is not None and known.tools is not None:
                yield from mcp_functions(
                    tool, known.tools, deadline_ms=self._call_ms, most_ms=self._call_most_ms
                )

    def _choice_up(self, choice: Any) -> object:
        """Return the choice as the upstream knows it; before the import it has none."""
        names = self._names_of(choice)
        if not names:
            return "auto"
        wanted = choice.get("name")
        return "required" if wanted is None else {"type": "function", "name": names[0]}

    def _names_of(self, choice: Mapping[str, Any]) -> list[str]:
        """Return the tools of a server that a choice means."""
        label, wanted = choice.get("server_label"), choice.get("name")
        return [
            name
            for name, spec in self.functions.items()
            if spec.route.server_label == label and wanted in (None, spec.route.tool_name)
        ]


def _function(spec: FunctionSpec, *, name: str, description: str) -> dict[str, Any]:
    parameters = dict(spec.parameters)
    about = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", **about}


def _is_mcp(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("type") == "mcp"


def without_mcp(session: Mapping[str, Any]) -> dict[str, Any]:
    """Return a session's configuration without the tools that the upstream must not run."""
    found = dict(session)
    if isinstance(found.get("tools"), list):
        found["tools"] = [tool for tool in found["tools"] if not _is_mcp(tool)]
    if _is_mcp(found.get("tool_choice")):
        del found["tool_choice"]
    return found
