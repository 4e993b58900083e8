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
    asked: list[asyncio.Task[Allocation]] = []
    won: asyncio.Task[Allocation] | None = None
    try:
        won = await _first(relays, protocol, asked)
    finally:
        # Nothing is awaited from here on: who is cancelled in a clean-up leaves allocations behind.
        for task in asked:
            if task is not won:
                task.cancel()
                task.add_done_callback(_give_back)
    return None if won is None else won.result()


async def _first(
    relays: Relays, protocol: Callable[[], StunProtocol], asked: list[asyncio.Task[Allocation]]
) -> asyncio.Task[Allocation] | None:
    """Ask one after the other, noting each in `asked`; return the first that has an allocation."""
    waiting = list(relays.servers)
    while True:
        for task in asked:
            if task.done() and not task.cancelled() and task.exception() is None:
                return task
        if waiting:
            asked.append(asyncio.create_task(_ask(waiting.pop(0), relays, protocol)))
        running = [task for task in asked if not task.done()]
        if not running:
            return None
        await asyncio.wait(
            running,
            timeout=HEAD_START_S if waiting else None,
            return_when=asyncio.FIRST_COMPLETED,
        )


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


def _give_back(task: asyncio.Task[Allocation]) -> None:
    """Give back what nobody uses: it would be refreshed for ever."""
    if not task.cancelled() and task.exception() is None:
        task.result()[1].transport.close()
