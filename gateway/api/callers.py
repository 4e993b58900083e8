"""Who calls an endpoint."""

from __future__ import annotations

from starlette.requests import Request

from gateway.api.rates import count_request
from gateway.identity.headers import bearer
from gateway.identity.principal import Principal
from gateway.services import Services
from realtime.errors import WireFault


class EphemeralKeyNotTaken(WireFault):
    """A client secret where only a project's key will do. The wording is our choice."""

    status = 401
    code = "invalid_api_key"

    def __init__(self) -> None:
        super().__init__(
            "Ephemeral keys can only open realtime sessions. Use a project API key here."
        )


async def project_caller(services: Services, request: Request) -> Principal:
    """Return who holds the project key of a request.

    Raises:
        MissingCredential, InvalidApiKey: nobody we know.
        RateLimited: the project has made too many requests.
        EphemeralKeyNotTaken: a client secret, which opens sessions only (CONTRACT 2).
    """
    principal = await services.identity.authenticate(bearer(request.headers))
    request.state.organisation_id = principal.organisation_id
    await count_request(services, request, principal)
    if principal.kind != "api_key":
        raise EphemeralKeyNotTaken
    return principal
