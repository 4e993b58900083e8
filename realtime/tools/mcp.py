"""MCP servers as a session knows them: definition, filters, approval, names (CONTRACT 8.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from realtime.engine import FunctionSpec, ToolRoute
from realtime.errors import InvalidValue
from realtime.events.mcp_items import McpListedTool

JsonObject = dict[str, Any]

CONNECTORS: Final = tuple(
    f"connector_{name}"
    for name in (
        "dropbox", "gmail", "googlecalendar", "googledrive",
        "microsoftteams", "outlookcalendar", "outlookemail", "sharepoint",
    )
)  # fmt: skip
_PLACES: Final = ("server_url", "connector_id", "tunnel_id")
SECRET_FIELDS: Final = ("authorization", "headers")
"""Never shown nor recorded."""

_UNFIT = re.compile(r"[^A-Za-z0-9_-]")
MOST_NAME_CHARS = 64
"""Of a function, at the chat endpoints there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """A server by its definition."""

    label: str
    url: str | None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What is sent with every request; holds secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpDefinition:
    """A tool entry as the client wrote it, secrets included; `shown` is without them."""

    server: McpServer
    shown: JsonObject = field(hash=False)


def defined(
    sent: Sequence[JsonObject], known: Mapping[str, McpDefinition], *, root: str
) -> tuple[list[JsonObject], dict[str, McpDefinition]]:
    """Return the tools as they are shown, and every definition that is known from now on.

    Args:
        sent: the tools as the client sent them.
        known: definitions of the session so far, by label; an entry may only name one.
        root: where the tools lie in the client's event, `session` or `response`.

    Raises:
        InvalidValue: a definition cannot be (CONTRACT 8.5).
    """
    shown: list[JsonObject] = []
    definitions = dict(known)
    labels: set[str] = set()
    for place, tool in enumerate(sent):
        if tool["type"] != "mcp":
            shown.append(tool)
            continue
        label, path = tool["server_label"], f"{root}.tools[{place}]"
        if label in labels:
            raise InvalidValue(
                f"Duplicate 'server_label' '{label}' in 'tools'.", param=f"{path}.server_label"
            )
        labels.add(label)
        if label not in known or set(tool) != {"type", "server_label"}:
            definitions[label] = _definition(tool, path)
        shown.append(definitions[label].shown)
    return shown, definitions


def _definition(tool: JsonObject, path: str) -> McpDefinition:
    places = [place for place in _PLACES if tool.get(place) is not None]
    if len(places) != 1:
        raise InvalidValue(
            "Exactly one of 'server_url', 'connector_id' and 'tunnel_id' must be given.",
            param=f"{path}.server_url",
        )
    connector = tool.get("connector_id")
    if connector is not None and connector not in CONNECTORS:
        raise InvalidValue.unsupported(connector, CONNECTORS, param=f"{path}.connector_id")
    if tool.get("server_url") is not None and not _is_url(tool["server_url"]):
        raise InvalidValue(
            f"Invalid '{path}.server_url'. Expected an HTTP or HTTPS URL without credentials.",
            param=f"{path}.server_url",
        )
    server = McpServer(
        label=tool["server_label"], url=tool.get("server_url"), headers=_headers(tool, path)
    )
    shown = {name: value for name, value in tool.items() if name not in SECRET_FIELDS}
    return McpDefinition(server=server, shown=shown)


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and bool(url.hostname) and "@" not in url.netloc


def _headers(tool: JsonObject, path: str) -> dict[str, str]:
    headers = dict(tool.get("headers") or {})
    for name, value in headers.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or re.search(r"[\r\n\0]", value):
            raise InvalidValue(
                f"Invalid '{path}.headers'. '{name}' is no HTTP header.", param=f"{path}.headers"
            )
    token = tool.get("authorization")
    if token is None:
        return headers
    if any(name.lower() == "authorization" for name in headers):
        raise InvalidValue(
            "'authorization' and 'headers.Authorization' cannot both be given.",
            param=f"{path}.authorization",
        )
    return {**headers, "Authorization": f"Bearer {token}"}


# --- which tools, and who must agree -----------------------------------------------


def is_allowed(entry: JsonObject, tool: McpListedTool) -> bool:
    """Say whether `allowed_tools` lets a tool through."""
    allowed = entry.get("allowed_tools")
    if allowed is None:
        return True
    if isinstance(allowed, list):
        return tool.name in allowed
    return _fits(allowed, tool)


def needs_approval(entry: JsonObject, tool: McpListedTool) -> bool:
    """Say whether the client must agree to each call; without a word it must.

    Where a tool fits both filters it must too.
    """
    wanted = entry.get("require_approval")
    if wanted is None or isinstance(wanted, str):
        return wanted != "never"
    if wanted.get("always") is not None and _fits(wanted["always"], tool):
        return True
    return wanted.get("never") is None or not _fits(wanted["never"], tool)


def _fits(meant: JsonObject, tool: McpListedTool) -> bool:
    names, read_only = meant.get("tool_names"), meant.get("read_only")
    if names is not None and tool.name not in names:
        return False
    hint = bool((tool.annotations or {}).get("readOnlyHint", False))
    return read_only is None or hint == read_only


# --- as functions of a brain ---------------------------------------------------------


def mcp_functions(
    entry: JsonObject,
    tools: Iterable[McpListedTool],
    *,
    deadline_ms: int,
    most_ms: int | None = None,
) -> Iterable[FunctionSpec]:
    """Yield the allowed tools of a server as functions; names may still collide."""
    for tool in tools:
        if is_allowed(entry, tool):
            yield FunctionSpec(
                name=tool.name,
                description=tool.description or "",
                parameters=tool.input_schema,
                route=ToolRoute(
                    executor="mcp",
                    shown_as="mcp_call",
                    approval="client" if needs_approval(entry, tool) else "not_needed",
                    deadline_ms=deadline_ms,
                    most_ms=most_ms,
                    server_label=entry["server_label"],
                    tool_name=tool.name,
                ),
            )


def brain_name(wanted: str, label: str, taken: Mapping[str, object]) -> str:
    """Return a name that a chat model may be told and that no other tool has."""
    name = _UNFIT.sub("_", wanted)[:MOST_NAME_CHARS] or "tool"
    if name not in taken:
        return name
    longer = _UNFIT.sub("_", f"{label}_{wanted}")
    name, number = longer[:MOST_NAME_CHARS], 1
    while name in taken:
        number += 1
        name = f"{longer[: MOST_NAME_CHARS - 4]}_{number}"
    return name
