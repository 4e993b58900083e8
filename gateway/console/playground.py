"""`/playground`: talk to a model, see every event; static pages, and keys minted for them."""

from __future__ import annotations

import time
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.api.body import json_object
from gateway.api.client_secrets import secret_request
from gateway.api.faults import NotFound, json_response
from gateway.api.minting import mint
from gateway.console import choices
from gateway.console.operator import NotAnOperator, check_origin, current_operator, keep_session
from gateway.console.pages import UNKEPT, part, unkept
from gateway.engines.engine import Engine
from gateway.engines.registry import ECHO_MODEL
from gateway.identity.turn import ice_servers
from gateway.services import Services
from realtime.events.session import RealtimeSessionIn

KEY_S: Final = 60
"""A page's key opens one session, at once."""
UNAUTHORISED: Final = 401


class Playground:
    """The pages and what they ask for."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def door(self, request: Request) -> Response:
        """Show a one-time link's button: whatever looks at links must not use them up."""
        if not self._services.operators.awaits(request.path_params["link"]):
            return unkept("closed.html", status=UNAUTHORISED)
        return unkept("enter.html")

    async def enter(self, request: Request) -> Response:
        """Turn a one-time link into a session."""
        check_origin(request)
        session = self._services.operators.enter(request.path_params["link"])
        if session is None:
            return unkept("closed.html", status=UNAUTHORISED)
        response = RedirectResponse("/playground", status_code=303, headers=UNKEPT)
        keep_session(request, response, session)
        return response

    async def page(self, request: Request) -> Response:
        """Return the page."""
        try:
            current_operator(self._services, request)
        except NotAnOperator:
            return unkept("closed.html", status=UNAUTHORISED)
        return self._part(request, "index.html")

    async def static(self, request: Request) -> Response:
        """Return a part of the page; they hold no secrets."""
        return self._part(request, request.path_params["name"])

    def _part(self, request: Request, name: str) -> Response:
        found = part(request, name)
        if found is None:
            raise NotFound(request.method, request.url.path)
        return found

    async def options(self, request: Request) -> Response:
        """Return what can be chosen."""
        principal = current_operator(self._services, request)
        registry = self._services.registry
        transcribing = set(registry.transcription_models())
        names = [name for name in registry.names(principal) if name not in transcribing]
        names.sort(key=lambda name: name == ECHO_MODEL)  # the model of tests comes last
        known = [(name, registry.resolve(name, principal)) for name in names]
        models = [_choice(name, engine) for name, engine in known if engine is not None]
        return json_response({"models": models}, headers=UNKEPT)

    async def ice(self, request: Request) -> Response:
        """Return what the page's peer connection goes by, opened for as long as a session lasts."""
        current_operator(self._services, request)
        servers = ice_servers(self._services.settings, "page", now_s=time.time())
        return json_response({"ice_servers": servers}, headers=UNKEPT)

    async def secret(self, request: Request) -> Response:
        """Mint a key for one session, as any client's backend would."""
        check_origin(request)
        principal = current_operator(self._services, request)
        request.state.organisation_id = principal.organisation_id
        data = await json_object(request)
        asked = secret_request(self._services, principal, data)
        minted = await mint(
            self._services,
            request,
            principal,
            session=asked.session or RealtimeSessionIn(type="realtime"),
            sent=data.get("session") or {"type": "realtime"},
            ttl_s=KEY_S,
        )
        return json_response(
            {"value": minted.value, "expires_at": minted.expires_at}, headers=UNKEPT
        )


def _choice(name: str, engine: Engine) -> dict[str, object]:
    """Return what the page must know of a model."""
    traits = engine.traits()
    return {
        "name": name,
        "voice": engine.fresh_config(session_id="", model=name).audio.output.voice,
        "voices": traits.voices,
        "features": sorted(traits.features),
    }


def routes(services: Services) -> list[BaseRoute]:
    """Return the playground's routes."""
    playground = Playground(services)
    return [
        Route("/playground", playground.page, methods=["GET"]),
        Route("/playground/enter/{link}", playground.door, methods=["GET"]),
        Route("/playground/enter/{link}", playground.enter, methods=["POST"]),
        *choices.routes(services),
        Route("/playground/options", playground.options, methods=["GET"]),
        Route("/playground/ice", playground.ice, methods=["GET"]),
        Route("/playground/secret", playground.secret, methods=["POST"]),
        Route("/playground/static/{name}", playground.static, methods=["GET"]),
    ]
