"""Connections to speech services that speak over WebSockets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

ATTEMPTS = 2
MOST_MESSAGE_BYTES = 4 * 1024 * 1024
MOST_RETRY_AFTER_S = 5.0
USUAL_RETRY_AFTER_S = 0.25
CLOSE_TIMEOUT_S = 1.0
_BUSY = 429
_BROKEN = 500


async def connected(
    url: str, query: Mapping[str, object], headers: Mapping[str, str], *, timeout_s: float
) -> ClientConnection:
    """Connect; a busy or broken service is asked once more when it says so.

    Raises:
        OSError, TimeoutError, websockets.InvalidHandshake: it cannot be done in time.
    """
    async with asyncio.timeout(timeout_s):
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await connect(
                    f"{url}?{urlencode(query, doseq=True)}",
                    additional_headers=headers,
                    max_size=MOST_MESSAGE_BYTES,
                    open_timeout=timeout_s,
                    close_timeout=CLOSE_TIMEOUT_S,
                )
            except InvalidStatus as error:
                status = error.response.status_code
                if attempt == ATTEMPTS or (status != _BUSY and status < _BROKEN):
                    raise
                wait_s = _retry_after_s(error)
                if wait_s > MOST_RETRY_AFTER_S:
                    raise
                await asyncio.sleep(wait_s)
    raise AssertionError("the last attempt returns or raises")


def _retry_after_s(error: InvalidStatus) -> float:
    try:
        return max(0.0, float(error.response.headers["retry-after"]))
    except (KeyError, ValueError):
        return USUAL_RETRY_AFTER_S
