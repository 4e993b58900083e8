"""Tools of the operator's own: an HTTP endpoint each, called by the gateway."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import structlog

from gateway.settings import WebhookTool
from gateway.tools.guard import AddressRefused, Guard, guarded_client
from gateway.tools.ports import Kind
from gateway.tools.schemas import finding, validator
from realtime.engine import FunctionSpec, ToolCall, ToolRoute
from realtime.events.mcp_items import McpError, McpExecutionError, McpHttpError

MOST_OUTPUT_CHARS = 65_536
FIRST_PAUSE_S = 0.25
"""Before the first repetition; doubled each time."""

REPEATED = frozenset({408, 425, 429, 500, 502, 503, 504})
SERVER_LABEL = "gateway"

_log = structlog.get_logger("webhook")


class Webhook:
    """One tool."""

    kind: Kind = "webhook"

    def __init__(self, tool: WebhookTool, guard: Guard) -> None:
        self.tool = tool
        self._arguments = validator(tool.parameters, of=f"parameters of {tool.name}")
        self._result = (
            None if tool.result is None else validator(tool.result, of=f"result of {tool.name}")
        )
        self._client = guarded_client(guard, timeout=httpx2.Timeout(tool.timeout_s))

    def function(self) -> FunctionSpec:
        """Return the tool as a brain sees it."""
        attempts = self.tool.retries + 1
        pauses_s = FIRST_PAUSE_S * (2**self.tool.retries - 1)
        return FunctionSpec(
            name=self.tool.name,
            description=self.tool.description,
            parameters=self.tool.parameters,
            route=ToolRoute(
                executor="gateway",
                shown_as="mcp_call" if self.tool.shown else "nothing",
                deadline_ms=int((self.tool.timeout_s * attempts + pauses_s) * 1000) + 2_000,
                server_label=SERVER_LABEL,
                tool_name=self.tool.name,
            ),
        )

    def offered_to(self, *, project_id: str, model: str) -> bool:
        """Say whether a project's sessions of a model have it."""
        return self.tool.offered_to(project_id=project_id, model=model)

    async def call(
        self, call: ToolCall, arguments: dict[str, Any], *, session_id: str
    ) -> str | McpError:
        """Call the endpoint and return its output, or why there is none."""
        wrong = finding(self._arguments, arguments)
        if wrong is not None:
            return McpExecutionError(message=f"The arguments do not fit: {wrong}")
        body = {
            "tool": self.tool.name,
            "call_id": call.call_id,
            "session_id": session_id,
            "arguments": arguments,
        }
        answer = await self._sent(body, key=f"{call.response_id}.{call.call_id}")
        if not isinstance(answer, httpx2.Response):
            return answer
        if not answer.is_success:
            return McpHttpError(
                code=answer.status_code, message=f"The tool answered {answer.status_code}."
            )
        return self._output(answer)

    async def _sent(self, body: dict[str, Any], *, key: str) -> httpx2.Response | McpError:
        headers = {name: value.get_secret_value() for name, value in self.tool.headers.items()}
        headers["Idempotency-Key"] = key
        pause_s = FIRST_PAUSE_S
        for left in range(self.tool.retries, -1, -1):
            try:
                async with asyncio.timeout(self.tool.timeout_s):
                    answer = await self._client.post(self.tool.url, json=body, headers=headers)
                if answer.status_code not in REPEATED or not left:
                    return answer
            except AddressRefused:
                _log.warning("webhook_address_refused", tool=self.tool.name)
                break
            except (httpx2.HTTPError, TimeoutError) as error:
                _log.info("webhook_failed", tool=self.tool.name, error=type(error).__name__)
            if left:
                await asyncio.sleep(pause_s)
                pause_s *= 2
        return McpExecutionError(message="The tool cannot be reached.")

    def _output(self, answer: httpx2.Response) -> str | McpError:
        if self._result is None:
            return answer.text[:MOST_OUTPUT_CHARS]
        try:
            result = answer.json()
        except ValueError:
            return McpExecutionError(message="The tool's result is no JSON.")
        wrong = finding(self._result, result)
        if wrong is not None:
            return McpExecutionError(message="The tool's result does not fit its schema.")
        return json.dumps(result, ensure_ascii=False)[:MOST_OUTPUT_CHARS]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
