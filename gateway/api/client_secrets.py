"""`POST /v1/realtime/client_secrets` (CONTRACT 3.1)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.body import json_object
from gateway.api.callers import project_caller
from gateway.api.faults import json_response
from gateway.api.middleware import REQUEST_ID
from gateway.engines.registry import DEFAULT_MODEL
from gateway.services import Services
from gateway.sessions.admission import Denied
from gateway.telemetry import metrics
from realtime.errors import InvalidModel
from realtime.events.base import Incoming
from realtime.events.faults import fault_of
from realtime.events.session import RealtimeSessionIn, SessionIn
from realtime.session.config import (
    AnySessionConfig,
    SessionConfig,
    TranscriptionSessionConfig,
    fresh_config,
)
from realtime.session.updates import updated

DEFAULT_TTL_S = 600


class ExpiresAfter(Incoming):
    """When a client secret ends."""

    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Field(ge=10, le=7_200)] = DEFAULT_TTL_S


class ClientSecretRequest(Incoming):
    """What a secret is asked for with."""

    expires_after: ExpiresAfter | None = None
    session: SessionIn | None = None


class ClientSecrets:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: Request) -> Response:
        """Mint a secret bound to the effective session."""
        principal = await project_caller(self._services, request)
        data = await json_object(request)
        asked = self._validated(data)
        config = self._config(asked)
        verdict = await self._services.admission.admit(
            "client_secrets.create",
            {**principal.facts(), "session_type": config.type, "model": config.model},
        )
        if isinstance(verdict, Denied):
            metrics.DENIALS.labels(verdict.reason).inc()
            raise verdict.fault()
        value, expires_at = await self._services.identity.mint(
            principal,
            self._bound(data, config),
            ttl_s=asked.expires_after.seconds if asked.expires_after else DEFAULT_TTL_S,
            request_id=getattr(request.state, REQUEST_ID),
        )
        return json_response({"value": value, "expires_at": expires_at, "session": config})

    def _validated(self, data: dict[str, Any]) -> ClientSecretRequest:
        try:
            return ClientSecretRequest.model_validate(data)
        except ValidationError as error:
            raise fault_of(error, data) from None

    def _config(self, asked: ClientSecretRequest) -> AnySessionConfig:
        """The inner session has not started: `expires_at` is 0 (CONTRACT 3.1)."""
        session = asked.session or RealtimeSessionIn(type="realtime")
        registry, session_id = self._services.registry, self._services.ids("sess")
        if not isinstance(session, RealtimeSessionIn):
            fresh = TranscriptionSessionConfig(id=session_id)
            traits = registry.transcriber.traits()
            return updated(fresh, session, has_spoken=False, traits=traits)
        model = session.model or DEFAULT_MODEL
        engine = registry.resolve(model)
        if engine is None:
            raise InvalidModel(model)
        config = fresh_config(session_id=session_id, model=model)
        return updated(config, session, has_spoken=False, traits=engine.traits())

    def _bound(self, data: dict[str, Any], config: AnySessionConfig) -> dict[str, Any]:
        """Return the session the secret is bound to: what was asked for, with its model."""
        session = dict(data.get("session") or {"type": "realtime"})
        if isinstance(config, SessionConfig):
            session["model"] = config.model
        bound: dict[str, Any] = orjson.loads(orjson.dumps(session))
        return bound
