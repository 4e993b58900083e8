"""An event loop whose time is moved by hand, for the shell's timers."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

START_S = 1_000.0


class Handle:
    """A call that is due, until it is cancelled."""

    def __init__(self, call: Callable[..., object], args: tuple[object, ...]) -> None:
        self._call, self._args = call, args
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def run(self) -> None:
        if not self.cancelled:
            self._call(*self._args)


class VirtualLoop(asyncio.AbstractEventLoop):
    """What a session's shell uses of a loop; `run_for` lets time pass."""

    def __init__(self) -> None:
        self._now_s = START_S
        self._due: list[tuple[float, int, Handle]] = []
        self._count = 0

    def time(self) -> float:
        return self._now_s

    def get_debug(self) -> bool:
        return False

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = Handle(callback, args)
        self._count += 1
        heapq.heappush(self._due, (max(when, self._now_s), self._count, handle))
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_at(self._now_s + delay, callback, *args)

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_at(self._now_s, callback, *args)

    def run_for(self, seconds: float) -> None:
        """Make the calls that are due within so long, each at its time."""
        end = self._now_s + seconds
        while self._due and self._due[0][0] <= end:
            when, _, handle = heapq.heappop(self._due)
            self._now_s = max(self._now_s, when)
            handle.run()
        self._now_s = end

    def spawn(self, made: Coroutine[Any, Any, None], delay_s: float) -> None:
        """Run a coroutine that waits for nothing, after a delay."""

        def run() -> None:
            with suppress(StopIteration):
                made.send(None)
                raise AssertionError("a task waits for something that is not virtual")

        self.call_later(delay_s, run)


@contextmanager
def running(loop: VirtualLoop) -> Iterator[None]:
    """Let `asyncio.get_running_loop` return the loop."""
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(None)
