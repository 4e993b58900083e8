"""Mints client secrets, whichever endpoint they are asked of (CONTRACT 2, 3.1, 3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field
from starlette.requests import Request

from gateway.api.middleware import REQUEST_ID
from gateway.engines.registry import DEFAULT_MODEL
from gateway.identity.principal import Principal
from gateway.services import Services
from gateway.sessions.admission import permitted
from gateway.sessions.prompting import ProjectPrompts
from realtime.errors import InvalidModel
from realtime.events.base import Incoming, JsonObject
from realtime.events.session import RealtimeSessionIn, SessionIn
from realtime.relay.beginning import shown_before
from realtime.session.config import AnySessionConfig, TranscriptionSessionConfig
from realtime.session.updates import updated

DEFAULT_TTL_S = 600


class ExpiresAfter(Incoming):
    """When a client secret ends."""

    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Field(ge=10, le=7_200)] = DEFAULT_TTL_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A secret, when it ends in Unix seconds, and the effective session it opens."""

    value: str
    expires_at: int
    config: AnySessionConfig | JsonObject


async def mint(
    services: Services,
    request: Request,
    principal: Principal,
    *,
    session: SessionIn,
    sent: dict[str, Any],
    ttl_s: int,
) -> Minted:
    """Mint a secret bound to a session; `sent` is what is kept of it, as the client sent it.

    What relays alone know is in `sent` only.

    Raises:
        WireFault: the session does not fit, or policy refused.
    """
    config, model = await _effective(services, session, sent, principal)
    await admit_minting(services, principal, kind=session.type, model=model)
    bound = {**sent, "model": model} if isinstance(session, RealtimeSessionIn) else sent
    value, expires_at = await mint_bound(services, request, principal, bound, ttl_s=ttl_s)
    return Minted(value=value, expires_at=expires_at, config=config)


async def admit_minting(services: Services, principal: Principal, *, kind: str, model: str) -> None:
    """Ask admission for a client secret.

    Raises:
        WireFault: policy refused.
    """
    facts = {**principal.facts(), "session_type": kind, "model": model}
    await permitted(services.admission, "client_secrets.create", facts)


async def mint_bound(
    services: Services,
    request: Request,
    principal: Principal,
    bound: dict[str, Any],
    *,
    ttl_s: int,
) -> tuple[str, int]:
    """Return a secret of what it is bound to, and when it ends."""
    return await services.identity.mint(
        principal,
        orjson.loads(orjson.dumps(bound)),
        ttl_s=ttl_s,
        request_id=getattr(request.state, REQUEST_ID),
    )


async def _effective(
    services: Services, session: SessionIn, sent: JsonObject, principal: Principal
) -> tuple[AnySessionConfig | JsonObject, str]:
    """Return the session and its model; it has not started, so `expires_at` is 0 (CONTRACT 3.1)."""
    registry, session_id = services.registry, services.ids("sess")
    if not isinstance(session, RealtimeSessionIn):
        fresh = TranscriptionSessionConfig(id=session_id)
        traits = registry.transcriber.traits()
        transcribing = updated(fresh, session, has_spoken=False, traits=traits)
        return transcribing, transcribing.model
    model = session.model or DEFAULT_MODEL
    engine = registry.resolve(model, principal)
    if engine is None:
        raise InvalidModel(model)
    supplied = None
    if engine.relay is None or not engine.relay.has_prompts:
        supplied = await ProjectPrompts(services.prompts, principal.project_id).supplied(session)
    config = engine.fresh_config(session_id=session_id, model=model)
    if engine.relay is not None:
        usual = orjson.loads(orjson.dumps(config))
        delegated = engine.relay.runs_mcp
        return shown_before(usual, sent, supplied, delegates_mcp=delegated), model
    traits = engine.traits()
    return updated(config, session, has_spoken=False, traits=traits, prompted=supplied), model
