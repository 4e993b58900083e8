"""What every REST answer carries, and what every request must keep to; pure ASGI."""

from __future__ import annotations

import asyncio
import secrets
import time

import structlog
from opentelemetry import trace
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.faults import BodyTooLarge, BodyTooSlow, envelope
from gateway.api.rates import show_limits
from gateway.limits.port import RateLimits
from gateway.telemetry import metrics, tracing
from realtime.errors import ServerFault

API_VERSION = "2020-10-01"
REQUEST_ID = "request_id"
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})

_log = structlog.get_logger("access")
_faults = structlog.get_logger("api")


class PlatformHeaders:
    """Gives each request an id, a span, a log line and the platform's headers (CONTRACT 3)."""

    def __init__(self, app: ASGIApp, *, limits: RateLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = f"req_{secrets.token_hex(16)}"
        scope.setdefault("state", {})[REQUEST_ID] = request_id
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["openai-version"] = API_VERSION
                spent_ms = int((time.perf_counter() - started) * 1000)
                headers["openai-processing-ms"] = str(spent_ms)
                if organisation := scope["state"].get("organisation_id"):
                    headers["openai-organization"] = organisation
                headers["x-content-type-options"] = "nosniff"
                show_limits(scope, headers, self._limits)
            await send(message)

        with tracing.tracer().start_as_current_span(
            tracing.REQUEST, kind=trace.SpanKind.SERVER
        ) as span:
            span.set_attribute(tracing.REQUEST_ID, request_id)
            await self._app(scope, receive, send_with_headers)
            span.set_attribute(tracing.STATUS, status)
        route = getattr(scope.get("route"), "path", "unknown")
        metrics.HTTP_REQUESTS.labels(route, str(status)).inc()
        # Probes come every few seconds for ever; a line each would bury the rest.
        tell = _log.debug if route in PROBES else _log.info
        tell("request", request_id=request_id, method=scope["method"], route=route, status=status)


class BoundedBodies:
    """Refuses bodies over the bound; the rest is read away, so that the answer arrives.

    An answer sent while the client still writes would be lost in a connection
    reset, so up to `DRAIN_FACTOR` times the bound is read and thrown away.
    """

    DRAIN_FACTOR = 8

    def __init__(self, app: ASGIApp, *, most_bytes: int, timeout_s: float) -> None:
        self._app = app
        self._most = most_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await self._read(receive)
        except TimeoutError:
            await envelope(BodyTooSlow(), headers={"connection": "close"})(scope, receive, send)
            return
        except ClientDisconnect:
            return
        if body is None:
            await envelope(BodyTooLarge(self._most))(scope, receive, send)
            return
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """Return the body, None if it is over the bound.

        Raises:
            ClientDisconnect: the client left in the middle of it.
        """
        parts: list[bytes] = []
        size = 0
        while size <= self._most * self.DRAIN_FACTOR:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part = message.get("body", b"")
            size += len(part)
            if size <= self._most:
                parts.append(part)
            if not message.get("more_body", False):
                break
        return b"".join(parts) if size <= self._most else None


class NothingInternal:
    """Answers what nobody caught; stands innermost, so that the answer has every header."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            # The last line of defence of a request: the client gets the
            # contract's sentence, and the log has the rest.
            _faults.exception("request_failed", request_id=scope["state"][REQUEST_ID])
            if started:
                raise
            await envelope(ServerFault())(scope, receive, send)
