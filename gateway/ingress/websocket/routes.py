"""Where the socket is mounted."""

from __future__ import annotations

from starlette.routing import BaseRoute, WebSocketRoute

from gateway.ingress.websocket.endpoint import RealtimeSocket
from gateway.services import Services


def routes(services: Services) -> list[BaseRoute]:
    """Return the socket's routes."""
    return [WebSocketRoute("/v1/realtime", RealtimeSocket(services))]
