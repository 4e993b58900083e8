"""One connection to an MCP server through the official client library."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog
from mcp import Client, MCPError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CONNECTION_CLOSED, CallToolResult, TextContent, Tool

from gateway.tools.guard import Guard, guarded_client
from realtime.events.mcp_items import (
    McpError,
    McpExecutionError,
    McpHttpError,
    McpListedTool,
    McpProtocolError,
)
from realtime.tools.mcp import McpServer

CONNECT_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
EVENTS_TIMEOUT_S = 300.0
"""Longest silence of a stream of events."""

MOST_TOOLS = 1_000
MOST_LIST_CHARS = 1_048_576
"""Of all names, descriptions and schemas of a server's tools, as JSON."""

MOST_PAGES = 50
MOST_OUTPUT_CHARS = 65_536
"""Of a result, as the model reads it."""

HTTP_FAULT = "Server returned an error response"
FORGOTTEN = "Session terminated"
"""The library's words for an HTTP status that is no success, and for 404 under a session."""

GONE = McpExecutionError(message="The tool's server cannot be reached.")

_log = structlog.get_logger("mcp")


class TooManyTools(Exception):
    """A server lists more than the client can be shown."""


class McpConnection:
    """A session with one server, opened by the first use; `close` ends it."""

    def __init__(self, server: McpServer, guard: Guard) -> None:
        self.server = server
        self._guard = guard
        self._closing = asyncio.Event()
        self._refused_with: int | None = None
        """The last HTTP status that was none of success; the library keeps it to itself."""
        loop = asyncio.get_running_loop()
        self._client: asyncio.Future[Client] = loop.create_future()
        # The library's scopes must be left in the task that entered them.
        self._task = loop.create_task(self._serve(), name="mcp")

    @property
    def ended(self) -> bool:
        """The connection is over; another one must be opened."""
        return self._task.done() or self._closing.is_set()

    async def tools(self) -> tuple[McpListedTool, ...]:
        """Return the server's tools.

        Raises:
            TooManyTools: they are more, or longer, than anybody wants to read.
            Exception: whatever the library raises; the import failed.
        """
        client = await asyncio.shield(self._client)
        found: list[McpListedTool] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await client.list_tools(cursor=cursor)
            found += [_listed(tool) for tool in page.tools]
            cursor = page.next_cursor
            if len(found) > MOST_TOOLS:
                break
            if cursor is None:
                return _bounded(found)
        raise TooManyTools

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        progressed: Callable[[], None] = lambda: None,
    ) -> str | McpError:
        """Call a tool and return its output, or why there is none.

        `progressed` is called whenever the server tells that it goes on.
        """

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            del progress, total, message  # the wire has no word for them
            progressed()

        calling: asyncio.Future[Any] | None = None
        try:
            client = await asyncio.shield(self._client)
            calling = asyncio.ensure_future(
                client.call_tool(name, dict(arguments), progress_callback=on_progress)
            )
            await asyncio.wait({calling, self._task}, return_when=asyncio.FIRST_COMPLETED)
            return _output(calling.result()) if calling.done() else GONE
        except Exception as error:  # noqa: BLE001 -- whatever a server does fails its call
            _log.info("mcp_call_failed", server=self.server.label, error=type(error).__name__)
            return self._fault(error)
        finally:
            if calling is not None:
                calling.cancel()

    def _fault(self, error: Exception) -> McpError:
        """Tell what went wrong; a session that the server forgot is not used again."""
        fault = fault_of(error)
        if isinstance(fault, McpProtocolError):
            status = self._refused_with
            if fault.message == HTTP_FAULT and status is not None:
                return http_fault(status)
            if fault.code != CONNECTION_CLOSED and fault.message != FORGOTTEN:
                return fault
        if not isinstance(fault, McpHttpError):
            self._closing.set()
            return GONE
        return fault

    async def close(self) -> None:
        """End the session with the server."""
        self._closing.set()
        await asyncio.wait({self._task}, timeout=CLOSE_TIMEOUT_S)
        self._task.cancel()

    async def _serve(self) -> None:
        try:
            await self._connected()
        except Exception as error:  # noqa: BLE001 -- whatever a server does ends its connection
            _log.info("mcp_connection_ended", server=self.server.label, error=_words(error))
            if not self._client.done():
                self._client.set_exception(error)
                self._client.exception()
        finally:
            self._client.cancel()

    async def _connected(self) -> None:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                client = await stack.enter_async_context(Client(await self._transport(stack)))
            self._client.set_result(client)
            await self._closing.wait()

    async def _transport(self, stack: AsyncExitStack) -> AbstractAsyncContextManager[Any]:
        url = str(self.server.url)
        if urlsplit(url).path.rstrip("/").endswith("/sse"):
            return sse_client(
                url,
                headers=dict(self.server.headers),
                timeout=CONNECT_TIMEOUT_S,
                sse_read_timeout=EVENTS_TIMEOUT_S,
                httpx_client_factory=self._http,
            )
        timeout = httpx2.Timeout(CONNECT_TIMEOUT_S, read=EVENTS_TIMEOUT_S)
        client = await stack.enter_async_context(self._http(dict(self.server.headers), timeout))
        return streamable_http_client(url, http_client=client)

    def _http(
        self,
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        del auth  # we never give the library any
        limit = timeout or httpx2.Timeout(CONNECT_TIMEOUT_S)
        client = guarded_client(self._guard, headers=headers, timeout=limit)
        client.event_hooks = {"response": [self._answered]}
        return client

    async def _answered(self, response: httpx2.Response) -> None:
        if not response.is_success:
            self._refused_with = response.status_code


def _bounded(tools: list[McpListedTool]) -> tuple[McpListedTool, ...]:
    if sum(len(json.dumps(asdict(tool))) for tool in tools) > MOST_LIST_CHARS:
        raise TooManyTools
    return tuple(tools)


def _listed(tool: Tool) -> McpListedTool:
    annotations = tool.annotations
    return McpListedTool(
        name=tool.name,
        description=tool.description,
        input_schema=dict(tool.input_schema),
        annotations=None
        if annotations is None
        else annotations.model_dump(mode="json", by_alias=True, exclude_none=True),
    )


def _output(result: CallToolResult) -> str | McpError:
    texts = [part.text for part in result.content if isinstance(part, TextContent)]
    texts += [f"[{part.type}]" for part in result.content if not isinstance(part, TextContent)]
    text = "\n".join(texts)
    if not text and result.structured_content is not None:
        text = json.dumps(result.structured_content, ensure_ascii=False)
    text = text[:MOST_OUTPUT_CHARS]
    return McpExecutionError(message=text or "The tool failed.") if result.is_error else text


def fault_of(error: BaseException) -> McpError:
    """Return the client's form of whatever a call raised; nothing internal is told."""
    if isinstance(error, BaseExceptionGroup):
        return fault_of(error.exceptions[0])
    if isinstance(error, MCPError):
        return McpProtocolError(code=error.code, message=error.message)
    if isinstance(error, httpx2.HTTPStatusError):
        return http_fault(error.response.status_code)
    return GONE


def http_fault(status: int) -> McpHttpError:
    """Return the client's form of an HTTP status."""
    return McpHttpError(code=status, message=f"The tool's server answered {status}.")


def _words(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return _words(error.exceptions[0])
    return type(error).__name__
