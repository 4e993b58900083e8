"""Where the socket is mounted."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.ingress.websocket.endpoint import RealtimeSocket
from gateway.ingress.websocket.translations import TranslationSocket
from gateway.services import Services


def routes(services: Services) -> list[BaseRoute]:
    """Return the sockets' routes."""
    return [
        WebSocketRoute("/v1/realtime", RealtimeSocket(services)),
        WebSocketRoute("/v1/realtime/translations", TranslationSocket(services)),
    ]


class SocketsFirst:
    """Takes a socket to its endpoint past the application's layers, everything else through them.

    None of the layers does anything for a socket, and each keeps a frame for as
    long as it lasts: 5 KiB of an idle session.
    """

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._sockets: dict[str, ASGIApp] = {
            route.path: route.app
            for route in app.routes
            if isinstance(route, WebSocketRoute) and not route.param_convertors
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        app: ASGIApp = self._app
        if scope["type"] == "websocket":
            app = self._sockets.get(scope["path"], app)
        await app(scope, receive, send)
