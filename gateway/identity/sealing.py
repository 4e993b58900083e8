"""Takes the secrets out of a session that is stored with a client secret, and puts them back.

Only tools of MCP servers have any (CONTRACT 8.5): a token, headers.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.secrets.keyring import Keyring
from realtime.tools.mcp import SECRET_FIELDS

JsonObject = dict[str, Any]


def _place(row_id: str, project_id: str) -> str:
    return f"client_secrets|sealed|{row_id}|{project_id}"


def sealed_session(
    session: JsonObject, keyring: Keyring, *, row_id: str, project_id: str
) -> tuple[JsonObject, str | None]:
    """Return the session without its secrets, and these encrypted; None if there are none."""
    tools = session.get("tools")
    if not isinstance(tools, list):
        return session, None
    held = {
        str(place): {name: tool[name] for name in SECRET_FIELDS if name in tool}
        for place, tool in enumerate(tools)
        if tool.get("type") == "mcp" and any(name in tool for name in SECRET_FIELDS)
    }
    if not held:
        return session, None
    shown = [
        {name: value for name, value in tool.items() if name not in held.get(str(place), {})}
        for place, tool in enumerate(tools)
    ]
    sealed = keyring.seal(orjson.dumps(held), place=_place(row_id, project_id))
    return {**session, "tools": shown}, sealed


def opened_session(
    session: JsonObject, sealed: str | None, keyring: Keyring, *, row_id: str, project_id: str
) -> JsonObject:
    """Return a stored session with its secrets.

    Raises:
        Unreadable: they cannot be decrypted.
    """
    if sealed is None:
        return session
    held = orjson.loads(keyring.open(sealed, place=_place(row_id, project_id)))
    tools = [{**tool, **held.get(str(place), {})} for place, tool in enumerate(session["tools"])]
    return {**session, "tools": tools}
