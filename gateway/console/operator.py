"""The person in front of a page: the one port through which pages learn who that is."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from gateway.identity.operators import SESSION_S
from gateway.identity.principal import Principal
from gateway.services import Services
from realtime.errors import WireFault

COOKIE: Final = "voiceengine_operator"


class NotAnOperator(WireFault):
    """No link was followed in this browser, or long ago."""

    status = 401
    code = "operator_required"

    def __init__(self) -> None:
        super().__init__("Open the one-time link that the server printed when it started.")


class ForeignOrigin(WireFault):
    """Another site's page sent the request."""

    status = 403
    code = "foreign_origin"

    def __init__(self) -> None:
        super().__init__("This request came from a page of another site.")


def current_operator(services: Services, request: Request) -> Principal:
    """Return on whose behalf a page acts.

    Raises:
        NotAnOperator: nobody's.
    """
    principal = services.operators.current(request.cookies.get(COOKIE))
    if principal is None:
        raise NotAnOperator
    return principal


def check_origin(request: Request) -> None:
    """Refuse what another site's page sends.

    Raises:
        ForeignOrigin: the browser says so.
    """
    origin = urlsplit(request.headers.get("origin", ""))
    if not origin.netloc or origin.netloc != request.headers.get("host"):
        raise ForeignOrigin


def keep_session(request: Request, response: Response, session: str) -> None:
    """Let the browser keep a session where no script and no other site gets at it."""
    response.set_cookie(
        COOKIE,
        session,
        max_age=SESSION_S,
        path="/playground",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
