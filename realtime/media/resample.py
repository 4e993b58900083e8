"""Rate conversion by a polyphase filter, as one matrix product per chunk.

Nothing is held back but the rest of a group of input samples (two at 24 to
16 kHz); the group delay is 16 input periods. Block resamplers hold 24 ms and more.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd

import numpy as np
import numpy.typing as npt

HALF_TAPS = 16
"""Filter taps on each side, in periods of the lower rate."""

_KAISER_BETA = 8.0
_ROLL_OFF = 0.92
"""Pass band edge as a part of the lower Nyquist frequency."""


@lru_cache(maxsize=16)
def _filter(up: int, down: int) -> npt.NDArray[np.float32]:
    """Return the matrix [window, up] that turns a window of input into `up` outputs."""
    stretch = max(1.0, down / up)
    half = int(np.ceil(HALF_TAPS * stretch))
    window = 2 * half + down
    matrix = np.zeros((window, up), dtype=np.float64)
    for phase in range(up):
        centre = half + phase * down / up
        offset = (np.arange(window) - centre) / stretch
        inside = np.abs(offset) <= HALF_TAPS
        taper = np.zeros(window)
        taper[inside] = np.i0(
            _KAISER_BETA * np.sqrt(1 - (offset[inside] / HALF_TAPS) ** 2)
        ) / np.i0(_KAISER_BETA)
        taps = np.sinc(offset * _ROLL_OFF) * taper
        matrix[:, phase] = taps / taps.sum()
    return matrix.astype(np.float32)


class Resampler:
    """Converts one mono 16-bit stream between two rates (Hz); keeps state between chunks."""

    def __init__(self, source_hz: int, target_hz: int) -> None:
        common = gcd(source_hz, target_hz)
        self._up, self._down = target_hz // common, source_hz // common
        self._matrix = _filter(self._up, self._down)
        self._history = len(self._matrix) - self._down
        self._kept: npt.NDArray[np.float32] = np.zeros(self._history // 2, dtype=np.float32)

    def process(self, audio: bytes | bytearray | memoryview) -> bytes:
        """Return the converted samples that the input so far allows."""
        samples = np.frombuffer(audio, dtype="<i2").astype(np.float32)
        return self._convert(np.concatenate([self._kept, samples]))

    def flush(self) -> bytes:
        """Return what the filter still holds; the stream starts anew afterwards."""
        tail = np.zeros(self._history // 2 + self._down - 1, dtype=np.float32)
        rest = self._convert(np.concatenate([self._kept, tail]))
        self._kept = np.zeros(self._history // 2, dtype=np.float32)
        return rest

    def _convert(self, samples: npt.NDArray[np.float32]) -> bytes:
        groups = (len(samples) - self._history) // self._down
        if groups <= 0:
            self._kept = samples
            return b""
        windows = np.lib.stride_tricks.sliding_window_view(samples, len(self._matrix))
        made = windows[: (groups - 1) * self._down + 1 : self._down] @ self._matrix
        self._kept = samples[groups * self._down :].copy()
        rounded = np.rint(made.reshape(-1))
        clipped: npt.NDArray[np.float32] = np.clip(rounded, -32_768, 32_767)
        return clipped.astype("<i2").tobytes()


class WindowResampler:
    """Converts equal windows of many streams at once; the streams keep their own samples.

    A window of `target_samples` needs `span` samples of its stream, of which the
    first `step` are done with afterwards. A stream begins with `lead` zeros, so
    that its output is not late.
    """

    GROUPS = 16
    """Outputs are made in blocks of this many groups: a dense product of little waste."""

    def __init__(self, source_hz: int, target_hz: int, target_samples: int) -> None:
        common = gcd(source_hz, target_hz)
        up, down = target_hz // common, source_hz // common
        taps = _filter(up, down)
        self._blocks, rest = divmod(target_samples, up * self.GROUPS)
        if rest:
            raise ValueError(f"windows must hold a multiple of {up * self.GROUPS} samples")
        self._stride = down * self.GROUPS
        reach = self._stride - down + len(taps)
        self._matrix = np.zeros((reach, up * self.GROUPS), dtype=np.float32)
        for group in range(self.GROUPS):
            place = group * down
            columns = slice(group * up, (group + 1) * up)
            self._matrix[place : place + len(taps), columns] = taps
        self.step = self._stride * self._blocks
        self.span = self.step - down + len(taps)
        self.lead = (len(taps) - down) // 2

    def convert(self, spans: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
        """Return the windows [streams, target_samples], -1 to 1, of spans [streams, span]."""
        samples = spans.astype(np.float32)
        samples *= 1 / 32_768
        blocks = np.lib.stride_tricks.sliding_window_view(samples, len(self._matrix), axis=1)
        made: npt.NDArray[np.float32] = blocks[:, :: self._stride] @ self._matrix
        return made.reshape(len(spans), -1)
