"""Every REST path."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from gateway.api.client_secrets import ClientSecrets
from gateway.api.documents import Documents
from gateway.api.models import Models
from gateway.api.operations import Operations
from gateway.services import Services


def routes(services: Services) -> list[BaseRoute]:
    """Return the REST routes."""
    secrets, models = ClientSecrets(services), Models(services)
    operations, documents = Operations(services), Documents()
    return [
        Route("/v1/realtime/client_secrets", secrets.create, methods=["POST"]),
        Route("/v1/models", models.list, methods=["GET"]),
        Route("/v1/models/{model}", models.retrieve, methods=["GET"]),
        Route("/healthz", operations.health, methods=["GET"]),
        Route("/readyz", operations.ready, methods=["GET"]),
        Route("/metrics", operations.metrics, methods=["GET"]),
        Route("/openapi.yaml", documents.openapi, methods=["GET"]),
    ]
