"""Logs: one line per event, JSON by default, nothing secret or spoken in them."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any, Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor

DENIED = frozenset(
    {
        "authorization",
        "sec-websocket-protocol",
        "client_secret",
        "credential",
        "sdp",
        "instructions",
        "transcript",
        "text",
        "audio",
    }
)
"""Keys whose values are never logged."""

CHATTY = (
    "uvicorn.error", "alembic", "websockets", "aiosqlite", "openai", "httpx2", "httpcore2",
)  # fmt: skip
"""Libraries that log too much; at debug even rows, bodies and headers: what was said, and keys."""

SILENT = ("mcp.client", "mcp.shared", "client")
"""A library's loggers that tell what servers sent, with the fault; we log that there was one."""

_SECRETS = re.compile(r"(sk-|ek_|Bearer\s+|eyJ)[A-Za-z0-9._\-]{6,}")


def censor(_logger: object, _name: str, event: EventDict) -> EventDict:
    """Drop denied keys and mask what looks like a credential, wherever it stands."""
    return {key: _shown(key, value) for key, value in event.items()}


def _shown(key: object, value: Any) -> Any:
    if isinstance(key, str) and key.lower() in DENIED:
        return "<left out>"
    match value:
        case str():
            return _SECRETS.sub(r"\1***", value)
        case bytes():
            return f"<{len(value)} bytes>"
        case dict():
            return {name: _shown(name, part) for name, part in value.items()}
        case list() | tuple():
            return [_shown(None, part) for part in value]
        case _:
            return value


def _rendered(value: Any, **_options: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def configure(*, level: str, form: Literal["json", "text"]) -> None:
    """Send our logs and those of libraries to stderr, in one form."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.format_exc_info,
        censor,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_rendered)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "websockets", "alembic"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    for silent in SILENT:
        logging.getLogger(silent).setLevel(logging.CRITICAL + 1)
