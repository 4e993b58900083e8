"""What of an upstream's errors a client may read.

An error that answers the client's own event passes. One about the operator's
account does not: its sentence names keys, organisations and limits that are
none of the client's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from realtime.errors import ServerFault, WireFault
from realtime.relay.inputs import Json

_REFUSED: Final = ("server_error", None, "The model's provider refused the session.")
_BUSY: Final = ("server_error", "rate_limit_exceeded", "The model is busy. Please try again later.")

ACCOUNT_CODES: Final[Mapping[str, tuple[str, str | None, str]]] = {
    **dict.fromkeys(
        (
            "account_deactivated", "account_disabled", "billing_hard_limit_reached",
            "billing_not_active", "deactivated_workspace", "invalid_api_key",
            "invalid_organization", "invalid_project", "ip_not_authorized",
            "mismatched_organization", "mismatched_project", "missing_api_key",
            "organization_deactivated", "permission_denied", "token_expired", "unauthorized",
            "unsupported_country_region_territory",
        ),
        _REFUSED,
    ),
    **dict.fromkeys(
        (
            "credit_balance_exhausted", "insufficient_quota", "quota_exceeded",
            "rate_limit_exceeded", "requests_limit_reached", "tokens_limit_reached",
            "too_many_requests",
        ),
        _BUSY,
    ),
}  # fmt: skip
"""Codes about the operator's account: the type, code and sentence that the client gets."""

ACCOUNT_TYPES: Final = frozenset(
    {"authentication_error", "permission_error", "insufficient_quota", "billing_error"}
)


class UpstreamLostFault(ServerFault):
    """The response was running when the upstream went away (DECISIONS 2.2)."""

    code = "upstream_connection_lost"

    def __init__(self) -> None:
        super().__init__()
        self.message = "The connection to the model was lost. Please try again."


class UpstreamSilentFault(ServerFault):
    """The upstream was asked for a response and said nothing."""

    code = "upstream_timeout"

    def __init__(self) -> None:
        super().__init__()
        self.message = "The model did not answer in time. Please try again."


def told_error(error: Json) -> Json | None:
    """Return an upstream's error as the client may read it, None if it may as it stands."""
    code, kind = error.get("code"), error.get("type")
    known = ACCOUNT_CODES.get(code) if isinstance(code, str) else None
    if known is None and kind in ACCOUNT_TYPES:
        known = _REFUSED
    if known is None:
        return None
    return {**error, "type": known[0], "code": known[1], "message": known[2], "param": None}


def is_about_account(error: Json) -> bool:
    """Say whether an error is none of the client's business."""
    return told_error(error) is not None


def error_of(fault: WireFault, event_id: object) -> Json:
    """Return the body of an `error` event."""
    return {
        "type": fault.type,
        "code": fault.code,
        "message": fault.message,
        "param": fault.param,
        "event_id": event_id,
    }
