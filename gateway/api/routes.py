"""Every REST path."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from gateway.api.beta_sessions import BetaSessions
from gateway.api.calls import CallsEndpoint
from gateway.api.client_secrets import ClientSecrets
from gateway.api.documents import Documents
from gateway.api.models import Models
from gateway.api.operations import Operations
from gateway.api.translation_secrets import TranslationSecrets
from gateway.services import Services


def routes(services: Services) -> list[BaseRoute]:
    """Return the REST routes of the API's port."""
    secrets, models, documents = ClientSecrets(services), Models(services), Documents()
    return [
        Route("/v1/realtime/client_secrets", secrets.create, methods=["POST"]),
        Route(
            "/v1/realtime/translations/client_secrets",
            TranslationSecrets(services).create,
            methods=["POST"],
        ),
        *_beta(services),
        *_calls(services),
        Route("/v1/models", models.list, methods=["GET"]),
        Route("/v1/models/{model}", models.retrieve, methods=["GET"]),
        Route("/openapi.yaml", documents.openapi, methods=["GET"]),
        *_health(services),
        *([] if services.settings.internal_port is not None else _internal(services)),
    ]


def internal_routes(services: Services) -> list[BaseRoute]:
    """Return the routes of the internal port, where one is set."""
    return [*_health(services), *_internal(services)]


def _calls(services: Services) -> list[BaseRoute]:
    calls = CallsEndpoint(services)
    path = "/v1/realtime/calls"
    return [
        Route(path, calls.create, methods=["POST"]),
        Route("/v1/realtime/translations/calls", calls.create_translation, methods=["POST"]),
        Route("/v1/realtime", calls.create_beta, methods=["POST"]),
        Route(path + "/{call_id}/hangup", calls.hangup, methods=["POST"]),
        Route(path + "/{call_id}/accept", calls.accept, methods=["POST"]),
        Route(path + "/{call_id}/reject", calls.reject, methods=["POST"]),
        Route(path + "/{call_id}/refer", calls.refer, methods=["POST"]),
    ]


def _beta(services: Services) -> list[BaseRoute]:
    """Return the beta's paths; without its dialect they answer as the live service does."""
    sessions = BetaSessions(services)
    path, transcription = "/v1/realtime/sessions", "/v1/realtime/transcription_sessions"
    if not services.settings.beta_dialect:
        return [Route(path, sessions.refuse, methods=["POST"])]
    return [
        Route(path, sessions.create, methods=["POST"]),
        Route(transcription, sessions.create_transcription, methods=["POST"]),
    ]


def _health(services: Services) -> list[BaseRoute]:
    operations = Operations(services)
    return [
        Route("/healthz", operations.health, methods=["GET"]),
        Route("/readyz", operations.ready, methods=["GET"]),
    ]


def _internal(services: Services) -> list[BaseRoute]:
    return [Route("/metrics", Operations(services).metrics, methods=["GET"])]
