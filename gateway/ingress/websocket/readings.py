"""Who reads a WebSocket, whatever session is behind it."""

from __future__ import annotations

from typing import TypeAlias

from gateway.ingress.websocket.protocol import FramedWebSocket
from gateway.ingress.websocket.reading import Reading, TranslationReading
from gateway.ingress.websocket.relay_reading import RelayReading
from gateway.sessions.calls import AnyCalled
from gateway.sessions.dialects import GA, Dialect
from gateway.sessions.relay_opening import OpenedRelay
from gateway.sessions.translation_opening import OpenedTranslation
from realtime.session.inputs import ControllerId

AnyReading: TypeAlias = Reading | RelayReading | TranslationReading


def reading_of(
    opened: AnyCalled,
    controller: ControllerId,
    connection: FramedWebSocket,
    *,
    lag_ms: int,
    dialect: Dialect = GA,
) -> AnyReading:
    """Return what takes the socket's frames; `lag_ms` is how far recognition may be behind."""
    if isinstance(opened, OpenedTranslation):
        return TranslationReading(opened, controller, connection, lag_ms=lag_ms)
    if isinstance(opened, OpenedRelay):
        return RelayReading(opened, controller, connection, dialect=dialect)
    return Reading(opened, controller, connection, dialect=dialect, lag_ms=lag_ms)
