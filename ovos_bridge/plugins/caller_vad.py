"""Voice activity by any OVOS VAD plugin: an instance per caller, since such plugins remember.

Each instance has a thread of its own, so that one that hangs costs its caller the
detection, and the others a moment once. Instances are made ahead, since a plugin may
load a model for it. A thread that hangs cannot be ended: after `MOST_HUNG` of them the
process gives itself up, to be started anew.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ovos_bridge.speech.listening import RATE_HZ, Samples

FRAME_SAMPLES = RATE_HZ * 30 // 1000
"""30 ms: what OVOS gives plugins by default, and the longest frame that all of them take."""

MOST_CALLERS = 64
"""Instances at once, in use or kept: each may hold a model of its own. Callers beyond it
have no voice activity."""

FIRST_TIMEOUT_S = 60.0
BEGIN_TIMEOUT_S = 2.0
FRAME_TIMEOUT_S = 1.0
"""Longest time for all callers' frames of a moment; who has not answered then is lost."""

MOST_HUNG = 8
EXIT_HUNG = 70

_log = logging.getLogger(__name__)


class TooManyCallers(Exception):
    """Every instance that may be made is in use."""


class PluginHangs(Exception):
    """An instance was not made in time."""


class _Instance:
    """An instance of the plugin and its thread; `ready` gets it once it may be used (again)."""

    def __init__(self, make: Callable[[], Any], ready: queue.SimpleQueue[Any]) -> None:
        self._make = make
        self._ready = ready
        self._asked: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[float | None] = queue.SimpleQueue()
        self.hangs = False
        threading.Thread(target=self._run, name="caller-vad", daemon=True).start()

    def _run(self) -> None:
        try:
            plugin = self._make()
            self._ready.put(self)
            while True:
                frame = self._asked.get()
                if frame is None:
                    plugin.reset()
                    self._ready.put(self)
                else:
                    self._told.put(_chance(plugin, frame))
        except Exception as fault:  # whatever a plugin raises when it is made or reset
            self._ready.put(fault)

    def ask(self, frame: bytes) -> None:
        """Let it judge a frame."""
        self._asked.put(frame)

    def reset(self) -> None:
        """Let it forget its caller; `ready` tells the outcome."""
        self._asked.put(None)

    def answer(self, timeout_s: float) -> float | None:
        """Return the judgement, None when it fails or hangs."""
        try:
            return self._told.get(timeout=max(timeout_s, 0.0))
        except queue.Empty:
            self.hangs = True
            return None


def _chance(plugin: Any, frame: bytes) -> float | None:
    try:
        return 0.0 if plugin.is_silence(frame) else 1.0
    except Exception:  # whatever a plugin raises costs its own caller only
        _log.exception("voice activity plugin failed")
        return None


def _give_up() -> None:
    _log.critical("the voice activity plugin hangs too often; starting anew")
    logging.shutdown()
    os._exit(EXIT_HUNG)


class PluginPerCaller:
    """The instances; a silent frame has probability 0, any other 1. From one thread."""

    window_samples = FRAME_SAMPLES
    skips_still = False

    def __init__(
        self,
        plugin: Callable[[], Any],
        most: int = MOST_CALLERS,
        give_up: Callable[[], None] = _give_up,
    ) -> None:
        self._plugin = plugin
        self._most = most
        self._give_up = give_up
        self._ready: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._made = self._pending = self._hung = 0
        self._worked = False

    def begin(self) -> _Instance:
        """Return an instance that nobody uses; one that was used before is reset.

        Raises:
            TooManyCallers: there is none left.
            PluginHangs: it takes too long to be made.
            Exception: whatever the plugin raises when it is made.
        """
        self._make_ahead()
        deadline = time.monotonic() + (BEGIN_TIMEOUT_S if self._worked else FIRST_TIMEOUT_S)
        while self._pending or not self._ready.empty():
            try:
                made = self._ready.get(timeout=max(deadline - time.monotonic(), 0.0))
            except queue.Empty:
                self._pending -= 1
                self._one_hangs()
                raise PluginHangs("the voice activity plugin cannot be made in time") from None
            self._pending = max(self._pending - 1, 0)
            if isinstance(made, _Instance):
                self._worked = True
                self._make_ahead()
                return made
            self._made -= 1
            if not self._pending:
                raise made
        raise TooManyCallers(f"{self._most} callers have voice activity already")

    def _make_ahead(self) -> None:
        if not self._pending and self._ready.empty() and self._made < self._most:
            self._made += 1
            self._pending += 1
            _Instance(self._plugin, self._ready)

    def end(self, row: _Instance) -> None:
        """Keep the instance for the next caller; one that cannot be reset is dropped."""
        if not row.hangs:
            self._pending += 1
            row.reset()

    def judge(self, rows: list[_Instance], windows: Samples) -> list[float | None]:
        """Ask each instance; None for one that raises or does not answer in time."""
        frames = np.rint(windows * 32_768.0).clip(-32_768, 32_767).astype("<i2")
        for row, frame in zip(rows, frames, strict=True):
            row.ask(frame.tobytes())
        deadline = time.monotonic() + FRAME_TIMEOUT_S
        chances = [row.answer(deadline - time.monotonic()) for row in rows]
        for row in rows:
            if row.hangs:
                self._one_hangs()
        return chances

    def _one_hangs(self) -> None:
        self._hung += 1
        _log.error("an instance of the voice activity plugin hangs, %d by now", self._hung)
        if self._hung >= MOST_HUNG:
            self._give_up()
