"""Faults as REST answers: the contract's envelope, all four keys (CONTRACT 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.limits.port import RateLimited
from realtime.errors import WireFault


class NotFound(WireFault):
    """No such path."""

    status = 404

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f"Invalid URL ({method} {path})")


class MethodNotAllowed(WireFault):
    """The path is there, the method is not."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, method: str) -> None:
        super().__init__(f"Not allowed to {method} on this endpoint.")


class BodyTooLarge(WireFault):
    """The body is over the bound."""

    status = 413
    code = "request_too_large"

    def __init__(self, most_bytes: int) -> None:
        super().__init__(f"Request body too large. The limit is {most_bytes} bytes.")


class BodyTooSlow(WireFault):
    """The body did not come in time."""

    status = 408
    code = "request_timeout"

    def __init__(self) -> None:
        super().__init__("The body of the request did not arrive in time.")


class UnsupportedMediaType(WireFault):
    """The body is not of a kind the endpoint takes."""

    status = 415
    code = "unsupported_content_type"

    def __init__(self, wanted: str) -> None:
        super().__init__(f"Unsupported content type. This endpoint takes '{wanted}'.")


class UnknownModel(WireFault):
    """`GET /v1/models/{id}` of a model that is not there."""

    status = 404
    code = "model_not_found"

    def __init__(self, model: str) -> None:
        super().__init__(f"The model '{model}' does not exist", param="model")


def json_response(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return compact JSON; dataclasses in field order."""
    return Response(
        orjson.dumps(value),
        status_code=status,
        media_type="application/json",
        headers=None if headers is None else dict(headers),
    )


def envelope(fault: WireFault, *, headers: Mapping[str, str] | None = None) -> Response:
    """Return a fault as the service does."""
    body = {
        "error": {
            "message": fault.message,
            "type": fault.type,
            "param": fault.param,
            "code": fault.code,
        }
    }
    return json_response(body, status=fault.status, headers=headers)


def retry_headers(fault: RateLimited) -> Mapping[str, str]:
    """Return when to come again, in both forms that SDKs read."""
    return {
        "retry-after": str(math.ceil(fault.retry_s)),
        "retry-after-ms": str(math.ceil(fault.retry_s * 1000)),
    }


async def on_wire_fault(_request: Request, fault: Exception) -> Response:
    """Answer a fault of ours."""
    if not isinstance(fault, WireFault):
        raise fault
    headers = retry_headers(fault) if isinstance(fault, RateLimited) else None
    return envelope(fault, headers=headers)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the router refuses; `Allow` is passed on."""
    if not isinstance(error, HTTPException):
        raise error
    fault: WireFault
    match error.status_code:
        case 404:
            fault = NotFound(request.method, request.url.path)
        case 405:
            fault = MethodNotAllowed(request.method)
        case status:
            fault = WireFault(str(error.detail))
            fault.status = status
    return envelope(fault, headers=error.headers)
