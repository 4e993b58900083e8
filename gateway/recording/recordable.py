"""What of an event may be recorded: no media, no secrets, nothing a database refuses."""

from __future__ import annotations

from typing import Any

LEFT_OUT = frozenset({"audio", "image_url"})
"""Keys of events whose values are not recorded, only their length."""

SECRET = frozenset({"authorization", "headers"})
"""Keys of tools of MCP servers whose values are secrets (CONTRACT 8.5)."""

REMOVED = "<removed>"


def recordable(value: Any) -> Any:
    """Return a JSON value without media, without secrets and without NUL characters.

    PostgreSQL takes no NUL, neither in text nor in JSON. Secrets are looked for
    everywhere, since an event that is no valid one is recorded too; only what
    describes parameters by these names stays (`properties` of a JSON schema).
    """
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, dict):
        return {recordable(key): _part(key, part) for key, part in value.items()}
    if isinstance(value, list):
        return [recordable(part) for part in value]
    return value


def _part(key: Any, part: Any) -> Any:
    if key in LEFT_OUT and isinstance(part, str):
        return f"<{len(part)} characters>"
    if isinstance(key, str) and key.lower() in SECRET and part is not None:
        return REMOVED
    if key == "properties" and isinstance(part, dict):
        return {recordable(name): recordable(schema) for name, schema in part.items()}
    return recordable(part)
