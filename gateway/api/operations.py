"""Health, readiness and metrics."""

from __future__ import annotations

import asyncio

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.faults import json_response
from gateway.readiness import PartState
from gateway.services import Services
from gateway.telemetry import metrics

DATABASE = "database"

_log = structlog.get_logger("operations")


class Operations:
    """The endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def health(self, _request: Request) -> Response:
        """The process answers."""
        return json_response({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """200 once each part has passed its probe or is declared absent, and not draining."""
        await self._probe_database()
        report = self._services.readiness.report()
        draining = self._services.directory.draining
        ready = report["ready"] and not draining
        body = {**report, "ready": ready, "draining": draining}
        return json_response(body, status=200 if ready else 503)

    async def _probe_database(self) -> None:
        services = self._services
        try:
            async with asyncio.timeout(services.settings.probe_timeout_s):
                await services.database.probe()
        except (SQLAlchemyError, OSError) as error:
            # TimeoutError is an OSError; the client learns that it is away, the log why.
            services.readiness.set(DATABASE, PartState.FAILED, "It does not answer.")
            _log.warning("database_probe_failed", error=type(error).__name__)
        else:
            services.readiness.set(DATABASE, PartState.READY, services.database.dialect)

    async def metrics(self, _request: Request) -> Response:
        """Prometheus' text form."""
        metrics.TASKS.set(len(asyncio.all_tasks()))
        return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)
