"""What went wrong at a chat endpoint, in words fit for the client; nothing of its text is told."""

from __future__ import annotations

from typing import Final

import openai

from realtime.engine import EngineFault

TIMED_OUT: Final = EngineFault("model_timeout", "The model did not answer in time.")
BROKE_OFF: Final = EngineFault("model_connection_lost", "The model stopped in the middle.")
UNREACHABLE: Final = EngineFault("model_unavailable", "The model cannot be reached.")
UNREADABLE: Final = EngineFault("model_answer_invalid", "The model's answer cannot be read.")
UNKNOWN_TOOL: Final = EngineFault(
    "model_called_unknown_tool", "The model called a function that it was not given."
)
TOO_LONG: Final = EngineFault("model_answer_too_long", "The model's answer has no end.")


class AnswerTooLongError(Exception):
    """More came than any answer needs."""


REFUSED: Final = EngineFault("model_refused_request", "The model does not take this request.")
TOO_MUCH_TO_READ: Final = EngineFault(
    "context_length_exceeded", "The conversation is too long for the model."
)
NO_CREDIT: Final = EngineFault(
    "model_quota_exceeded", "The gateway's account with the model has nothing left."
)

_BY_STATUS: Final = {
    401: EngineFault("model_refused_key", "The model refused the gateway's key."),
    402: NO_CREDIT,
    403: EngineFault("model_refused_key", "The model refused the gateway's key."),
    404: EngineFault("model_unknown", "The model is not known at its endpoint."),
    408: TIMED_OUT,
    413: TOO_MUCH_TO_READ,
    429: EngineFault("rate_limit_exceeded", "The model's rate limit is reached. Try again later."),
}
_BY_CODE: Final = {
    "context_length_exceeded": TOO_MUCH_TO_READ,
    "exceed_context_size_error": TOO_MUCH_TO_READ,
    "insufficient_quota": NO_CREDIT,
}
"""What an endpoint says more exactly than by its status: OpenAI in `code`, llama.cpp in `type`."""


def fault_of(error: Exception) -> EngineFault:
    """Return the fault of whatever calling the endpoint raised."""
    if isinstance(error, AnswerTooLongError) or isinstance(error.__cause__, AnswerTooLongError):
        return TOO_LONG
    if isinstance(error, openai.APIStatusError):
        return _told(error.body) or _of_status(error.status_code)
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return TIMED_OUT
    if isinstance(error, openai.APIConnectionError):
        return UNREACHABLE
    if isinstance(error, openai.APIError):  # told within the stream, after a status of 200
        return _told(error.body) or _of_status(_status(error.body))
    return UNREADABLE


def _told(body: object) -> EngineFault | None:
    if not isinstance(body, dict):
        return None
    return _BY_CODE.get(str(body.get("code"))) or _BY_CODE.get(str(body.get("type")))


def _of_status(status: int) -> EngineFault:
    return _BY_STATUS.get(status) or (REFUSED if 400 <= status < 500 else UNREACHABLE)


def _status(body: object) -> int:
    """Return the status that an error within a stream names, 0 if none."""
    code = body.get("code") if isinstance(body, dict) else None
    return int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdigit()) else 0
