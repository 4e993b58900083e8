"""Who reads a WebSocket of a conversation, whatever holds it."""

from __future__ import annotations

from typing import TypeAlias

from gateway.ingress.websocket.protocol import FramedWebSocket
from gateway.ingress.websocket.reading import Reading
from gateway.ingress.websocket.relay_reading import RelayReading
from gateway.sessions.dialects import GA, Dialect
from gateway.sessions.opening import AnyConversation
from gateway.sessions.relay_opening import OpenedRelay
from realtime.session.inputs import ControllerId

ConversationReading: TypeAlias = Reading | RelayReading


def reading_of(
    opened: AnyConversation,
    controller: ControllerId,
    connection: FramedWebSocket,
    *,
    lag_ms: int,
    dialect: Dialect = GA,
) -> ConversationReading:
    """Return what takes the socket's frames; `lag_ms` is how far recognition may be behind."""
    if isinstance(opened, OpenedRelay):
        return RelayReading(opened, controller, connection, dialect=dialect)
    return Reading(opened, controller, connection, dialect=dialect, lag_ms=lag_ms)
