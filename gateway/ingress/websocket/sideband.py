"""A sideband: a WebSocket that controls a live call beside its caller (CONTRACT 14).

It sees the call's events but for audio, and may send every client event. When
it leaves, or reads too slowly, the call goes on; when the call ends, it is
closed, and not with a code that SDKs dial anew for: nothing is there any more.
"""

from __future__ import annotations

from starlette.types import Send

from gateway.identity.principal import Principal
from gateway.ingress.websocket.protocol import Frame, FramedWebSocket
from gateway.ingress.websocket.readings import reading_of
from gateway.ingress.websocket.socket import Socket
from gateway.services import Services
from gateway.sessions.calls import Call
from gateway.sessions.encoding import fault_frame
from gateway.sessions.projection import Projection
from gateway.telemetry import metrics
from realtime.errors import WireFault
from realtime.session.inputs import ControllerId

BESIDE = Projection(audio=False)
LEFT_CODE = 1000
DIALLED_ANEW = frozenset({1001, 1012})
"""What a session of its own is closed with at its expiry and at a restart."""


class _Beside(Socket):
    """The sending side of a sideband."""

    def close(self, code: int, reason: str) -> None:
        """Close after what is queued."""
        super().close(LEFT_CODE if code in DIALLED_ANEW else code, reason)


async def deny_unknown_call(send: Send) -> None:
    """Answer the upgrade with 404."""
    start = {"status": 404, "headers": [(b"content-length", b"0")]}
    await send({"type": "websocket.http.response.start", **start})
    await send({"type": "websocket.http.response.body", "body": b""})


async def serve_sideband(
    services: Services, call: Call, principal: Principal, connection: FramedWebSocket, send: Send
) -> None:
    """Serve the socket until it leaves, its key is revoked or the call ends."""
    settings, controllers = services.settings, call.opened.runner.controllers
    number: ControllerId | None = None
    parted = False

    def forget() -> None:
        if number is not None:
            controllers.remove(number)

    def leave() -> None:
        forget()
        socket.close(LEFT_CODE, "")

    def part(fault: WireFault) -> None:
        nonlocal parted
        parted = True
        forget()
        socket.send(fault_frame(fault, services.ids("event")))
        socket.close(fault.close_code or LEFT_CODE, fault.close_reason)

    def too_slow() -> None:
        metrics.SLOW_READERS.inc()
        forget()

    def take(frame: Frame) -> None:
        if not parted:
            reading.take(frame)

    socket = _Beside(
        send,
        queue_bytes=settings.send_queue_bytes,
        send_timeout_s=settings.send_timeout_s,
        too_slow=too_slow,
        connection=connection,
        projection=BESIDE,
    )
    number = call.join(socket)
    if call.over:
        leave()
    reading = reading_of(call.opened, number, connection, lag_ms=settings.detection_lag_ms)
    connection.listen(take, leave)
    try:
        with services.directory.beside(principal, part):
            await socket.write()
    finally:
        reading.close()
        forget()
