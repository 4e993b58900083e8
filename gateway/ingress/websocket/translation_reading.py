"""The receiving side of a translation session's WebSocket: frames to inputs, in order."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.ingress.codec import (
    TRANSLATION_APPEND,
    append_audio,
    decoded,
    translation_event_of,
)
from gateway.ingress.websocket.protocol import Frame, FramedWebSocket
from gateway.ingress.websocket.reading import LAG_POLL_S
from gateway.sessions.translation_opening import OpenedTranslation
from realtime.errors import InvalidEvent, ServerFault, WireFault
from realtime.events.client import event_id_of
from realtime.session.inputs import ControllerId, InvalidFromClient
from realtime.translation.inputs import TranslationFromClient


class TranslationReading:
    """Takes frames as they come; stops the socket while the session is overloaded."""

    def __init__(
        self,
        opened: OpenedTranslation,
        controller: ControllerId,
        socket: FramedWebSocket,
        *,
        lag_ms: int,
    ) -> None:
        self._opened = opened
        self._runner = opened.runner
        self._controller = controller
        self._socket = socket
        self._lag_ms = lag_ms
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
            audio = append_audio(data, TRANSLATION_APPEND)
            if audio is None:
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
        event = translation_event_of(data)
        if isinstance(event, bytes):
            self._runner.append(event)
            return
        self._opened.observer.received(event.type, data, self._runner.now_ms())
        self._runner.post(TranslationFromClient(self._controller, event))

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
