"""uvicorn's WebSocket, and a way to let go of a peer that does not read.

uvicorn ends a connection with `transport.close()`, which first flushes what is
unsent. A peer that reads nothing, or is gone without a FIN, never lets that
end; so after a bound the transport is aborted (RFC 6455, section 7.1.7, lets
an endpoint that fails a connection drop it).
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

ABORT = "voiceengine.abort"
"""The ASGI extension: a function that drops the connection at once."""

LINGER_S = 5.0
"""How long a connection may take to flush after its session ended."""


class LettingGo(WebSocketsSansIOProtocol):
    """uvicorn's own socket class with a bounded end."""

    _linger: asyncio.TimerHandle | None = None

    def handle_connect(self, event: Request) -> None:
        """Offer the extension to the application."""
        super().handle_connect(event)
        if hasattr(self, "scope"):  # no scope: the handshake was refused
            self.scope["extensions"][ABORT] = self.abort  # type: ignore[assignment]

    def abort(self) -> None:
        """Drop the connection; what is unsent is lost."""
        if not self.disconnected:
            self.transport.abort()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Bound the flush that follows the application's end."""
        super().on_task_complete(task)
        if not self.disconnected:
            self._linger = self.loop.call_later(LINGER_S, self.abort)

    def keepalive_timeout(self) -> None:
        """Drop a peer that answers no pings; it would not read a CLOSE either."""
        super().keepalive_timeout()
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the bound."""
        super().connection_lost(exc)
        if self._linger is not None:
            self._linger.cancel()
