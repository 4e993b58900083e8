"""`/v1/realtime` over WebSocket: 101 for every attempt, faults in band (CONTRACT 4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import TypeAlias
from urllib.parse import parse_qs

import structlog
from starlette.types import Receive, Scope, Send

from gateway.identity.principal import Principal
from gateway.ingress.wanted import wanted_session
from gateway.ingress.websocket.credentials import Handshake, read_handshake
from gateway.ingress.websocket.protocol import FRAMES, FramedWebSocket
from gateway.ingress.websocket.readings import reading_of
from gateway.ingress.websocket.relay_reading import RelayReading
from gateway.ingress.websocket.sideband import deny_unknown_call, serve_sideband
from gateway.ingress.websocket.socket import Socket
from gateway.services import Services
from gateway.sessions.call_admission import attachable_call
from gateway.sessions.calls import UnknownCall
from gateway.sessions.dialects import DialectName
from gateway.sessions.driver import SessionDriver
from gateway.sessions.encoding import fault_frame
from gateway.sessions.locale import locale_in
from gateway.sessions.opening import AnyConversation, open_session
from gateway.sessions.translation_opening import OpenedTranslation
from gateway.telemetry import metrics
from realtime.errors import (
    BetaShapeDisabled,
    ServerFault,
    WireFault,
)
from realtime.session.inputs import EndReason

AnyOpened: TypeAlias = AnyConversation | OpenedTranslation

_log = structlog.get_logger("websocket")


class RealtimeSocket:
    """The ASGI endpoint; raw, since starlette's layer costs 2 to 4 us a message."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        await receive()  # websocket.connect
        query = {
            key: values[-1] for key, values in parse_qs(scope["query_string"].decode()).items()
        }
        handshake = read_handshake(_first_of_each(scope["headers"]), scope["subprotocols"])
        if "call_id" in query:
            await self._attach(query["call_id"], handshake, scope["extensions"][FRAMES], send)
            return
        connection: FramedWebSocket = scope["extensions"][FRAMES]
        welcome = partial(connection.welcome, handshake.subprotocol)
        try:
            opened = await self._admit(query, handshake, welcome)
        except WireFault as fault:
            welcome()
            await self._refuse(send, fault)
            return
        except Exception:
            # Whatever breaks here (a database, say) is told like any fault, with the
            # code that SDKs take for a reason to try again.
            _log.exception("connect_failed")
            welcome()
            await self._refuse(send, ServerFault())
            return
        welcome()
        dialect: DialectName = "beta" if handshake.beta else "ga"
        await self._serve(opened, dialect, connection, send)

    async def _admit(
        self, query: Mapping[str, str], handshake: Handshake, welcome: Callable[[], None]
    ) -> AnyOpened:
        """Open what is asked for; the client is welcomed before anything is waited for.

        It is not welcomed at once, since an upstream can do its part meanwhile.
        """
        identity = self._services.identity
        principal = identity.recall(handshake.credential)
        if principal is None:
            welcome()
            principal = await identity.authenticate(handshake.credential)
        return await self._open(query, handshake, principal, welcome)

    async def _attach(
        self, call_id: str, handshake: Handshake, connection: FramedWebSocket, send: Send
    ) -> None:
        """Attach a sideband to a live call; 404 on the upgrade for any other (CONTRACT 4)."""
        accept = {"type": "websocket.accept", "subprotocol": handshake.subprotocol}
        place = ExitStack()
        try:
            principal = await self._services.identity.authenticate(handshake.credential)
            call = await attachable_call(self._services, call_id, principal)
            place.enter_context(call.room())
        except UnknownCall:
            await deny_unknown_call(send)
            return
        except WireFault as fault:
            await send(accept)
            await self._refuse(send, fault)
            return
        except Exception:
            _log.exception("connect_failed")
            await send(accept)
            await self._refuse(send, ServerFault())
            return
        with place:
            await send(accept)
            await serve_sideband(self._services, call, principal, connection, send)

    async def _refuse(self, send: Send, fault: WireFault) -> None:
        metrics.ERRORS.labels(fault.code or fault.type).inc()
        told = fault_frame(fault, self._services.ids("event"))
        await send({"type": "websocket.send", "text": told})
        code = fault.close_code or 4000
        await send({"type": "websocket.close", "code": code, "reason": fault.close_reason})

    async def _open(
        self,
        query: Mapping[str, str],
        handshake: Handshake,
        principal: Principal,
        welcome: Callable[[], None],
    ) -> AnyOpened:
        if handshake.beta:
            if not self._services.settings.beta_dialect:
                raise BetaShapeDisabled
            if "intent" in query:  # the beta's SDK cannot leave the model out
                query = {**query}
                query.pop("model", None)
        wanted = wanted_session(query, principal, self._services.registry)
        return await open_session(
            self._services,
            principal,
            kind=wanted.kind,
            model=wanted.model,
            engine=wanted.engine,
            locale=locale_in(query),
            wake_word=query.get("wake_word"),
            safety_identifier=handshake.safety_identifier,
            meanwhile=welcome,
        )

    async def _serve(
        self,
        opened: AnyOpened,
        dialect: DialectName,
        connection: FramedWebSocket,
        send: Send,
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            try:
                runner = opened.start(tasks.create_task, dialect=dialect)
                await self._converse(opened, runner, connection, send)
            finally:
                await opened.finish()

    async def _converse(
        self,
        opened: AnyOpened,
        runner: SessionDriver,
        connection: FramedWebSocket,
        send: Send,
    ) -> None:
        settings = self._services.settings
        socket = Socket(
            send,
            queue_bytes=settings.send_queue_bytes,
            send_timeout_s=settings.send_timeout_s,
            too_slow=lambda: _too_slow(opened),
            connection=connection,
            projection=opened.projection,
        )
        controller = runner.controllers.add(socket)
        runner.begin(controller)
        reading = reading_of(
            opened,
            controller,
            connection,
            lag_ms=settings.detection_lag_ms,
            dialect=opened.projection.dialect,
        )
        offer = reading.offer if isinstance(reading, RelayReading) else None
        connection.listen(reading.take, lambda: _left(opened, connection), offer)
        await socket.write()
        await runner.ended.wait()
        reading.close()


def _first_of_each(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers by name; starlette's look for each of them anew."""
    found: dict[str, str] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return found


def _left(opened: AnyOpened, connection: FramedWebSocket) -> None:
    reason = EndReason.CLIENT_CLOSED if connection.left else EndReason.CLIENT_VANISHED
    opened.runner.shutdown(reason, code=1000)


def _too_slow(opened: AnyOpened) -> None:
    metrics.SLOW_READERS.inc()
    opened.runner.shutdown(EndReason.CLIENT_TOO_SLOW, code=1008)
