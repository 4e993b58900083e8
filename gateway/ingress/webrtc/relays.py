"""Takes an allocation at a relay: the first of the configured ones that answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from aioice import Candidate
from aioice.ice import StunProtocol, relayed_candidate

from gateway.ingress.webrtc.network import Relays
from gateway.settings import IceServer
from gateway.telemetry import metrics

HEAD_START_S: Final = 0.4
"""How long a relay is waited for before the next is asked too."""

_log = structlog.get_logger("webrtc")

Allocation = tuple[Candidate, StunProtocol]


async def allocate(relays: Relays, protocol: Callable[[], StunProtocol]) -> Allocation | None:
    """Return a relayed candidate and what it is reached by; None when no relay gives one."""
    waiting = list(relays.servers)
    asked: set[asyncio.Task[Allocation]] = set()
    won: Allocation | None = None
    try:
        while won is None and (waiting or asked):
            if waiting:
                asked.add(asyncio.create_task(_ask(waiting.pop(0), relays, protocol)))
            done, asked = await asyncio.wait(
                asked,
                timeout=HEAD_START_S if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                won = await _kept(task, won)
    finally:
        for task in asked:
            task.cancel()
        if asked:
            await asyncio.wait(asked)
        for task in asked:
            await _kept(task, won)
    return won


async def _ask(
    server: IceServer, relays: Relays, protocol: Callable[[], StunProtocol]
) -> Allocation:
    try:
        return await ask(server, relays, protocol)
    except Exception as error:
        metrics.ICE_SERVER_FAILURES.labels(kind="turn").inc()
        _log.warning(
            "relay_failed", host=server.host, port=server.port, error=str(error) or repr(error)
        )
        raise


async def ask(
    server: IceServer, relays: Relays, protocol: Callable[[], StunProtocol]
) -> Allocation:
    """Take an allocation at one relay.

    Raises:
        OSError: it cannot be reached, or its certificate is not trusted.
        TransactionError: it refuses, or does not answer.
    """
    secure = server.scheme == "turns"
    return await relayed_candidate(
        component=1,
        hide_related_address=True,
        protocol_factory=protocol,
        turn_server=(server.host, server.port),
        turn_username=relays.credential.user,
        turn_password=relays.credential.password,
        # It is handed on to `create_connection`, which takes a context as well.
        turn_ssl=(relays.authority or True) if secure else False,  # type: ignore[arg-type]
        turn_transport=server.transport,
    )


async def _kept(task: asyncio.Task[Allocation], won: Allocation | None) -> Allocation | None:
    """Return the allocation to keep: the first; a second is given back."""
    if task.cancelled() or task.exception() is not None:
        return won
    if won is None:
        return task.result()
    await task.result()[1].close()
    return won
