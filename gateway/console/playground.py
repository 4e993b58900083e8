"""`/playground`: talk to a model, see every event; static pages, and keys minted for them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.api.body import json_object
from gateway.api.client_secrets import ClientSecretRequest
from gateway.api.faults import NotFound, json_response
from gateway.api.minting import mint
from gateway.console.operator import NotAnOperator, check_origin, current_operator, keep_session
from gateway.engines.registry import ECHO_MODEL
from gateway.services import Services
from realtime.events.faults import fault_of
from realtime.events.session import RealtimeSessionIn

PAGES: Final = Path(__file__).parent / "static" / "playground"
INDEX: Final = "index.html"
KEY_S: Final = 60
"""A page's key opens one session, at once."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "media-src 'self' blob:; img-src 'self' data:; worker-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "microphone=(self), camera=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class Playground:
    """The pages and what they ask for."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def enter(self, request: Request) -> Response:
        """Turn a one-time link into a session."""
        if request.method == "HEAD":  # a preview must not use the link up
            return Response(headers=HEADERS)
        session = self._services.operators.enter(request.path_params["link"])
        if session is None:
            raise NotAnOperator
        response = RedirectResponse("/playground", status_code=303, headers=HEADERS)
        keep_session(request, response, session)
        return response

    async def page(self, request: Request) -> Response:
        """Return the page."""
        current_operator(self._services, request)
        return FileResponse(PAGES / INDEX, headers=HEADERS)

    async def static(self, request: Request) -> Response:
        """Return a part of the page; they hold no secrets."""
        path = PAGES / request.path_params["name"]
        if path.name not in _NAMES:
            raise NotFound(request.method, request.url.path)
        return FileResponse(path, headers=HEADERS)

    async def options(self, request: Request) -> Response:
        """Return what can be chosen."""
        principal = current_operator(self._services, request)
        registry = self._services.registry
        transcribing = set(registry.transcription_models())
        models = [
            name for name in registry.names(principal) if name not in {*transcribing, ECHO_MODEL}
        ]
        voices = list(registry.transcriber.traits().voices)
        return json_response({"models": models, "voices": voices}, headers=HEADERS)

    async def secret(self, request: Request) -> Response:
        """Mint a key for one session, as any client's backend would."""
        check_origin(request)
        principal = current_operator(self._services, request)
        request.state.organisation_id = principal.organisation_id
        data = await json_object(request)
        try:
            asked = ClientSecretRequest.model_validate(data)
        except ValidationError as error:
            raise fault_of(error, data) from None
        minted = await mint(
            self._services,
            request,
            principal,
            session=asked.session or RealtimeSessionIn(type="realtime"),
            sent=data.get("session") or {"type": "realtime"},
            ttl_s=KEY_S,
        )
        return json_response(
            {"value": minted.value, "expires_at": minted.expires_at}, headers=HEADERS
        )


_NAMES: Final = frozenset(path.name for path in PAGES.iterdir())


def routes(services: Services) -> list[BaseRoute]:
    """Return the playground's routes."""
    playground = Playground(services)
    return [
        Route("/playground", playground.page, methods=["GET"]),
        Route("/playground/enter/{link}", playground.enter, methods=["GET"]),
        Route("/playground/options", playground.options, methods=["GET"]),
        Route("/playground/secret", playground.secret, methods=["POST"]),
        Route("/playground/static/{name}", playground.static, methods=["GET"]),
    ]
