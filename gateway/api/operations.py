"""Health, readiness and metrics."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.faults import json_response
from gateway.services import Services
from gateway.telemetry import metrics


class Operations:
    """The endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def health(self, _request: Request) -> Response:
        """The process answers."""
        return json_response({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """200 once each part has passed its probe or is declared absent, and not draining."""
        report = self._services.readiness.report()
        draining = self._services.directory.draining
        ready = report["ready"] and not draining
        body = {**report, "ready": ready, "draining": draining}
        return json_response(body, status=200 if ready else 503)

    async def metrics(self, _request: Request) -> Response:
        """Prometheus' text form."""
        return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)
