"""Carries out what a session's machine asks of tools, and reports back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from gateway.settings import WebhookTool
from gateway.telemetry import metrics
from gateway.tools.guard import Guard
from gateway.tools.mcp import McpConnection
from gateway.tools.skills import SkillsTool
from gateway.tools.webhooks import Webhook
from realtime.engine import FunctionSpec, ToolCall
from realtime.events.mcp_items import McpError, McpExecutionError
from realtime.session.effects import ImportTools
from realtime.session.inputs import Input, ToolReturned, ToolsImported, ToolsNotImported
from realtime.tools.mcp import McpServer

NO_OBJECT = McpExecutionError(message="The arguments are no JSON object.")
UNKNOWN = McpExecutionError(message="There is no such tool.")

_log = structlog.get_logger("tools")


class Tools:
    """Of the whole process: what the operator configured."""

    def __init__(
        self,
        webhooks: list[WebhookTool],
        *,
        allowed_origins: list[str],
        skills: SkillsTool | None = None,
    ) -> None:
        self.guard = Guard(allowed_origins)
        self.skills = skills
        self.webhooks = {tool.name: Webhook(tool, self.guard) for tool in webhooks}

    def offered(self, *, project_id: str, model: str) -> tuple[FunctionSpec, ...]:
        """Return the tools that a project's sessions of a model have."""
        skills = () if self.skills is None else (self.skills.function(),)
        return skills + tuple(
            webhook.function()
            for webhook in self.webhooks.values()
            if (not webhook.tool.models or model in webhook.tool.models)
            and (not webhook.tool.projects or project_id in webhook.tool.projects)
        )

    async def close(self) -> None:
        """Close what is open."""
        for webhook in self.webhooks.values():
            await webhook.close()


class SessionTools:
    """Of one session: a connection for each server, a task for each call."""

    def __init__(self, tools: Tools, session_id: str, post: Callable[[Input], None]) -> None:
        self._tools = tools
        self._session_id = session_id
        self._post = post
        self._connections: dict[str, McpConnection] = {}
        self._servers: dict[str, McpServer] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._closed = False

    def import_tools(self, effect: ImportTools) -> None:
        """Ask a server for its tools."""
        self._servers[effect.server.label] = effect.server
        self._run(("import", effect.item_id), self._import(effect))

    async def _import(self, effect: ImportTools) -> None:
        try:
            tools = await self._connection(effect.server).tools()
        except Exception as error:  # noqa: BLE001 -- whatever a server does fails its import
            _log.info("mcp_import_failed", server=effect.server.label, error=type(error).__name__)
            self._report(ToolsNotImported(effect.item_id))
        else:
            self._report(ToolsImported(effect.item_id, tools))

    def _connection(self, server: McpServer) -> McpConnection:
        held = self._connections.get(server.label)
        if held is not None and held.server == server and not held.ended:
            return held
        if held is not None:
            self._run(("close", f"{id(held)}"), held.close())
        opened = self._connections[server.label] = McpConnection(server, self._tools.guard)
        return opened

    def call(self, call: ToolCall) -> None:
        """Carry a call out that is the gateway's."""
        if call.route.executor in {"mcp", "gateway"}:
            self._run((call.response_id, call.call_id), self._call(call))

    async def _call(self, call: ToolCall) -> None:
        made = await self._made(call)
        failed = not isinstance(made, str)
        metrics.TOOL_RESULTS.labels(call.route.executor, "failed" if failed else "completed").inc()
        output, error = (None, made) if not isinstance(made, str) else (made, None)
        self._report(ToolReturned(call.response_id, call.call_id, output, error))

    async def _made(self, call: ToolCall) -> str | McpError:
        try:
            arguments = json.loads(call.arguments or "{}")
        except ValueError:
            return NO_OBJECT
        if not isinstance(arguments, dict):
            return NO_OBJECT
        if call.route.executor == "gateway":
            skills = self._tools.skills
            if skills is not None and call.name == skills.function().name:
                return await skills.call(call, arguments, session_id=self._session_id)
            webhook = self._tools.webhooks.get(call.name)
            if webhook is None:
                return UNKNOWN
            return await webhook.call(call, arguments, session_id=self._session_id)
        server = self._servers.get(call.route.server_label)
        if server is None:
            return UNKNOWN
        return await self._connection(server).call(call.name, arguments)

    def cancel(self, response_id: str, call_id: str) -> None:
        """Nobody waits for a call any more."""
        task = self._tasks.get((response_id, call_id))
        if task is not None:
            task.cancel()

    def cancel_import(self, item_id: str) -> None:
        """Nobody waits for a server's tools any more."""
        self.cancel("import", item_id)

    def _run(self, key: tuple[str, str], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="tool")
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
