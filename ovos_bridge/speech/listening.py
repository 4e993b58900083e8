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
from realtime.media.resample import WindowResampler

CANONICAL_HZ = 24_000
RATE_HZ = 16_000
TICK_S = 0.016
MOST_WAITING_BYTES = CANONICAL_HZ * 2 * 30
"""Audio of one caller that may wait; beyond it the oldest is dropped (the position moves on)."""

MOST_WINDOWS = 64
"""Windows of one caller that are judged in one go: two seconds. A burst must not hold up others."""

STILL = 0.001
"""Peak (of 1) of a window that a model need not look at: 60 dB below the loudest."""

Samples = npt.NDArray[np.float32]
Report = Callable[[bytes], None]

_log = logging.getLogger(__name__)


class VoiceActivityModel(Protocol):
    """Judges windows of 16 kHz samples (-1 to 1); from one thread."""

    window_samples: int
    skips_still: bool
    """Still windows are silence without asking it, which must not confuse it."""

    def begin(self) -> Any:
        """Return what is remembered of one caller."""

    def judge(self, rows: list[Any], windows: Samples) -> Sequence[float | None]:
        """Return the speech probability of one window per row, None where it has none to give."""

    def end(self, row: Any) -> None:
        """Forget a caller."""


class Caller:
    """One stream of audio; positions count canonical samples. From the loop's thread, but `row`."""

    def __init__(
        self, at_sample: int, report: Report, lost: Callable[[], None], lead_samples: int
    ) -> None:
        self.report = report
        self.lost = lost
        self.row: Any = None
        """Of the model; None before the detection thread has seen the caller."""
        self.at_sample = at_sample
        self.failed = False
        self.closed = False
        self._waiting = bytearray(2 * lead_samples)

    def feed(self, audio: bytes) -> None:
        """Take audio."""
        self._waiting += audio
        surplus = len(self._waiting) - MOST_WAITING_BYTES
        if surplus > 0:
            del self._waiting[:surplus]
            self.at_sample += surplus // 2

    def take(self, span_samples: int, step_samples: int) -> list[bytes]:
        """Return the spans of the windows that are whole, oldest first."""
        span, step = 2 * span_samples, 2 * step_samples
        count = min((len(self._waiting) - span) // step + 1, MOST_WINDOWS)
        spans = [bytes(self._waiting[n * step : n * step + span]) for n in range(count)]
        if count > 0:
            del self._waiting[: count * step]
        return spans


Work = list[tuple[Caller, list[bytes]]]


class VoiceActivity:
    """All callers; `run` is the one task that drives them."""

    def __init__(self, model: VoiceActivityModel) -> None:
        self._model = model
        self._down = WindowResampler(CANONICAL_HZ, RATE_HZ, model.window_samples)
        self._callers: set[Caller] = set()
        self._fed: set[Caller] = set()
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
        silence = np.zeros((1, self._model.window_samples), dtype=np.float32)
        (chance,) = self._model.judge([row], silence)
        self._model.end(row)
        if chance is None:
            raise RuntimeError("the voice activity plugin cannot judge silence")

    def open(self, at_sample: int, report: Report, lost: Callable[[], None]) -> Caller:
        """Begin a stream; `lost` is called once when it cannot be judged any more."""
        caller = Caller(at_sample, report, lost, self._down.lead)
        self._callers.add(caller)
        return caller

    def feed(self, caller: Caller, audio: bytes) -> None:
        """Take a caller's audio; half a sample ends its stream, since nothing after it fits."""
        if caller.failed or caller.closed:
            return
        if len(audio) % 2:
            caller.failed = True
            caller.lost()
            return
        caller.feed(audio)
        self._fed.add(caller)
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
            work, left = self._work(), self._leaving
            self._leaving = []
            if work or left:
                found = await loop.run_in_executor(self._thread, self._judge, work, left)
                self._tell(work, found)
            await asyncio.sleep(TICK_S)

    def _work(self) -> Work:
        fed, self._fed = self._fed, set()
        work: Work = []
        for caller in fed:
            spans = caller.take(self._down.span, self._down.step)
            if spans and not caller.failed and not caller.closed:
                work.append((caller, spans))
            if len(spans) == MOST_WINDOWS:
                self._fed.add(caller)
                self._wake.set()
        return work

    def _tell(self, work: Work, found: list[list[float]]) -> None:
        for (caller, _), chances in zip(work, found, strict=True):
            if caller.closed:
                continue
            report = bytearray()
            for chance in chances:
                caller.at_sample += self._down.step
                report += PROBABILITY.pack(caller.at_sample, chance)
            if report:
                caller.report(bytes(report))
            if caller.failed:
                caller.lost()

    # --- in the detection thread ---

    def _judge(self, work: Work, left: list[Caller]) -> list[list[float]]:
        """Return the chances of each caller's windows; fewer where it failed on the way."""
        for caller in left:
            self._end(caller)
        chances: list[list[float]] = [[] for _ in work]
        for place in range(max((len(spans) for _, spans in work), default=0)):
            ready = [
                (number, caller, spans[place])
                for number, (caller, spans) in enumerate(work)
                if place < len(spans) and not caller.failed and self._has_row(caller)
            ]
            if ready:
                found = self._chances([caller for _, caller, _ in ready], [s for *_, s in ready])
                for (number, caller, _), chance in zip(ready, found, strict=True):
                    if chance is None:
                        caller.failed = True
                    else:
                        chances[number].append(chance)
        return chances

    def _has_row(self, caller: Caller) -> bool:
        try:
            if caller.row is None:
                caller.row = self._model.begin()
        except Exception:  # a plugin that cannot take another caller costs that one only
            caller.failed = True
            _log.exception("voice activity of a caller lost")
        return not caller.failed

    def _chances(self, callers: list[Caller], spans: list[bytes]) -> list[float | None]:
        samples = np.frombuffer(b"".join(spans), dtype="<i2").reshape(len(spans), -1)
        windows = self._down.convert(samples)
        chances: list[float | None] = [0.0] * len(callers)
        asked = list(range(len(callers)))
        if self._model.skips_still:
            loud = np.abs(windows).max(axis=1) >= STILL
            asked = [number for number in asked if loud[number]]
            windows = windows[loud]
        if not asked:
            return chances
        for number, chance in zip(
            asked, self._asked([callers[number] for number in asked], windows), strict=True
        ):
            chances[number] = chance
        return chances

    def _asked(self, callers: list[Caller], windows: Samples) -> Sequence[float | None]:
        try:
            return self._model.judge([caller.row for caller in callers], windows)
        except Exception:  # whatever a model raises costs who was judged, not the worker
            _log.exception("voice activity of %d callers lost", len(callers))
            return [None] * len(callers)

    def _end(self, caller: Caller) -> None:
        if caller.row is None:
            return
        try:
            self._model.end(caller.row)
        except Exception:  # a plugin that cannot forget a caller costs nobody else anything
            _log.exception("caller not forgotten")
