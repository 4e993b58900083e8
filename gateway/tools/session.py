"""Carries out what a session's machine asks of tools, and reports back.

Policy is asked first, and whatever comes of a call stands in the action log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from gateway.settings import ClientAction, ContextUpdate, WebhookTool
from gateway.telemetry import metrics
from gateway.tools.actions import Actions
from gateway.tools.guard import Guard
from gateway.tools.mcp import McpConnection
from gateway.tools.ports import (
    CallLog,
    Kind,
    LogEntry,
    Outcome,
    Permit,
    ServerTool,
    entry_of,
    log_nothing,
    object_of,
    permit_all,
)
from gateway.tools.skills import SkillsTool
from gateway.tools.webhooks import Webhook
from realtime.engine import FunctionSpec, ToolCall
from realtime.events.mcp_items import McpExecutionError
from realtime.session.effects import ImportTools
from realtime.session.inputs import (
    Input,
    ToolProgressed,
    ToolReturned,
    ToolsImported,
    ToolsNotImported,
)
from realtime.tools.mcp import McpServer

NO_OBJECT = McpExecutionError(message="The arguments are no JSON object.")
UNKNOWN = McpExecutionError(message="There is no such tool.")

_log = structlog.get_logger("tools")


class Tools:
    """Of the whole process: what the operator configured."""

    def __init__(
        self,
        webhooks: Sequence[WebhookTool],
        *,
        allowed_origins: Sequence[str],
        actions: Sequence[ClientAction] = (),
        contexts: Sequence[ContextUpdate] = (),
        actions_only: bool = False,
        skills: SkillsTool | None = None,
    ) -> None:
        self.guard = Guard(allowed_origins)
        self.actions = Actions(actions, contexts, only=actions_only)
        self._own: dict[str, ServerTool] = {}
        for tool in webhooks:
            self.add(Webhook(tool, self.guard))
        self.skills = skills
        if skills is not None:
            self.add(skills)

    def add(self, tool: ServerTool) -> None:
        """Let the gateway run one more tool.

        Raises:
            ValueError: one has that name already.
        """
        name = tool.function().name
        if name in self._own:
            raise ValueError(f"two tools of the gateway are named {name!r}")
        self._own[name] = tool

    def named(self, name: str) -> ServerTool | None:
        """Return a tool of the gateway's own."""
        return self._own.get(name)

    def offered(
        self, *, project_id: str, model: str, skills: bool = False
    ) -> tuple[FunctionSpec, ...]:
        """Return the tools that a project's sessions of a model have; OVOS skills if asked for."""
        return tuple(
            tool.function()
            for tool in self._own.values()
            if (skills or tool is not self.skills)
            and tool.offered_to(project_id=project_id, model=model)
        )

    async def close(self) -> None:
        """Close what is open."""
        for tool in self._own.values():
            await tool.close()


class SessionTools:
    """Of one session: a connection for each server, a task for each call."""

    def __init__(
        self,
        tools: Tools,
        session_id: str,
        post: Callable[[Input], None],
        *,
        permit: Permit = permit_all,
        log: CallLog = log_nothing,
    ) -> None:
        self._tools = tools
        self._session_id = session_id
        self._post = post
        self._permit = permit
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._connections: dict[str, McpConnection] = {}
        self._servers: dict[str, McpServer] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._running: dict[tuple[str, str], tuple[ToolCall, int]] = {}
        """Calls that have not ended, and when they began (ms)."""
        self._closed = False

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1000)

    # --- the tools of a server ---

    def import_tools(self, effect: ImportTools) -> None:
        """Ask a server for its tools."""
        self._run(("import", effect.item_id), self._import(effect))

    async def _import(self, effect: ImportTools) -> None:
        server, at_ms = effect.server, self._now_ms()
        facts = {"server_label": server.label, "server_url": server.url}
        refusal = await self._permit("mcp.connect", facts)
        if refusal is not None:
            self._imported(effect, at_ms, "denied", refusal)
            return
        self._servers[server.label] = server
        try:
            tools = await self._connection(server).tools()
        except asyncio.CancelledError:
            self._note(effect, at_ms, "cancelled", "Nobody waits for the tools any more.")
            raise
        except Exception as error:  # noqa: BLE001 -- whatever a server does fails its import
            _log.info("mcp_import_failed", server=server.label, error=type(error).__name__)
            self._imported(effect, at_ms, "failed", type(error).__name__)
        else:
            self._note(effect, at_ms, "completed", None, output=f"{len(tools)} tools")
            self._report(ToolsImported(effect.item_id, tools))

    def _imported(self, effect: ImportTools, at_ms: int, status: Any, why: str) -> None:
        self._note(effect, at_ms, status, why)
        self._report(ToolsNotImported(effect.item_id))

    def _note(
        self,
        effect: ImportTools,
        at_ms: int,
        status: Any,
        why: str | None,
        *,
        output: str | None = None,
    ) -> None:
        metrics.TOOL_IMPORTS.labels(status).inc()
        self._log(
            LogEntry(
                kind="mcp_import",
                executor="mcp",
                name="tools/list",
                status=status,
                at_ms=at_ms,
                call_id=effect.item_id,
                server_label=effect.server.label,
                output=output,
                error=None if why is None else {"message": why},
                duration_ms=self._now_ms() - at_ms,
            )
        )

    def _connection(self, server: McpServer) -> McpConnection:
        held = self._connections.get(server.label)
        if held is not None and held.server == server and not held.ended:
            return held
        if held is not None:
            self._run(("close", f"{id(held)}"), held.close())
        opened = self._connections[server.label] = McpConnection(server, self._tools.guard)
        return opened

    # --- calls ---

    def call(self, call: ToolCall) -> None:
        """Carry a call out that is the gateway's."""
        if call.route.executor in {"mcp", "gateway"}:
            self._begin(call, self._made)

    def check(self, call: ToolCall) -> None:
        """Say whether an action may be handed to the client."""
        self._begin(call, self._checked)

    def _begin(self, call: ToolCall, making: Callable[[ToolCall], Any]) -> None:
        key = (call.response_id, call.call_id)
        self._running[key] = (call, self._now_ms())
        self._run(key, self._carry_out(call, making))

    async def _carry_out(
        self, call: ToolCall, making: Callable[[ToolCall], Coroutine[Any, Any, Outcome]]
    ) -> None:
        outcome = await self._permitted(call) or await making(call)
        self._end(call, outcome)
        made = outcome.result
        output, error = (made, None) if isinstance(made, str) else (None, made)
        self._report(ToolReturned(call.response_id, call.call_id, output, error))

    async def _permitted(self, call: ToolCall) -> Outcome | None:
        facts = {
            "tool": call.name,
            "executor": call.route.executor,
            "server_label": call.route.server_label,
            "arguments": call.arguments,
            "call_id": call.call_id,
            "response_id": call.response_id,
            "approved": call.approval_request_id is not None,
        }
        refusal = await self._permit("tool.execute", facts)
        return None if refusal is None else Outcome(McpExecutionError(message=refusal), "denied")

    def _end(self, call: ToolCall, outcome: Outcome) -> None:
        """Write a call down that is over, once; an action is over only when the client ran it."""
        begun = self._running.pop((call.response_id, call.call_id), None)
        if begun is None or (call.route.checked and outcome.status == "completed"):
            return
        executor, spent_ms = call.route.executor, self._now_ms() - begun[1]
        metrics.TOOL_RESULTS.labels(executor, outcome.status).inc()
        metrics.TOOL_SECONDS.labels(executor).observe(spent_ms / 1000)
        kind = self._kind(call)
        self._log(entry_of(call, kind, outcome, at_ms=begun[1], duration_ms=spent_ms))

    def _kind(self, call: ToolCall) -> Kind:
        if call.route.executor != "gateway":
            return "action" if call.route.checked else "mcp"
        tool = self._tools.named(call.name)
        return "webhook" if tool is None else tool.kind

    async def _made(self, call: ToolCall) -> Outcome:
        arguments = object_of(call.arguments)
        if arguments is None:
            return Outcome(NO_OBJECT, "refused")
        if call.route.executor == "gateway":
            tool = self._tools.named(call.name)
            if tool is None:
                return Outcome(UNKNOWN, "refused")
            made = await tool.call(call, arguments, session_id=self._session_id)
            return Outcome(made, "completed" if isinstance(made, str) else "failed")
        server = self._servers.get(call.route.server_label)
        if server is None:
            return Outcome(UNKNOWN, "refused")
        made = await self._connection(server).call(
            call.name, arguments, progressed=lambda: self._progressed(call)
        )
        return Outcome(made, "completed" if isinstance(made, str) else "failed")

    async def _checked(self, call: ToolCall) -> Outcome:
        wrong = self._tools.actions.finding(call)
        if wrong is None:
            return Outcome("", "completed")
        return Outcome(McpExecutionError(message=wrong), "refused")

    def _progressed(self, call: ToolCall) -> None:
        self._report(ToolProgressed(call.response_id, call.call_id))

    # --- ends ---

    def cancel(self, response_id: str, call_id: str, *, late: bool = False) -> None:
        """Nobody waits for a call any more, `late` since its deadline has passed."""
        key = (response_id, call_id)
        running = self._running.get(key)
        if running is not None:
            why = McpExecutionError(message="Nobody waits for the call any more.")
            self._end(running[0], Outcome(why, "timed_out" if late else "cancelled"))
        self._cancel(key)

    def cancel_import(self, item_id: str) -> None:
        """Nobody waits for a server's tools any more."""
        self._cancel(("import", item_id))

    def _cancel(self, key: tuple[str, str]) -> None:
        task = self._tasks.get(key)
        if task is not None:
            task.cancel()

    def _run(self, key: tuple[str, str], work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work, name="tool")
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._done(key, done))

    def _done(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        if not task.cancelled() and task.exception() is not None:
            _log.error("tool_failed", error=type(task.exception()).__name__)

    def _report(self, report: Input) -> None:
        if not self._closed:
            self._post(report)

    def close(self) -> None:
        """The session is over: cancel what runs, leave the servers."""
        self._closed = True
        for task in tuple(self._tasks.values()):
            task.cancel()
        for label, connection in self._connections.items():
            self._run(("close", label), connection.close())
        self._connections.clear()
