"""Reads bounded JSON bodies."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request

from gateway.api.faults import UnsupportedMediaType
from realtime.errors import WireFault

MAX_DEPTH = 64


async def json_object(request: Request) -> dict[str, Any]:
    """Return the body's JSON object, `{}` for an empty body.

    Raises:
        WireFault: it is not a JSON object.
    """
    body = await request.body()
    if not body.strip():
        return {}
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind.lower() != "application/json":
        raise UnsupportedMediaType("application/json")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise WireFault(
            "We could not parse the JSON body of your request. (HINT: This likely means you "
            "aren't using your HTTP library correctly. The API expects a JSON payload, but what "
            "was sent was not valid JSON.)"
        ) from None
    if not isinstance(value, dict) or _too_deep(value):
        raise WireFault("The body of the request must be a JSON object.")
    return value


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for part in level:
            if isinstance(part, dict):
                below.extend(part.values())
            elif isinstance(part, list):
                below.extend(part)
        if not below:
            return False
        level = below
    return True
