"""Voice activity of every caller of the worker, one batched model call per tick."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ovos_bridge.speech.protocol import PROBABILITY
from ovos_bridge.speech.silero import RATE_HZ, WINDOW, SileroModel, SileroRow
from realtime.media.resample import Resampler

CANONICAL_HZ = 24_000
TICK_S = 0.016
CANONICAL_WINDOW = WINDOW * CANONICAL_HZ // RATE_HZ
MOST_WAITING_BYTES = CANONICAL_HZ * 2 * 30
"""Audio of one caller that may wait; beyond it the oldest is dropped (the position moves on)."""

Report = Callable[[bytes], None]


class Caller:
    """One stream of audio; positions count canonical samples."""

    def __init__(self, at_sample: int, report: Report) -> None:
        self.report = report
        self.row = SileroRow()
        self.at_sample = at_sample
        self._waiting = bytearray()
        self._down = Resampler(CANONICAL_HZ, RATE_HZ)
        self._samples = np.zeros(0, dtype=np.float32)
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

    def window(self) -> np.ndarray[tuple[int], np.dtype[np.float32]] | None:
        """Return the next whole window, None when there is none yet."""
        if len(self._samples) < WINDOW:
            return None
        window, self._samples = self._samples[:WINDOW], self._samples[WINDOW:]
        self.at_sample += CANONICAL_WINDOW
        return window


class VoiceActivity:
    """All callers; `run` is the one task that drives them."""

    def __init__(self, model: SileroModel) -> None:
        self._model = model
        self._callers: set[Caller] = set()
        self._thread = ThreadPoolExecutor(1, "voice-activity")
        self._wake = asyncio.Event()

    def open(self, at_sample: int, report: Report) -> Caller:
        """Begin a stream."""
        caller = Caller(at_sample, report)
        self._callers.add(caller)
        return caller

    def feed(self, caller: Caller, audio: bytes) -> None:
        """Take a caller's audio."""
        caller.feed(audio)
        self._wake.set()

    def close(self, caller: Caller) -> None:
        """End a stream."""
        caller.closed = True
        self._callers.discard(caller)

    async def run(self) -> None:
        """Judge what came, every tick in which something did."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            work = [(caller, caller.take()) for caller in self._callers]
            found = await loop.run_in_executor(self._thread, self._judge, work)
            for caller, report in found:
                if not caller.closed:
                    caller.report(report)
            await asyncio.sleep(TICK_S)

    def _judge(self, work: list[tuple[Caller, bytes]]) -> list[tuple[Caller, bytes]]:
        reports: dict[Caller, bytearray] = {}
        for caller, audio in work:
            caller.absorb(audio)
        while True:
            ready = [(c, w) for c, _ in work if (w := c.window()) is not None]
            if not ready:
                return [(caller, bytes(report)) for caller, report in reports.items()]
            chances = self._model.judge([c.row for c, _ in ready], [w for _, w in ready])
            for (caller, _), chance in zip(ready, chances, strict=True):
                reports.setdefault(caller, bytearray()).extend(
                    PROBABILITY.pack(caller.at_sample, chance)
                )
