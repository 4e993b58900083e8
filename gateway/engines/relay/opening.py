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
from gateway.engines.relay.dialling import Dial
from gateway.engines.relay.endpoint import RelayEndpoint
from gateway.engines.relay.handshake import HandshakeFault
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


class Opening:
    """An upstream that is being opened, from now on; `done`, or `abandon` it.

    A session that is given is what it is configured with; a connection that is `warm` is
    only configured.
    """

    def __init__(
        self,
        endpoint: RelayEndpoint,
        session: Mapping[str, Any] | None = None,
        *,
        warm: Upstream | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._session = session
        self._from: Upstream | Dial = Dial(endpoint) if warm is None else warm

    async def done(self) -> Upstream:
        """Return the upstream once its session began, within the connect timeout.

        Raises:
            UpstreamFault: it did not.
        """
        endpoint = self._endpoint
        try:
            async with asyncio.timeout(endpoint.connect_timeout_s):
                return await self._begun()
        except UpstreamFault as fault:
            if fault.told is not None:
                metrics.RELAY_CONNECT_FAILURES.labels("session").inc()
                _log.info("session_refused", code=fault.told.code, host=endpoint.host)
                raise
            reason = fault.reason
        except TimeoutError:
            reason = "timeout"
        except (HandshakeFault, InvalidHandshake):
            reason = "handshake"
        except (OSError, WebSocketException):
            reason = "unreachable"
        if isinstance(self._from, Upstream):  # it went away as it was taken
            return await open_upstream(endpoint, self._session)
        metrics.RELAY_CONNECT_FAILURES.labels(reason).inc()
        _log.warning("upstream_refused", reason=reason, host=endpoint.host)
        raise UpstreamFault(reason)

    async def _begun(self) -> Upstream:
        created: dict[str, Any] | None = None
        if isinstance(self._from, Upstream):
            link, created = self._from.link, self._from.created
        else:
            kind = BetaLink if self._endpoint.speaks_beta else Link
            link = kind(await self._from.done())
        try:
            created = created or await _created(link)
            if self._session is not None:
                update = {
                    "type": "session.update",
                    "event_id": CONFIGURE,
                    "session": self._session,
                }
                link.write(orjson.dumps(update).decode())
                created = {**created, "session": await _configured(link)}
        except BaseException:
            # Cancelled or refused: either way nobody else knows of the connection.
            await link.close()
            raise
        return Upstream(link, created)

    async def abandon(self) -> None:
        """Close what is open; for one that is not `done`."""
        if isinstance(self._from, Upstream):
            self._from.link.abort()
        else:
            await self._from.abandon()


async def open_upstream(
    endpoint: RelayEndpoint, session: Mapping[str, Any] | None = None
) -> Upstream:
    """Open an upstream and wait for it; see `Opening`."""
    return await Opening(endpoint, session).done()


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
