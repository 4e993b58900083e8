"""Voice activity of every caller of the worker, one call of the model per tick."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ovos_bridge.speech.protocol import PROBABILITY
from realtime.media.resample import Resampler

CANONICAL_HZ = 24_000
RATE_HZ = 16_000
TICK_S = 0.016
MOST_WAITING_BYTES = CANONICAL_HZ * 2 * 30
"""Audio of one caller that may wait; beyond it the oldest is dropped (the position moves on)."""

Samples = npt.NDArray[np.float32]
Report = Callable[[bytes], None]

_log = logging.getLogger(__name__)


class VoiceActivityModel(Protocol):
    """Judges windows of 16 kHz samples (-1 to 1); from one thread."""

    window_samples: int

    def begin(self) -> Any:
        """Return what is remembered of one caller."""

    def judge(self, rows: list[Any], windows: list[Samples]) -> Sequence[float | None]:
        """Return the speech probability of one window per row, None where it has none to give."""

    def end(self, row: Any) -> None:
        """Forget a caller."""


class Caller:
    """One stream of audio; positions count canonical samples."""

    def __init__(self, at_sample: int, report: Report, lost: Callable[[], None]) -> None:
        self.report = report
        self.lost = lost
        self.row: Any = None
        self.at_sample = at_sample
        self._waiting = bytearray()
        self._down = Resampler(CANONICAL_HZ, RATE_HZ)
        self._samples = np.zeros(0, dtype=np.float32)
        self.failed = False
        self.closed = False

    def feed(self, audio: bytes) -> None:
        """Take audio; from the loop's thread."""
        self._waiting += audio
        surplus = len(self._waiting) - MOST_WAITING_BYTES
        if surplus > 0:
            del self._waiting[:surplus]
            self.at_sample += surplus // 2

    def take(self) -> bytes:
        """Return what waits; from the loop's thread."""
        audio = bytes(self._waiting)
        self._waiting.clear()
        return audio

    def absorb(self, audio: bytes) -> None:
        """Convert audio; from the detection thread."""
        if audio:
            made = np.frombuffer(self._down.process(audio), dtype="<i2").astype(np.float32)
            self._samples = np.concatenate([self._samples, made / 32_768.0])

    def window(self, samples: int) -> Samples | None:
        """Return the next whole window, None when there is none yet."""
        if self.failed or len(self._samples) < samples:
            return None
        window, self._samples = self._samples[:samples], self._samples[samples:]
        self.at_sample += samples * CANONICAL_HZ // RATE_HZ
        return window


class VoiceActivity:
    """All callers; `run` is the one task that drives them."""

    def __init__(self, model: VoiceActivityModel) -> None:
        self._model = model
        self._callers: set[Caller] = set()
        self._leaving: list[Caller] = []
        self._thread = ThreadPoolExecutor(1, "voice-activity")
        self._wake = asyncio.Event()

    def load(self) -> None:
        """Judge a window of silence; blocking.

        Raises:
            Exception: whatever the model raises that cannot.
        """
        self._thread.submit(self._probe).result()

    def _probe(self) -> None:
        row = self._model.begin()
        silence = np.zeros(self._model.window_samples, dtype=np.float32)
        (chance,) = self._model.judge([row], [silence])
        self._model.end(row)
        if chance is None:
            raise RuntimeError("the voice activity plugin cannot judge silence")

    def open(self, at_sample: int, report: Report, lost: Callable[[], None]) -> Caller:
        """Begin a stream; `lost` is called once when it cannot be judged any more."""
        caller = Caller(at_sample, report, lost)
        self._callers.add(caller)
        return caller

    def feed(self, caller: Caller, audio: bytes) -> None:
        """Take a caller's audio."""
        if not caller.failed:
            caller.feed(audio)
            self._wake.set()

    def close(self, caller: Caller) -> None:
        """End a stream."""
        if caller in self._callers:
            caller.closed = True
            self._callers.discard(caller)
            self._leaving.append(caller)
            self._wake.set()

    async def run(self) -> None:
        """Judge what came, every tick in which something did."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            work = [(caller, caller.take()) for caller in self._callers if not caller.failed]
            left, self._leaving = self._leaving, []
            found = await loop.run_in_executor(self._thread, self._judge, work, left)
            for caller, report in found:
                if not caller.closed:
                    caller.report(report)
            for caller, _ in work:
                if caller.failed and not caller.closed:
                    caller.lost()
            await asyncio.sleep(TICK_S)

    # --- in the detection thread ---

    def _judge(
        self, work: list[tuple[Caller, bytes]], left: list[Caller]
    ) -> list[tuple[Caller, bytes]]:
        for caller in left:
            self._end(caller)
        for caller, audio in work:
            self._absorb(caller, audio)
        reports: dict[Caller, bytearray] = {}
        size = self._model.window_samples
        while ready := [(c, w) for c, _ in work if (w := c.window(size)) is not None]:
            for (caller, _), chance in zip(ready, self._chances(ready), strict=True):
                if chance is None:
                    caller.failed = True
                    continue
                place = PROBABILITY.pack(caller.at_sample, chance)
                reports.setdefault(caller, bytearray()).extend(place)
        return [(caller, bytes(report)) for caller, report in reports.items()]

    def _absorb(self, caller: Caller, audio: bytes) -> None:
        try:
            if caller.row is None:
                caller.row = self._model.begin()
            caller.absorb(audio)
        except Exception:  # audio or a plugin that is no good costs its own caller only
            caller.failed = True
            _log.exception("voice activity of a caller lost")

    def _chances(self, ready: list[tuple[Caller, Samples]]) -> Sequence[float | None]:
        try:
            return self._model.judge([c.row for c, _ in ready], [w for _, w in ready])
        except Exception:  # whatever a model raises costs who was judged, not the worker
            _log.exception("voice activity of %d callers lost", len(ready))
            return [None] * len(ready)

    def _end(self, caller: Caller) -> None:
        if caller.row is None:
            return
        try:
            self._model.end(caller.row)
        except Exception:  # a plugin that cannot forget a caller costs nobody else anything
            _log.exception("caller not forgotten")
