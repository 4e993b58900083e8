"""The receiving side of a translation session's WebSocket: frames to inputs, in order."""

from __future__ import annotations

import asyncio

from gateway.ingress.translation_frames import TranslationFrameTaker
from gateway.ingress.websocket.protocol import Frame, FramedWebSocket
from gateway.ingress.websocket.reading import LAG_POLL_S
from gateway.sessions.translation_opening import OpenedTranslation
from realtime.session.inputs import ControllerId


class TranslationReading(TranslationFrameTaker):
    """Takes frames as they come; stops the socket while the session is overloaded."""

    def __init__(
        self,
        opened: OpenedTranslation,
        controller: ControllerId,
        socket: FramedWebSocket,
        *,
        lag_ms: int,
    ) -> None:
        super().__init__(opened, controller)
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
