"""The receiving side of a WebSocket: frames to a session's inputs, in order."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.ingress.websocket.codec import append_audio, check_bounds, decoded, event_of
from gateway.ingress.websocket.protocol import Frame, FramedWebSocket
from gateway.sessions.dialects import GA, Dialect
from gateway.sessions.opening import OpenedSession
from realtime.errors import InvalidEvent, ServerFault, WireFault
from realtime.events.client import event_id_of
from realtime.session.inputs import ControllerId, FromClient, InvalidFromClient

LAG_POLL_S = 0.02
"""While a session is overloaded its socket is looked at this often."""


class Reading:
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
        self._opened = opened
        self._runner = opened.runner
        self._controller = controller
        self._socket = socket
        self._lag_ms = lag_ms
        self._dialect = dialect
        self._loop = asyncio.get_running_loop()
        self._poll: asyncio.TimerHandle | None = None

    def take(self, frame: Frame) -> None:
        """Take one frame; never raises."""
        if self._runner.closed:
            return
        data: Any = None
        try:
            if not isinstance(frame, str):
                raise InvalidEvent(
                    "Expected a text WebSocket message; binary frames are not supported."
                )
            data = decoded(frame)
            audio = append_audio(data)
            if audio is None:
                if self._dialect is not GA:
                    check_bounds(data)
                    data = self._dialect.incoming(data)
                self._event(data)
            else:
                self._runner.append(audio)
        except WireFault as fault:
            self._runner.post(InvalidFromClient(self._controller, fault, event_id_of(data)))
        except Exception:
            # The last line of defence of a session: a fault of ours in one
            # event is told as a server fault, logged, and the session goes on.
            self._opened.log.exception("event_failed")
            self._runner.post(InvalidFromClient(self._controller, ServerFault(), event_id_of(data)))
        if self._poll is None and self._runner.overloaded(lag_ms=self._lag_ms):
            self._socket.pause()
            self._poll = self._loop.call_later(LAG_POLL_S, self._look)

    def _event(self, data: Any) -> None:
        event = event_of(data)
        if isinstance(event, bytes):
            self._runner.append(event)
            return
        self._opened.observer.received(event.type, data, self._runner.now_ms())
        self._runner.post(FromClient(self._controller, event))

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
