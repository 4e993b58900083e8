"""Begins a session at an upstream: connect, hear `session.created`, configure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog
from websockets.exceptions import InvalidHandshake, WebSocketException

from gateway.engines.relay.beta_link import BetaLink
from gateway.engines.relay.endpoint import RelayEndpoint
from gateway.engines.relay.link import Link
from gateway.telemetry import metrics
from realtime.errors import WireFault
from realtime.relay.faults import is_about_account

CONFIGURE = "relay_configure"
"""The id of the event that configures a session."""

_OPERATORS: Final = ("invalid_model", "model_not_found")
"""Codes about the model, whose name there is the operator's."""

_log = structlog.get_logger("relay")


class UpstreamFault(Exception):
    """The upstream cannot be used; `reason` is a short word for the books, never for clients.

    `told` is what it said of the configuration it was given, which is the client's own doing.
    """

    def __init__(self, reason: str, *, told: WireFault | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.told = told


@dataclass(frozen=True, slots=True)
class Upstream:
    """A connection on which a session began; `created` is its `session.created`."""

    link: Link
    created: dict[str, Any]

    def lasts_ms(self) -> int | None:
        """Return how long the session may last from now on, where the upstream says so."""
        expires_at = self.created["session"].get("expires_at")
        if type(expires_at) is not int:
            return None
        left_ms = int((expires_at - time.time()) * 1000)
        return left_ms if left_ms > 0 else None


async def open_upstream(
    endpoint: RelayEndpoint,
    session: Mapping[str, Any] | None = None,
    *,
    warm: Upstream | None = None,
) -> Upstream:
    """Connect and begin a session, configured with `session`, within the connect timeout.

    A connection that is `warm` is only configured.

    Raises:
        UpstreamFault: it could not be.
    """
    try:
        async with asyncio.timeout(endpoint.connect_timeout_s):
            return await _open(endpoint, session, warm)
    except UpstreamFault as fault:
        if fault.told is not None:
            metrics.RELAY_CONNECT_FAILURES.labels("session").inc()
            _log.info("session_refused", code=fault.told.code, host=endpoint.host)
            raise
        reason = fault.reason
    except TimeoutError:
        reason = "timeout"
    except InvalidHandshake:
        reason = "handshake"
    except (OSError, WebSocketException):
        reason = "unreachable"
    if warm is not None:  # it went away as it was taken
        return await open_upstream(endpoint, session)
    metrics.RELAY_CONNECT_FAILURES.labels(reason).inc()
    _log.warning("upstream_refused", reason=reason, host=endpoint.host)
    raise UpstreamFault(reason)


async def _open(
    endpoint: RelayEndpoint, session: Mapping[str, Any] | None, warm: Upstream | None
) -> Upstream:
    kind = BetaLink if endpoint.speaks_beta else Link
    link = warm.link if warm is not None else await kind.open(endpoint)
    try:
        created = warm.created if warm is not None else await _created(link)
        if session is not None:
            update = {"type": "session.update", "event_id": CONFIGURE, "session": session}
            link.write(orjson.dumps(update).decode())
            created = {**created, "session": await _configured(link)}
    except BaseException:
        # Cancelled or refused: either way nobody else knows of the connection.
        await link.close()
        raise
    return Upstream(link, created)


async def _created(link: Link) -> dict[str, Any]:
    created = await _next(link)
    if created["type"] != "session.created" or not isinstance(created.get("session"), dict):
        raise UpstreamFault(_refusal(created))
    return created


async def _configured(link: Link) -> dict[str, Any]:
    while True:
        event = await _next(link)
        if event["type"] == "session.updated" and isinstance(event.get("session"), dict):
            return dict(event["session"])
        if event["type"] == "error":
            raise UpstreamFault(_refusal(event), told=_told(event))


def _told(event: Mapping[str, Any]) -> WireFault | None:
    """Return what the client may read of a refusal, None if it is none of its business.

    Nothing else was sent there, so that an error which names no event is about the session.
    """
    error = event.get("error")
    if not isinstance(error, dict) or error.get("event_id") not in {None, CONFIGURE}:
        return None
    message, code, param = (error.get(name) for name in ("message", "code", "param"))
    if error.get("type") != WireFault.type or code in _OPERATORS or is_about_account(error):
        return None
    return WireFault(str(message), code=_text_or_none(code), param=_text_or_none(param))


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _refusal(event: Mapping[str, Any]) -> str:
    error = event.get("error")
    known = isinstance(error, dict) and error.get("code") in ("invalid_api_key", "invalid_model")
    return str(error["code"]) if known and isinstance(error, dict) else "refused"


async def _next(link: Link) -> dict[str, Any]:
    text = await link.next_text()
    try:
        event = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        raise UpstreamFault("garbage") from None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise UpstreamFault("garbage")
    return event
