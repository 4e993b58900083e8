"""`/playground/models`: what can be talked to, and with which voices."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.api.faults import json_response
from gateway.console.operator import current_operator
from gateway.console.pages import UNKEPT
from gateway.engines.engine import Engine
from gateway.engines.registry import ECHO_MODEL
from gateway.services import Services


class Choices:
    """The models of the operator's project."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def models(self, request: Request) -> Response:
        """Return each model with its voices; `default_voice` is null where an endpoint decides."""
        principal = current_operator(self._services, request)
        registry, translators = self._services.registry, self._services.translators
        talking = ((name, registry.resolve(name, principal)) for name in registry.names(principal))
        found = [_choice(name, engine) for name, engine in talking if engine and name != ECHO_MODEL]
        translating = translators.names(principal)
        found += [_choice(name, translators.resolve(name, principal)) for name in translating]
        return json_response({"models": found}, headers=UNKEPT)


def _choice(name: str, engine: Engine) -> dict[str, Any]:
    config = engine.fresh_config(session_id="", model=name)
    relayed = engine.relay is not None  # its endpoint has a voice of its own
    return {
        "id": name,
        "kind": engine.name,
        "voices": list(engine.traits().voices),
        "default_voice": None if relayed else config.audio.output.voice,
    }


def routes(services: Services) -> list[BaseRoute]:
    """Return the route."""
    return [Route("/playground/models", Choices(services).models, methods=["GET"])]
