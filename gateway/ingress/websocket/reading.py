"""The receiving side of a WebSocket: its frames are not read while the session is overloaded."""

from __future__ import annotations

import asyncio

from gateway.ingress.frames import FrameTaker
from gateway.ingress.websocket.protocol import Frame, FramedWebSocket
from gateway.sessions.dialects import GA, Dialect
from gateway.sessions.opening import OpenedSession
from realtime.session.inputs import ControllerId

LAG_POLL_S = 0.02
"""While a session is overloaded its socket is looked at this often."""


class Reading(FrameTaker):
    """Takes frames as they come; stops the socket while the session is overloaded."""

    def __init__(
        self,
        opened: OpenedSession,
        controller: ControllerId,
        socket: FramedWebSocket,
        *,
        lag_ms: int,
        dialect: Dialect = GA,
    ) -> None:
        super().__init__(opened, controller, dialect=dialect)
        self._socket = socket
        self._lag_ms = lag_ms
        self._loop = asyncio.get_running_loop()
        self._poll: asyncio.TimerHandle | None = None

    def take(self, frame: Frame) -> None:
        """Take one frame; never raises."""
        super().take(frame)
        if self._runner.closed:
            return
        if self._poll is None and self._runner.overloaded(lag_ms=self._lag_ms):
            self._socket.pause()
            self._poll = self._loop.call_later(LAG_POLL_S, self._look)

    def _look(self) -> None:
        self._poll = None
        if not self._runner.closed and self._runner.overloaded(lag_ms=self._lag_ms):
            self._poll = self._loop.call_later(LAG_POLL_S, self._look)
        else:
            self._socket.resume()

    def close(self) -> None:
        """Look no more."""
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None
