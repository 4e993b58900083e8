"""`POST /v1/realtime/translations/client_secrets` (CONTRACT 3.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.body import json_object
from gateway.api.callers import project_caller
from gateway.api.faults import json_response
from gateway.api.minting import DEFAULT_TTL_S, ExpiresAfter, admit_minting, mint_bound
from gateway.services import Services
from gateway.sessions.translation_opening import KIND, translation_config
from realtime.events.base import Incoming
from realtime.events.faults import fault_of
from realtime.translation.requests import TranslationSessionIn


class TranslationSecretRequest(Incoming):
    """What a translation secret is asked for with."""

    expires_after: ExpiresAfter | None = None
    session: TranslationSessionIn


class TranslationSecrets:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: Request) -> Response:
        """Mint a secret that opens translation sessions of this configuration."""
        services = self._services
        principal = await project_caller(services, request)
        data = await json_object(request)
        asked = self._validated(data)
        model = asked.session.model
        config = translation_config(
            asked.session,
            session_id=services.ids("sess"),
            expires_at=0,
            engine=services.translators.resolve(model, principal),
        )
        await admit_minting(services, principal, kind=KIND, model=model)
        bound = {"type": KIND, **asked.session.model_dump(exclude_unset=True)}
        ttl_s = asked.expires_after.seconds if asked.expires_after else DEFAULT_TTL_S
        value, expires_at = await mint_bound(services, request, principal, bound, ttl_s=ttl_s)
        # The session has not begun: as in the specification's sample it ends with its secret.
        shown = replace(config, expires_at=expires_at)
        return json_response({"value": value, "expires_at": expires_at, "session": shown})

    def _validated(self, data: dict[str, Any]) -> TranslationSecretRequest:
        try:
            return TranslationSecretRequest.model_validate(data)
        except ValidationError as error:
            raise fault_of(error, data) from None
