"""Rate limits of REST: counted for the caller, shown in headers (CONTRACT 3)."""

from __future__ import annotations

import orjson
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import Scope

from gateway.engines.registry import DEFAULT_MODEL
from gateway.identity.principal import Principal
from gateway.limits.port import Owner, RateLimited, RateLimits, duration
from gateway.services import Services
from gateway.telemetry import metrics

OWNER = "rate_limit_owner"
RATE_LIMIT_HEADERS = tuple(
    f"x-ratelimit-{what}-{resource}"
    for what in ("limit", "remaining", "reset")
    for resource in ("requests", "tokens")
)


async def count_request(services: Services, request: Request, principal: Principal) -> None:
    """Count a request for the model it names, or for the default model.

    Raises:
        RateLimited: the project has made too many.
    """
    model = await _named_model(request)
    translates = model in services.translators.names(principal)
    if not translates and services.registry.resolve(model, principal) is None:
        model = DEFAULT_MODEL
    owner = Owner(principal.organisation_id, principal.project_id, model)
    setattr(request.state, OWNER, owner)
    try:
        services.limits.take(owner, requests=1)
    except RateLimited as fault:
        metrics.RATE_LIMITED.labels("rest", fault.resource).inc()
        raise


async def _named_model(request: Request) -> str:
    """Return the model in the path or the JSON body; whatever is wrong is told later."""
    if "model" in request.path_params:
        return str(request.path_params["model"])
    try:
        value = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return DEFAULT_MODEL
    if isinstance(value, dict):
        session = value.get("session", value)
        value = session.get("model") if isinstance(session, dict) else None
    return value if isinstance(value, str) else DEFAULT_MODEL


def show_limits(scope: Scope, headers: MutableHeaders, limits: RateLimits) -> None:
    """Add what is left for whom the request was counted; nothing for one that was not."""
    owner = scope["state"].get(OWNER)
    if owner is None:
        return
    standings = limits.standings(owner)
    for resource, standing in (("requests", standings.requests), ("tokens", standings.tokens)):
        headers[f"x-ratelimit-limit-{resource}"] = str(standing.limit)
        headers[f"x-ratelimit-remaining-{resource}"] = str(standing.remaining)
        headers[f"x-ratelimit-reset-{resource}"] = duration(standing.reset_s)
