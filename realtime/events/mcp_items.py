"""Items of remote tools as clients see them (CONTRACT 8.5), which have no status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class McpProtocolError:
    """The server refused the call by its protocol."""

    type: Literal["protocol_error"] = "protocol_error"
    code: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class McpExecutionError:
    """The tool ran and failed, or never came to an end."""

    type: Literal["tool_execution_error"] = "tool_execution_error"
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class McpHttpError:
    """The server answered with an HTTP status."""

    type: Literal["http_error"] = "http_error"
    code: int
    message: str


McpError: TypeAlias = McpProtocolError | McpExecutionError | McpHttpError


@dataclass(frozen=True, slots=True, kw_only=True)
class McpListedTool:
    """A tool of an MCP server."""

    name: str
    description: str | None
    input_schema: dict[str, Any]
    annotations: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class McpListToolsItem:
    """The tools of a server; empty until they are imported."""

    id: str
    type: Literal["mcp_list_tools"] = "mcp_list_tools"
    server_label: str
    tools: list[McpListedTool]


@dataclass(frozen=True, slots=True, kw_only=True)
class McpCallItem:
    """A call that the gateway carries out; `output` or `error` once it is over."""

    id: str
    type: Literal["mcp_call"] = "mcp_call"
    server_label: str
    name: str
    arguments: str
    approval_request_id: str | None
    output: str | None
    error: McpError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class McpApprovalRequestItem:
    """A call that waits for the client's word."""

    id: str
    type: Literal["mcp_approval_request"] = "mcp_approval_request"
    server_label: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class McpApprovalResponseItem:
    """The client's word."""

    id: str
    type: Literal["mcp_approval_response"] = "mcp_approval_response"
    approval_request_id: str
    approve: bool
    reason: str | None


McpItem: TypeAlias = (
    McpListToolsItem | McpCallItem | McpApprovalRequestItem | McpApprovalResponseItem
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedListTools:
    """A server's tools as retrieved."""

    id: str
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["mcp_list_tools"] = "mcp_list_tools"
    server_label: str
    tools: list[McpListedTool]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedMcpCall:
    """A call as retrieved."""

    id: str
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["mcp_call"] = "mcp_call"
    server_label: str
    name: str
    arguments: str
    approval_request_id: str | None
    output: str | None
    error: McpError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedApprovalRequest:
    """An approval request as retrieved."""

    id: str
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["mcp_approval_request"] = "mcp_approval_request"
    server_label: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedApprovalResponse:
    """An approval response as retrieved."""

    id: str
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["mcp_approval_response"] = "mcp_approval_response"
    approval_request_id: str
    approve: bool
    reason: str | None


RetrievedMcpItem: TypeAlias = (
    RetrievedListTools | RetrievedMcpCall | RetrievedApprovalRequest | RetrievedApprovalResponse
)


def retrieved_mcp(item: McpItem) -> RetrievedMcpItem:
    """Return an item as `conversation.item.retrieved` shows it."""
    match item:
        case McpListToolsItem():
            return RetrievedListTools(id=item.id, server_label=item.server_label, tools=item.tools)
        case McpCallItem():
            return RetrievedMcpCall(
                id=item.id,
                server_label=item.server_label,
                name=item.name,
                arguments=item.arguments,
                approval_request_id=item.approval_request_id,
                output=item.output,
                error=item.error,
            )
        case McpApprovalRequestItem():
            return RetrievedApprovalRequest(
                id=item.id,
                server_label=item.server_label,
                name=item.name,
                arguments=item.arguments,
            )
        case McpApprovalResponseItem():
            return RetrievedApprovalResponse(
                id=item.id,
                approval_request_id=item.approval_request_id,
                approve=item.approve,
                reason=item.reason,
            )
