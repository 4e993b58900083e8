"""What policy is asked about calls: before one is made, and before one is controlled."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from gateway.identity.principal import Principal
from gateway.services import Services
from gateway.sessions.admission import Allowed, permitted
from gateway.sessions.calls import Call, CallElsewhere, UnknownCall
from gateway.sessions.opening import count_connection
from gateway.store.repository import ProjectRepository

CREATE: Final = "calls.create"
ATTACH: Final = "realtime.attach"
"""A sideband."""
ACCEPT: Final = "calls.accept"
REJECT: Final = "calls.reject"
REFER: Final = "calls.refer"
HANG_UP: Final = "calls.hangup"
LOOKUP_TIMEOUT_S: Final = 5.0
"""How long the database may take to say where a call is."""

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
        CallElsewhere: another instance has it.
        PolicyDenied: policy refused.
    """
    call = await _found(services, call_id, principal)
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
        CallElsewhere: another instance has it.
        RateLimited: too many requests.
        PolicyDenied: policy refused.
    """
    call = await _found(services, call_id, principal)
    count_connection(services, principal, call.opened.model)
    return await controlled_call(services, call_id, principal, ATTACH)


async def _found(services: Services, call_id: str, principal: Principal) -> Call:
    try:
        return services.calls.find(call_id, principal)
    except UnknownCall:
        if await _is_elsewhere(services, call_id, principal):
            raise CallElsewhere from None
        raise


async def _is_elsewhere(services: Services, call_id: str, principal: Principal) -> bool:
    """Say whether another instance has a live call that the caller may control."""
    record = ProjectRepository(
        services.database,
        organisation_id=principal.organisation_id,
        project_id=principal.project_id,
    )
    async with asyncio.timeout(LOOKUP_TIMEOUT_S):
        row = await record.call(call_id)
    if row is None or row["ended_at"] is not None or row["node"] == services.node:
        return False
    return principal.client_secret_id in {None, row["client_secret_id"]}
