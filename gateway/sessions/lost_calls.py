"""Closes the rows of calls whose process died, at the start and from time to time.

A process that follows another on its data directory may start while that one
still drains: the directory's lock says whether it is alone.
"""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway.services import Services
from gateway.store.calls import close_lost_calls
from gateway.telemetry import metrics
from realtime.session.inputs import EndReason

LOOK_S: Final = 60.0
QUERY_TIMEOUT_S: Final = 30.0
MARGIN_S: Final = 600
"""Beyond the longest call, after which another installation's open call is taken for lost."""
LOCK: Final = "node.lock"

_log = structlog.get_logger("calls")


class LostCalls:
    """Watches for calls that cannot be live any more; `close` gives the directory back."""

    def __init__(self, services: Services, *, unix_s: Callable[[], float] = time.time) -> None:
        self._services = services
        self._unix_s = unix_s
        self._started_s = int(unix_s())
        self._lock = _Lock(services.settings.data_dir / LOCK)

    async def look(self) -> None:
        """Close the rows of lost calls, with their sessions, and count them."""
        services, now_s = self._services, int(self._unix_s())
        longest = max(services.settings.session_max_minutes, services.registry.longest_minutes())
        async with asyncio.timeout(QUERY_TIMEOUT_S):
            lost = await close_lost_calls(
                services.database,
                node=services.node if self._lock.taken() else None,
                started_s=self._started_s,
                created_before=now_s - longest * 60 - MARGIN_S,
                now_s=now_s,
                live=services.calls.ids(),
            )
        for ingress, calls in lost.items():
            metrics.CALLS_ENDED.labels(ingress, EndReason.LOST.value).inc(calls)
            _log.warning("calls_lost", ingress=ingress, calls=calls)

    async def run(self) -> None:
        """Look until cancelled; a database that is away is asked again."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except (SQLAlchemyError, OSError) as error:
                _log.warning("lost_calls_unknown", error=type(error).__name__)

    def close(self) -> None:
        """Let another process be the one of this directory."""
        self._lock.release()


class _Lock:
    """A file that one process holds; the system lets go of it when that process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: IO[str] | None = None

    def taken(self) -> bool:
        """Take it if nobody has it; say whether it is ours."""
        if self._held is None:
            opened = self._path.open("a")
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                opened.close()
                return False
            self._held = opened
        return True

    def release(self) -> None:
        """Give it back."""
        if self._held is not None:
            self._held.close()
            self._held = None
