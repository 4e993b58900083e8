"""Server events of remote tools (CONTRACT 8.5), in the wire's key order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class McpListToolsInProgress:
    """A server is asked for its tools."""

    type: Literal["mcp_list_tools.in_progress"] = "mcp_list_tools.in_progress"
    event_id: str
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class McpListToolsCompleted:
    """The tools are known."""

    type: Literal["mcp_list_tools.completed"] = "mcp_list_tools.completed"
    event_id: str
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class McpListToolsFailed:
    """The tools cannot be known."""

    type: Literal["mcp_list_tools.failed"] = "mcp_list_tools.failed"
    event_id: str
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class McpCallArgumentsDelta:
    """More of a call's arguments."""

    type: Literal["response.mcp_call_arguments.delta"] = "response.mcp_call_arguments.delta"
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    delta: str
    obfuscation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class McpCallArgumentsDone:
    """A call's arguments, whole."""

    type: Literal["response.mcp_call_arguments.done"] = "response.mcp_call_arguments.done"
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class McpCallInProgress:
    """The call runs."""

    type: Literal["response.mcp_call.in_progress"] = "response.mcp_call.in_progress"
    event_id: str
    output_index: int
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class McpCallCompleted:
    """The call has an output."""

    type: Literal["response.mcp_call.completed"] = "response.mcp_call.completed"
    event_id: str
    output_index: int
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class McpCallFailed:
    """The call has an error."""

    type: Literal["response.mcp_call.failed"] = "response.mcp_call.failed"
    event_id: str
    output_index: int
    item_id: str


McpEvent: TypeAlias = (
    McpListToolsInProgress
    | McpListToolsCompleted
    | McpListToolsFailed
    | McpCallArgumentsDelta
    | McpCallArgumentsDone
    | McpCallInProgress
    | McpCallCompleted
    | McpCallFailed
)
