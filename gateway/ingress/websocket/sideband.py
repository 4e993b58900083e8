"""A sideband: a WebSocket that controls a live call beside its caller (CONTRACT 14).

It sees the call's events but for audio, and may send every client event. When
it leaves, or reads too slowly, the call goes on; when the call ends, it is
closed, and not with a code that SDKs dial anew for: nothing is there any more.
"""

from __future__ import annotations

from starlette.types import Send

from gateway.ingress.websocket.protocol import FramedWebSocket
from gateway.ingress.websocket.readings import reading_of
from gateway.ingress.websocket.socket import Socket
from gateway.sessions.calls import Call
from gateway.sessions.projection import Projection
from gateway.settings import Settings
from gateway.telemetry import metrics
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
    settings: Settings, call: Call, connection: FramedWebSocket, send: Send
) -> None:
    """Serve the socket until it leaves or the call ends."""
    controllers = call.opened.runner.controllers
    number: ControllerId | None = None

    def leave() -> None:
        if number is not None:
            controllers.remove(number)
        socket.close(LEFT_CODE, "")

    def too_slow() -> None:
        metrics.SLOW_READERS.inc()
        if number is not None:
            controllers.remove(number)

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
    lag_ms = settings.detection_lag_ms
    reading = reading_of(call.opened, number, connection, lag_ms=lag_ms)
    connection.listen(reading.take, leave)
    try:
        await socket.write()
    finally:
        reading.close()
        controllers.remove(number)
