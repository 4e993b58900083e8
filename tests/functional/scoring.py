"""How much of what was said was heard: waveforms compared, 20 ms at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HZ = 24_000
FRAME = HZ // 50
SLACK = HZ // 500
"""2 ms: how far a frame may lie from its place; codecs and resamplers delay by parts of one."""
MOST_DRIFT = HZ // 20
"""How far the halves of what was said are looked for from where the whole was found."""
LOUD = 200.0
ALIKE = 0.8
"""Correlation from which on a frame counts as heard. Opus at 32 kb/s gives 0.95 and more for
voiced sound; a concealed frame gives anything."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a comparison found."""

    frames: int
    """Loud frames of what was said."""
    heard: float
    """The part of them that was heard as it was said, at its place."""
    drift_ms: float
    """How much later the end was heard than the beginning, against what was said."""


def score(heard: np.ndarray, said: np.ndarray) -> Score:
    """Compare 24 kHz samples; `heard` may begin anywhere."""
    place = lag(heard, said)
    half = np.arange(len(said)) < len(said) // 2
    around = slice(place - MOST_DRIFT, place + MOST_DRIFT)
    drift = lag(heard, np.where(half, 0, said), around)
    drift -= lag(heard, np.where(half, said, 0), around)
    alike: list[bool] = []
    for at in range(0, len(said) - FRAME, FRAME):
        frame = said[at : at + FRAME]
        if np.sqrt(np.mean(frame**2)) >= LOUD:
            start = max(place + at - SLACK, 0)
            alike.append(_best(heard[start : start + FRAME + 2 * SLACK], frame) >= ALIKE)
    return Score(len(alike), float(np.mean(alike)), drift * 1000 / HZ)


def samples(audio: bytes) -> np.ndarray:
    """Return canonical audio as samples."""
    return np.frombuffer(audio, "<i2").astype(float)


def lag(heard: np.ndarray, said: np.ndarray, around: slice | None = None) -> int:
    """Return where in `heard` what was said begins."""
    size = 1 << (len(heard) + len(said)).bit_length()
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size))
    alike = np.fft.irfft(product, size)
    if around is not None:
        places = np.arange(around.start, around.stop)
        return int(places[np.argmax(alike[places % size])])
    place = int(np.argmax(alike))
    return place if place < len(heard) else place - size


def _best(around: np.ndarray, frame: np.ndarray) -> float:
    """Return the best normalised correlation of a frame with its surroundings."""
    if len(around) < len(frame):
        return 0.0
    windows = np.lib.stride_tricks.sliding_window_view(around, len(frame))
    norms = np.linalg.norm(windows, axis=1) * np.linalg.norm(frame)
    return float(np.max(windows @ frame / np.maximum(norms, 1e-9)))
