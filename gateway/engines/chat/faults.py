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


_BY_STATUS: Final = {
    400: EngineFault("model_refused_request", "The model does not take this request."),
    401: EngineFault("model_refused_key", "The model refused the gateway's key."),
    403: EngineFault("model_refused_key", "The model refused the gateway's key."),
    404: EngineFault("model_unknown", "The model is not known at its endpoint."),
    413: EngineFault("context_length_exceeded", "The conversation is too long for the model."),
    429: EngineFault("rate_limit_exceeded", "The model's rate limit is reached. Try again later."),
}


def fault_of(error: Exception) -> EngineFault:
    """Return the fault of whatever calling the endpoint raised."""
    if isinstance(error, AnswerTooLongError) or isinstance(error.__cause__, AnswerTooLongError):
        return TOO_LONG
    if isinstance(error, openai.APIStatusError):
        return _BY_STATUS.get(error.status_code, UNREACHABLE)
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return TIMED_OUT
    if isinstance(error, openai.APIConnectionError):
        return UNREACHABLE
    if isinstance(error, openai.APIError):  # told within the stream, after a status of 200
        return _BY_STATUS.get(_status(error.body), UNREACHABLE)
    return UNREADABLE


def _status(body: object) -> int:
    """Return the status that an error within a stream names, 0 if none."""
    code = body.get("code") if isinstance(body, dict) else None
    return int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdigit()) else 0
