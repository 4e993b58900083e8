"""Voice activity by any OVOS VAD plugin: an instance per caller, since such plugins remember."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from ovos_bridge.speech.listening import RATE_HZ, Samples

FRAME_SAMPLES = RATE_HZ * 30 // 1000
"""30 ms: what OVOS gives plugins by default, and the longest frame that all of them take."""

MOST_CALLERS = 64
"""Instances at once, in use or kept: each may hold a model of its own. Callers beyond it
have no voice activity."""

_log = logging.getLogger(__name__)


class TooManyCallers(Exception):
    """Every instance that may be made is in use."""


class PluginPerCaller:
    """The instances; a silent frame has probability 0, any other 1. From one thread."""

    window_samples = FRAME_SAMPLES
    skips_still = False

    def __init__(self, plugin: Callable[..., Any], most: int = MOST_CALLERS) -> None:
        self._plugin = plugin
        self._most = most
        self._made = 0
        self._free: list[Any] = []

    def begin(self) -> Any:
        """Return an instance that nobody uses; one that was used before is reset.

        Raises:
            TooManyCallers: there is none left.
            Exception: whatever the plugin raises when it is made.
        """
        if self._free:
            return self._free.pop()
        if self._made >= self._most:
            raise TooManyCallers(f"{self._most} callers have voice activity already")
        made = self._plugin()
        self._made += 1
        return made

    def end(self, row: Any) -> None:
        """Keep the instance for the next caller; one that cannot be reset is dropped."""
        self._made -= 1
        row.reset()
        self._made += 1
        self._free.append(row)

    def judge(self, rows: list[Any], windows: Samples) -> list[float | None]:
        """Ask each instance; None for one that raises."""
        return [self._ask(row, window) for row, window in zip(rows, windows, strict=True)]

    def _ask(self, instance: Any, window: Samples) -> float | None:
        frame = np.rint(window * 32_768.0).astype("<i2").tobytes()
        try:
            return 0.0 if instance.is_silence(frame) else 1.0
        except Exception:  # whatever a plugin raises costs its own caller only
            _log.exception("voice activity plugin failed")
            return None
