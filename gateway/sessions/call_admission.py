"""What policy is asked about calls: before one is made, and before one is controlled."""

from __future__ import annotations

from typing import Final

import structlog

from gateway.identity.principal import Principal
from gateway.services import Services
from gateway.sessions.admission import Allowed, permitted
from gateway.sessions.calls import Call
from gateway.sessions.opening import count_connection

CREATE: Final = "calls.create"
ATTACH: Final = "realtime.attach"
"""A sideband."""
ACCEPT: Final = "calls.accept"
REJECT: Final = "calls.reject"
REFER: Final = "calls.refer"
HANG_UP: Final = "calls.hangup"

_log = structlog.get_logger("calls")


async def admit_call(
    services: Services,
    principal: Principal,
    *,
    call_id: str,
    ingress: str,
    kind: str,
    model: str,
) -> Allowed:
    """Ask for leave to make a call, before anything is made for it.

    Raises:
        PolicyDenied: it may not be.
    """
    facts = {
        **principal.facts(),
        "call_id": call_id,
        "transport": ingress,
        "session_type": kind,
        "model": model,
        "live_calls": services.calls.of_project(principal.project_id),
    }
    return await permitted(services.admission, CREATE, facts)


async def controlled_call(
    services: Services, call_id: str, principal: Principal, action: str
) -> Call:
    """Return a live call that the caller may do this to; what was allowed is logged.

    Raises:
        UnknownCall: there is none for this caller.
        PolicyDenied: policy refused.
    """
    call = services.calls.find(call_id, principal)
    facts = {
        **principal.facts(),
        "call_id": call_id,
        "transport": call.book.ingress,
        "session_type": call.book.kind,
        "model": call.book.model,
    }
    await permitted(services.admission, action, facts)
    found = services.calls.find(call_id, principal)
    _log.info("call_controlled", call_id=call_id, action=action, key_id=principal.key_id)
    return found


async def attachable_call(services: Services, call_id: str, principal: Principal) -> Call:
    """Return a live call that the caller may attach a sideband to; that counts as a request.

    Raises:
        UnknownCall: there is none for this caller.
        RateLimited: too many requests.
        PolicyDenied: policy refused.
    """
    count_connection(services, principal, services.calls.find(call_id, principal).opened.model)
    return await controlled_call(services, call_id, principal, ATTACH)
