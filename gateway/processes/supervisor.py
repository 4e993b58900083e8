"""The one supervisor of child processes: start, watch, restart, stop.

A child that ends is started again after a growing, bounded pause. Children run
in process groups of their own, are killed when the gateway dies (Linux), and
are stopped in reverse order. Output goes to a log file that is kept bounded.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import structlog

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0
"""A child that ran this long starts with the first pause again."""

MAX_LOG_BYTES = 4 * 1024 * 1024
_PR_SET_PDEATHSIG = 1

_log = structlog.get_logger("supervisor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What to run. `grace_s` passes between SIGTERM and SIGKILL."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    grace_s: float = 3.0


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Supervised:
    """One child and the task that keeps it running."""

    def __init__(self, child: Child, changed: Callable[[str, bool], None]) -> None:
        self.child = child
        self._changed = changed
        self.process: asyncio.subprocess.Process | None = None
        self.restarts = 0

    async def run(self) -> None:
        """Start the child, and again whenever it ends, until cancelled."""
        pause_s = FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        try:
            while True:
                started = loop.time()
                await self._run_once()
                steady = loop.time() - started > STEADY_S
                pause_s = FIRST_PAUSE_S if steady else min(pause_s * 2, LONGEST_PAUSE_S)
                self.restarts += 1
                await asyncio.sleep(pause_s)
        finally:
            await self._stop()

    async def _run_once(self) -> None:
        child = self.child
        child.log.parent.mkdir(parents=True, exist_ok=True)
        if child.log.exists() and child.log.stat().st_size > MAX_LOG_BYTES:
            child.log.replace(child.log.with_suffix(".log.1"))
        with child.log.open("ab") as output:
            try:
                self.process = await asyncio.create_subprocess_exec(
                    *child.argv,
                    env=dict(child.env),
                    cwd=child.cwd,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    preexec_fn=_die_with_parent,
                )
            except OSError as error:
                _log.error("child_not_started", child=child.name, error=str(error))
                return
        self._changed(child.name, True)
        code = await self.process.wait()
        self._changed(child.name, False)
        _log.warning("child_ended", child=child.name, code=code)

    async def _stop(self) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.child.grace_s):
                await process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


class Supervisor:
    """Children, in the order of their start."""

    def __init__(self, *, changed: Callable[[str, bool], None]) -> None:
        self._changed = changed
        self._running: list[tuple[Supervised, asyncio.Task[None]]] = []

    async def __aenter__(self) -> Supervisor:
        """Nothing runs yet; `start` children."""
        return self

    def start(self, child: Child) -> Supervised:
        """Keep a child running from now on."""
        supervised = Supervised(child, self._changed)
        task = asyncio.create_task(supervised.run(), name=f"supervise-{child.name}")
        self._running.append((supervised, task))
        return supervised

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the children, the last one first."""
        for _, task in reversed(self._running):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
