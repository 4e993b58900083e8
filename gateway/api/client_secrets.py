"""`POST /v1/realtime/client_secrets` (CONTRACT 3.1)."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.body import json_object
from gateway.api.callers import project_caller
from gateway.api.faults import json_response
from gateway.api.minting import DEFAULT_TTL_S, ExpiresAfter, mint
from gateway.engines.registry import DEFAULT_MODEL
from gateway.identity.principal import Principal
from gateway.services import Services
from realtime.events.base import Incoming
from realtime.events.faults import fault_of
from realtime.events.known import known_part
from realtime.events.session import RealtimeSessionIn, SessionIn


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
        asked = secret_request(self._services, principal, data)
        minted = await mint(
            self._services,
            request,
            principal,
            session=asked.session or RealtimeSessionIn(type="realtime"),
            sent=data.get("session") or {"type": "realtime"},
            ttl_s=asked.expires_after.seconds if asked.expires_after else DEFAULT_TTL_S,
        )
        return json_response(
            {
                "value": minted.value,
                "expires_at": minted.expires_at,
                "session": minted.config,
            }
        )


def secret_request(
    services: Services, principal: Principal, data: dict[str, Any]
) -> ClientSecretRequest:
    """Return what a secret is asked for with; fields that only a relay's endpoint knows left out.

    Raises:
        WireFault: something is wrong with it.
    """
    known, session = data, data.get("session")
    if isinstance(session, dict) and _is_relayed(services, principal, session):
        known = {**data, "session": known_part(session)[0]}
    try:
        return ClientSecretRequest.model_validate(known)
    except ValidationError as error:
        raise fault_of(error, known) from None


def _is_relayed(services: Services, principal: Principal, session: dict[str, Any]) -> bool:
    model = session.get("model") or DEFAULT_MODEL
    engine = services.registry.resolve(str(model), principal)
    return engine is not None and engine.relay is not None
