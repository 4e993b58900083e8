"""One call of a relayed model that is not the client's alone, and how the client sees it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from realtime.engine import FunctionSpec, ToolCall
from realtime.events.mcp_items import McpError
from realtime.relay.inputs import Json


@dataclass(slots=True)
class RelayedCall:
    """A call, from the upstream's item to its result."""

    spec: FunctionSpec
    item_id: str
    """Of the item that the client sees."""
    call_id: str
    response_id: str
    output_index: int
    arguments: str = ""
    request_id: str | None = None
    due_ms: int | None = None
    """None unless it runs."""
    most_ms: int = 0
    """When it is given up, however it goes on."""
    output: str | None = None
    error: McpError | None = None
    held: list[Json] = field(default_factory=list)
    fits: bool = False
    """A checked call was found to be one that the client may see."""
    handed: bool = False
    """It is the client's turn."""

    @property
    def over(self) -> bool:
        """Nothing is left for the gateway to do."""
        return self.output is not None or self.error is not None or self.handed

    @property
    def asks(self) -> bool:
        """The client must agree before it runs."""
        asked = self.spec.route.approval != "not_needed" and self.request_id is None
        return asked and (self.fits or not self.spec.route.checked)

    @property
    def hidden(self) -> bool:
        """The client sees nothing of it, or nothing yet."""
        route = self.spec.route
        return route.shown_as == "nothing" or (route.checked and not self.fits)

    def made(self) -> ToolCall:
        """Return the call for its executor."""
        return ToolCall(
            call_id=self.call_id,
            response_id=self.response_id,
            item_id=self.item_id,
            name=self.spec.route.tool_name or self.spec.name,
            arguments=self.arguments,
            route=self.spec.route,
            approval_request_id=self.request_id,
        )

    def function_call(self) -> dict[str, Any]:
        """Return the item that the client answers itself."""
        return {
            "id": self.item_id,
            "type": "function_call",
            "status": "completed",
            "name": self.spec.name,
            "call_id": self.call_id,
            "arguments": self.arguments,
        }

    def item(self) -> dict[str, Any]:
        """Return the item as the client sees it."""
        about = {
            "server_label": self.spec.route.server_label,
            "name": self.spec.route.tool_name or self.spec.name,
            "arguments": self.arguments,
        }
        if self.asks:
            return {"id": self.item_id, "type": "mcp_approval_request", **about}
        if self.spec.route.checked:
            return self.function_call()
        return {
            "id": self.item_id,
            "type": "mcp_call",
            **about,
            "approval_request_id": self.request_id,
            "output": self.output,
            "error": None if self.error is None else asdict(self.error),
        }
