"""The receiving side of a relayed session's WebSocket: not read while the upstream is behind."""

from __future__ import annotations

import asyncio

from gateway.ingress.relay_frames import RelayFrameTaker
from gateway.ingress.websocket.protocol import Frame, FramedWebSocket
from gateway.ingress.websocket.reading import LAG_POLL_S
from gateway.sessions.dialects import GA, Dialect
from gateway.sessions.frames import is_append_on_wire
from gateway.sessions.relay_opening import OpenedRelay
from realtime.session.inputs import ControllerId


class RelayReading(RelayFrameTaker):
    """Takes frames as they come; stops the socket while the upstream does not keep up."""

    def __init__(
        self,
        opened: OpenedRelay,
        controller: ControllerId,
        socket: FramedWebSocket,
        *,
        dialect: Dialect = GA,
    ) -> None:
        super().__init__(opened, controller, dialect=dialect)
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._poll: asyncio.TimerHandle | None = None

    def offer(self, payload: bytes) -> bool:
        """Take a frame that is input audio and may pass, before it is decoded; never raises."""
        if not is_append_on_wire(payload):
            return False
        behind = self._runner.pass_encoded(payload)
        if behind is None:
            return False
        if behind:
            self._hold()
        return True

    def take(self, frame: Frame) -> None:
        """Take one frame; never raises."""
        super().take(frame)
        self._hold()

    def _hold(self) -> None:
        if self._poll is None and self._runner.overloaded():
            self._socket.pause()
            self._poll = self._loop.call_later(LAG_POLL_S, self._look)

    def _look(self) -> None:
        self._poll = None
        if not self._runner.closed and self._runner.overloaded():
            self._poll = self._loop.call_later(LAG_POLL_S, self._look)
        else:
            self._socket.resume()

    def close(self) -> None:
        """Look no more."""
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None
