"""What the tools of a session need of others, and what a tool of the gateway's own must be."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, TypeAlias

from realtime.engine import FunctionSpec, ToolCall
from realtime.events.mcp_items import McpError

MOST_LOGGED_CHARS = 16_384
"""Of arguments and of a result, in the action log."""

Kind = Literal["mcp_import", "mcp", "webhook", "skill", "function", "action", "context"]
Status = Literal[
    "handed_over", "completed", "failed", "refused", "denied", "declined", "cancelled", "timed_out"
]
"""`refused`: it did not fit schema or list; `denied`: policy's word; `declined`: the user's."""


class ServerTool(Protocol):
    """A tool that the gateway runs for every client of a project (DECISIONS 2.8)."""

    kind: Kind

    def function(self) -> FunctionSpec:
        """Return the tool as a brain sees it; the route's executor is `gateway`."""

    def offered_to(self, *, project_id: str, model: str) -> bool:
        """Say whether a project's sessions of a model have it."""

    async def call(
        self, call: ToolCall, arguments: dict[str, Any], *, session_id: str
    ) -> str | McpError:
        """Carry a call out and return its output, or why there is none; never raises."""

    async def close(self) -> None:
        """Close what is open."""


Permit: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[str | None]]
"""Asks policy; returns why something may not be done, in words for the client, or None."""

CallLog: TypeAlias = "Callable[[LogEntry], None]"
"""Takes what stands in the action log."""


async def permit_all(_action: str, _facts: Mapping[str, Any]) -> str | None:
    """Permit everything."""
    return None


def log_nothing(_entry: LogEntry) -> None:
    """Write nothing down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """Something that a tool did or was refused; `at_ms` by the session's clock."""

    kind: Kind
    executor: str
    name: str
    status: Status
    at_ms: int
    call_id: str
    response_id: str = ""
    """Empty for what belongs to no response."""
    server_label: str = ""
    arguments: str = ""
    output: str | None = None
    error: Mapping[str, Any] | None = None
    duration_ms: int | None = None
    approval: str = "not_needed"
    approval_request_id: str | None = None

    def row(self) -> dict[str, Any]:
        """Return what is stored, within bounds."""
        values = asdict(self)
        values["arguments"] = self.arguments[:MOST_LOGGED_CHARS]
        values["output"] = None if self.output is None else self.output[:MOST_LOGGED_CHARS]
        values["name"], values["call_id"] = self.name[:256], self.call_id[:512]
        values["server_label"] = self.server_label[:128]
        return values


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended."""

    result: str | McpError
    status: Status


def entry_of(
    call: ToolCall, kind: Kind, outcome: Outcome, *, at_ms: int, duration_ms: int
) -> LogEntry:
    """Return the log's entry of a call that is over."""
    result = outcome.result
    return LogEntry(
        kind=kind,
        executor=call.route.executor,
        name=call.name,
        status=outcome.status,
        at_ms=at_ms,
        call_id=call.call_id,
        response_id=call.response_id,
        server_label=call.route.server_label,
        arguments=call.arguments,
        output=result if isinstance(result, str) else None,
        error=None if isinstance(result, str) else asdict(result),
        duration_ms=duration_ms,
        approval=call.route.approval,
        approval_request_id=call.approval_request_id,
    )


def object_of(arguments: str) -> dict[str, Any] | None:
    """Return arguments as the model wrote them, None if they are no JSON object."""
    try:
        found = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
