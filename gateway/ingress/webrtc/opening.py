"""Opens WebRTC calls and serves them to their end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import structlog
from aiortc import RTCDataChannel

from gateway.identity.principal import Principal
from gateway.ingress.taking import Taker, taker_of
from gateway.ingress.wanted import wanted_session
from gateway.ingress.webrtc.channel import Channel
from gateway.ingress.webrtc.leg import WebRtcLeg
from gateway.ingress.webrtc.network import Network
from gateway.ingress.webrtc.offer import MOST_MESSAGE_BYTES, checked_offer
from gateway.ingress.webrtc.pacer import Pacer
from gateway.ingress.webrtc.peer import Peer
from gateway.services import Services
from gateway.sessions.admission import Allowed
from gateway.sessions.call_admission import admit_call
from gateway.sessions.call_book import CallBook
from gateway.sessions.calls import AnyCalled, Call
from gateway.sessions.dialects import DialectName
from gateway.sessions.encoding import frame
from gateway.sessions.locale import locale_in
from gateway.sessions.opening import SessionKind, open_session
from gateway.telemetry import metrics
from realtime.errors import ServerFault
from realtime.events.server import ErrorBody, ErrorEvent
from realtime.session.inputs import EndReason

FLUSH_S: Final = 1.0
"""How long the last events of a call may take to leave."""

INGRESS: Final = "webrtc"
KINDS: Final = ("transcription", "translation")
"""Kinds of sessions beside the usual one."""

_log = structlog.get_logger("calls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A call that began."""

    call_id: str
    sdp: str


@dataclass(frozen=True, slots=True)
class AskedCall:
    """A call that policy lets be made."""

    principal: Principal
    query: Mapping[str, str]
    leave: Allowed
    caller: str | None
    """The address that the offer came from."""
    safety_identifier: str


class CallOpening:
    """Answers offers; each call is a task of the process's."""

    kind: SessionKind | Literal["translation"] | None = None
    """The one kind of session that is opened; None for whatever is asked for."""

    def __init__(
        self,
        services: Services,
        network: Network,
        pacer: Pacer,
        *,
        dialect: DialectName = "ga",
    ) -> None:
        self._services = services
        self._dialect: DialectName = dialect
        self._network = network
        self._pacer = pacer

    async def answer(
        self,
        principal: Principal,
        query: Mapping[str, str],
        offer: str,
        *,
        safety_identifier: str = "",
        caller: str | None = None,
    ) -> Answered:
        """Admit a call, prepare its media and its session, and begin.

        `caller` is the address that the offer came from.

        Raises:
            WireFault: it cannot be, or may not; nothing was begun.
        """
        book = self._book(principal, query)
        with book.beginning():
            leave = await admit_call(
                self._services,
                principal,
                call_id=book.call_id,
                ingress=INGRESS,
                kind=book.kind,
                model=book.model,
            )
            asked = AskedCall(principal, query, leave, caller, safety_identifier)
            sdp = await self._begin(book, asked, checked_offer(offer))
        book.answered()
        return Answered(call_id=book.call_id, sdp=sdp)

    def _book(self, principal: Principal, query: Mapping[str, str]) -> CallBook:
        bound = principal.session or {}
        return CallBook(
            self._services,
            principal,
            ingress=INGRESS,
            kind=self.kind or _kind(str(bound.get("type") or query.get("intent"))),
            model=str(bound.get("model") or query.get("model") or ""),
        )

    async def _begin(self, book: CallBook, asked: AskedCall, offer: str) -> str:
        services = self._services
        with services.calls.room():
            opened = await self._session(asked)
            book.session(opened.session_id)
            call = Call(principal=asked.principal, opened=opened, book=book)
            try:
                leg = WebRtcLeg(self._pacer)
                peer = Peer(leg, self._network, caller=asked.caller)
                serving = _Serving(services, call, peer, leg, self._dialect)
                services.calls.add(call, serving.run())
            except BaseException:
                await opened.finish()
                raise
        await serving.started.wait()
        if not serving.serves:
            raise ServerFault
        try:
            return await serving.peer.answer(offer)
        except BaseException:
            if call.over:  # it was ended meanwhile: no fault of the offer's
                raise ServerFault from None
            call.end(EndReason.REFUSED)
            raise

    async def _session(self, asked: AskedCall) -> AnyCalled:
        services, query = self._services, asked.query
        wanted = wanted_session(query, asked.principal, services.registry)
        return await open_session(
            services,
            asked.principal,
            kind=wanted.kind,
            model=wanted.model,
            engine=wanted.engine,
            locale=locale_in(query),
            wake_word=query.get("wake_word"),
            safety_identifier=asked.safety_identifier,
            leave=asked.leave,
        )


def _kind(asked: str) -> str:
    return asked if asked in KINDS else "realtime"


class _Serving:
    """One call from its admission to its end."""

    def __init__(
        self, services: Services, call: Call, peer: Peer, leg: WebRtcLeg, dialect: DialectName
    ) -> None:
        self.peer = peer
        self.started = asyncio.Event()
        self.serves = False
        """The session could begin."""
        self._services = services
        self._call = call
        self._leg = leg
        self._dialect = dialect
        self._loop = asyncio.get_running_loop()
        self._channel: RTCDataChannel | None = None
        self._was_connected = False
        peer.on_channel = self._joined
        peer.on_connected = self._connected
        peer.on_flooded = lambda: self._end_soon(EndReason.CLIENT_FLOODED)
        peer.on_gone = self._gone
        self._half_open = self._loop.call_later(
            services.settings.call_connect_timeout_s,
            lambda: call.end(EndReason.NEVER_CONNECTED),
        )

    async def run(self) -> None:
        """Serve the call; never raises."""
        opened = self._call.opened
        try:
            async with asyncio.TaskGroup() as tasks:
                runner = opened.start(
                    tasks.create_task, dialect=self._dialect, leg=self._leg, transport=INGRESS
                )
                self.serves = True
                self.started.set()
                await runner.ended.wait()
                self._over()
        except Exception:  # noqa: BLE001 -- it is told and logged; a call's fault is its own
            # A fault of one call is its own: the group that it lives in is all calls'.
            _log.exception("call_failed", call_id=self._call.call_id)
        finally:
            self.started.set()
            self._half_open.cancel()
            self._over()
            await self._flush()
            await opened.finish()
            await self.peer.close()

    def _over(self) -> None:
        self._services.calls.remove(self._call.call_id)
        self._call.book.ended(self._call.opened.end_reason or EndReason.SERVER_FAULT)

    async def _flush(self) -> None:
        """Let the last events leave: an expiry is told before the end (CONTRACT 14)."""
        until = self._loop.time() + FLUSH_S
        while self._leaving() and self._loop.time() < until:
            await asyncio.sleep(0.02)

    def _leaving(self) -> bool:
        """Say whether events are on their way, or the last words of who ends in good order."""
        if self._channel is None or self._channel.readyState != "open":
            return False
        ended = self._call.book.end_reason is EndReason.CLIENT_CLOSED
        return bool(self._channel.bufferedAmount) or (ended and self._leg.waits)

    def _connected(self) -> None:
        if not self._was_connected:
            self._was_connected = True
            self._call.book.connected()
        if not self.peer.expects_channel:
            self._half_open.cancel()
            self._call.begin()

    def _gone(self, vanished: bool) -> None:
        if self.peer.relay_lost:
            self._call.end(EndReason.RELAY_LOST)
        elif not vanished:
            self._call.end(EndReason.CLIENT_CLOSED)
        elif self._was_connected:
            self._call.end(EndReason.CLIENT_VANISHED)
        else:
            self._call.end(EndReason.CONNECT_FAILED)

    def _joined(self, channel: RTCDataChannel) -> None:
        if self._channel is not None:
            return
        self._half_open.cancel()
        self._channel = channel
        runner = self._call.opened.runner
        # Audio goes by RTP.
        projection = replace(self._call.opened.projection, audio=False)
        controller = Channel(
            channel,
            projection,
            most_bytes=self._services.settings.send_queue_bytes,
            longest_bytes=self.peer.most_message_bytes,
            too_slow=self._too_slow,
            left_out=self._left_out,
        )
        number = self._call.join(controller)
        taker = taker_of(self._call.opened, number, dialect=projection.dialect)
        channel.on("message", lambda message: self._take(taker, message))
        channel.on("close", lambda: None if runner.closed else self.peer.left())

    def _take(self, taker: Taker, message: str | bytes) -> None:
        """Take an event; a channel cannot be paused, so who floods it has the call ended."""
        if len(message) > MOST_MESSAGE_BYTES or self._call.opened.runner.flooded:
            self._end_soon(EndReason.CLIENT_FLOODED)
            return
        taker.take(message)

    def _too_slow(self) -> None:
        metrics.SLOW_READERS.inc()
        self._end_soon(EndReason.CLIENT_TOO_SLOW)

    def _end_soon(self, reason: EndReason) -> None:
        self._loop.call_soon(lambda: self._call.end(reason, code=1008))

    def _left_out(self) -> str:
        """Return what is sent instead of an event that cannot be (DECISIONS 2.6)."""
        body = ErrorBody(
            type="server_error",
            code="event_too_large",
            message="An event was larger than this data channel takes, and was left out.",
            param=None,
            event_id=None,
        )
        return frame(ErrorEvent(event_id=self._services.ids("event"), error=body))
