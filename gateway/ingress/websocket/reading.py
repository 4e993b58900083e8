"""The receiving sides of the WebSockets of sessions that we recognise speech for."""

from __future__ import annotations

from gateway.ingress.frames import FrameTaker
from gateway.ingress.translation_frames import TranslationFrameTaker
from gateway.ingress.websocket.holding import Holding
from gateway.ingress.websocket.protocol import FramedWebSocket
from gateway.sessions.dialects import GA, Dialect
from gateway.sessions.opening import OpenedSession
from gateway.sessions.translation_opening import OpenedTranslation
from realtime.session.inputs import ControllerId


class Reading(Holding[OpenedSession], FrameTaker):
    """Stops the socket of a session whose recognition is further behind than `lag_ms`."""

    def __init__(
        self,
        opened: OpenedSession,
        controller: ControllerId,
        socket: FramedWebSocket,
        *,
        lag_ms: int,
        dialect: Dialect = GA,
    ) -> None:
        super().__init__(opened, controller, socket, dialect=dialect)
        self._lag_ms = lag_ms

    def _overloaded(self) -> bool:
        return self._runner.overloaded(lag_ms=self._lag_ms)


class TranslationReading(Holding[OpenedTranslation], TranslationFrameTaker):
    """The same for a translation."""

    def __init__(
        self,
        opened: OpenedTranslation,
        controller: ControllerId,
        socket: FramedWebSocket,
        *,
        lag_ms: int,
    ) -> None:
        super().__init__(opened, controller, socket)
        self._lag_ms = lag_ms

    def _overloaded(self) -> bool:
        return self._runner.overloaded(lag_ms=self._lag_ms)
