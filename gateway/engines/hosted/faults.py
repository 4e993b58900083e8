"""What went wrong at a speech endpoint, in words fit for the client; its own are not told."""

from __future__ import annotations

from typing import Final

import openai
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from realtime.engine import EngineFault

TIMED_OUT: Final = EngineFault("speech_timeout", "The speech service did not answer in time.")
BROKE_OFF: Final = EngineFault(
    "speech_connection_lost", "The speech service stopped in the middle."
)
UNREACHABLE: Final = EngineFault("speech_unavailable", "The speech service cannot be reached.")
UNREADABLE: Final = EngineFault(
    "speech_answer_invalid", "The speech service's answer cannot be read."
)
REFUSED: Final = EngineFault(
    "speech_refused_request", "The speech service does not take this request."
)
REFUSED_KEY: Final = EngineFault(
    "speech_refused_key", "The speech service refused the gateway's key."
)
TOO_LONG: Final = EngineFault("speech_too_long", "This is too long for the speech service.")

_BY_STATUS: Final = {
    400: REFUSED,
    401: REFUSED_KEY,
    402: EngineFault("speech_quota_exceeded", "The speech service's quota is used up."),
    403: REFUSED_KEY,
    404: EngineFault("speech_unknown_model", "The speech service does not know its model."),
    413: TOO_LONG,
    422: REFUSED,
    429: EngineFault(
        "rate_limit_exceeded", "The speech service's rate limit is reached. Try again later."
    ),
}


class EndpointError(Exception):
    """An endpoint did what it may not; carries what the client is told."""

    def __init__(self, fault: EngineFault) -> None:
        super().__init__(fault.code)
        self.fault = fault


def fault_of_status(status: int) -> EngineFault:
    """Return the fault of an HTTP status, or of what a socket says in its place."""
    return _BY_STATUS.get(status, UNREACHABLE)


def fault_of(error: BaseException) -> EngineFault:
    """Return the fault of whatever speaking with an endpoint raised."""
    if isinstance(error, EndpointError):
        return error.fault
    if isinstance(error, openai.APIStatusError):
        return fault_of_status(error.status_code)
    if isinstance(error, InvalidStatus):
        return fault_of_status(error.response.status_code)
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return TIMED_OUT
    if isinstance(error, openai.APIConnectionError | InvalidHandshake | OSError):
        return UNREACHABLE
    if isinstance(error, ConnectionClosed):
        return BROKE_OFF
    if isinstance(error, ValueError | KeyError | TypeError | AttributeError):
        return UNREADABLE
    return BROKE_OFF
