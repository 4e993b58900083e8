"""The receiving side of a WebSocket: its frames are not read while the session is overloaded."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Final

from gateway.ingress.receiving import AnyOpened, Receiver
from gateway.ingress.websocket.protocol import Frame, FramedWebSocket
from gateway.sessions.dialects import GA, Dialect
from realtime.session.inputs import ControllerId

LAG_POLL_S: Final = 0.02
"""While a session is overloaded its socket is looked at this often."""


class Holding(Receiver[AnyOpened]):
    """Takes frames as they come; stops the socket while the session is overloaded."""

    def __init__(
        self,
        opened: AnyOpened,
        controller: ControllerId,
        socket: FramedWebSocket,
        *,
        dialect: Dialect = GA,
    ) -> None:
        super().__init__(opened, controller, dialect=dialect)
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._poll: asyncio.TimerHandle | None = None

    def take(self, frame: Frame) -> None:
        """Take one frame; never raises."""
        super().take(frame)
        if not self._runner.closed:
            self._hold()

    @abstractmethod
    def _overloaded(self) -> bool:
        """Say whether the socket should not be read for now."""

    def _hold(self) -> None:
        if self._poll is None and self._overloaded():
            self._socket.pause()
            self._poll = self._loop.call_later(LAG_POLL_S, self._look)

    def _look(self) -> None:
        self._poll = None
        if not self._runner.closed and self._overloaded():
            self._poll = self._loop.call_later(LAG_POLL_S, self._look)
        else:
            self._socket.resume()

    def close(self) -> None:
        """Look no more."""
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None
