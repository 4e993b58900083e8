"""Upstream connections opened ahead, so that a client need not wait for one.

Of one endpoint, model and key each. A connection is handed out once; one older than
MOST_AGE_S is closed and opened anew, since its session's time is running.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

from gateway.engines.relay.endpoint import RelayEndpoint
from gateway.engines.relay.opening import Upstream, UpstreamFault, open_upstream
from gateway.telemetry import metrics

MOST_AGE_S = 60.0
LOOK_S = 1.0
"""How often what is declared is compared with what is kept."""

RETRY_S = 5.0
"""After an endpoint could not be reached."""


class WarmPool:
    """Keeps as many connections as each endpoint asks for, while `run` runs.

    `declared` returns the endpoints there are now: models come and go.
    """

    def __init__(self, declared: Callable[[], Collection[RelayEndpoint]]) -> None:
        self._declared = declared
        self._kept: dict[RelayEndpoint, _Kept] = {}
        self._tasks: dict[RelayEndpoint, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Open and renew connections until cancelled; then close them."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._look(tasks)
                await asyncio.sleep(LOOK_S)

    def _look(self, tasks: asyncio.TaskGroup) -> None:
        wanted = {endpoint for endpoint in self._declared() if endpoint.warm_connections}
        for endpoint in self._kept.keys() - wanted:
            del self._kept[endpoint]
            self._tasks.pop(endpoint).cancel()
        for endpoint in wanted - self._kept.keys():
            kept = self._kept[endpoint] = _Kept(endpoint)
            self._tasks[endpoint] = tasks.create_task(kept.run())

    def take(self, endpoint: RelayEndpoint) -> Upstream | None:
        """Return a connection that is the caller's from now on, None if none is there."""
        kept = self._kept.get(endpoint)
        taken = None if kept is None else kept.take()
        if kept is not None:
            metrics.RELAY_WARM.labels("miss" if taken is None else "hit").inc()
        return taken


class _Kept:
    def __init__(self, endpoint: RelayEndpoint) -> None:
        self._endpoint = endpoint
        self._ready: list[tuple[float, Upstream]] = []
        self._taken = asyncio.Event()

    def take(self) -> Upstream | None:
        self._taken.set()
        while self._ready:
            opened_s, upstream = self._ready.pop()
            if upstream.link.is_open and time.monotonic() - opened_s < MOST_AGE_S:
                return upstream
            upstream.link.abort()
        return None

    async def run(self) -> None:
        try:
            while True:
                self._taken.clear()
                wait_s = await self._fill()
                try:
                    async with asyncio.timeout(wait_s):
                        await self._taken.wait()
                except TimeoutError:
                    pass
        finally:
            for _, upstream in self._ready:
                upstream.link.abort()
            self._ready.clear()

    async def _fill(self) -> float:
        """Renew what is old and open what is missing; return when to look again."""
        fresh = time.monotonic() - MOST_AGE_S
        for opened_s, upstream in [*self._ready]:
            if opened_s <= fresh or not upstream.link.is_open:
                self._ready.remove((opened_s, upstream))
                await upstream.link.close()
        while len(self._ready) < self._endpoint.warm_connections:
            opened_s = time.monotonic()
            try:
                upstream = await open_upstream(self._endpoint)
            except UpstreamFault:
                return RETRY_S
            self._ready.append((opened_s, upstream))
        oldest_s = min(opened_s for opened_s, _ in self._ready)
        return max(oldest_s + MOST_AGE_S - time.monotonic(), 0.0)
