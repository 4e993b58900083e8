"""What of a response one model takes, where another was asked for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from realtime.engine import BrainRequest, FunctionSpec


def reduced(request: BrainRequest, features: Collection[str]) -> BrainRequest | None:
    """Return the request as a model of these features takes it, None if it does not.

    Tools that the gateway runs are left out where the model takes none, as they are in
    sessions of its own; images, and tools that the client has brought, are not.
    """
    if "images" not in features and any(item.images for item in request.items):
        return None
    kept = tuple(tool for tool in request.tools if _feature(tool) in features)
    if len(kept) == len(request.tools):
        return request
    left_out = [tool for tool in request.tools if tool not in kept]
    forced = request.tool_choice not in {"auto", "none"}
    if forced or any(tool.route.executor != "gateway" for tool in left_out):
        return None
    return replace(request, tools=kept)


def _feature(tool: FunctionSpec) -> str:
    return "mcp" if tool.route.executor == "mcp" else "tools"
