"""One clock for what all callers hear: a timer of the process, not one for each packet.

A call's packets are due every 20 ms. Calls are spread over PHASES of that
time, so that what many say is not encoded in one heap; whoever has nothing to
say costs nothing.
"""

from __future__ import annotations

import asyncio
from itertools import cycle
from typing import Final, Protocol

import structlog

PLACE_MS: Final = 20
PHASES: Final = 4
STEP_S: Final = PLACE_MS / PHASES / 1000

CATCH_UP_MS: Final = 100
"""What a busy loop made late is sent at once up to here, else every such moment would add to
the delay of an answer that has no end; beyond it the time is taken as a pause."""

_CATCH_UP: Final = CATCH_UP_MS * PHASES // PLACE_MS

_log = structlog.get_logger("webrtc")


class Paced(Protocol):
    """Somebody who speaks."""

    phase: int

    def due(self, place: int) -> None:
        """Say the 20 ms of a place; places count from the beginning of the loop's clock."""


class Pacer:
    """Calls everybody who speaks once in 20 ms."""

    def __init__(self) -> None:
        self._speaking: tuple[dict[Paced, None], ...] = tuple({} for _ in range(PHASES))
        self._phases = cycle(range(PHASES))
        self._handle: asyncio.TimerHandle | None = None
        self._next = 0
        """The step that the timer waits for."""

    def phase(self) -> int:
        """Return the phase of a new call."""
        return next(self._phases)

    def place(self, phase: int) -> int:
        """Return the place that is being said by a phase."""
        return (_step(asyncio.get_running_loop()) - phase) // PHASES

    def start(self, one: Paced) -> None:
        """Call somebody from the next place on; nothing if that is so already."""
        loop = asyncio.get_running_loop()
        self._speaking[one.phase][one] = None
        step = _step(loop) + 1
        self._wait(loop, step + (one.phase - step) % PHASES)

    def stop(self, one: Paced) -> None:
        """Call somebody no more."""
        self._speaking[one.phase].pop(one, None)

    def _wait(self, loop: asyncio.AbstractEventLoop, step: int) -> None:
        """Wake at a step, or earlier if that is so already."""
        if self._handle is not None:
            if self._next <= step:
                return
            self._handle.cancel()
        self._next = step
        self._handle = loop.call_at(step * STEP_S, self._tick)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._handle = None
        # A timer may come within the clock's resolution before its instant.
        last = max(_step(loop), self._next)
        first = self._next if last - self._next <= _CATCH_UP else last - PHASES + 1
        for step in range(first, last + 1):
            place, phase = divmod(step, PHASES)
            for one in tuple(self._speaking[phase]):
                self._say(one, place)
        for step in range(last + 1, last + 1 + PHASES):
            if self._speaking[step % PHASES]:
                self._wait(loop, step)
                break

    def _say(self, one: Paced, place: int) -> None:
        try:
            one.due(place)
        except Exception:  # noqa: BLE001 -- the clock is everybody's: one call's fault is its own
            _log.exception("voice_failed")
            self.stop(one)


def _step(loop: asyncio.AbstractEventLoop) -> int:
    return int(loop.time() / STEP_S)
