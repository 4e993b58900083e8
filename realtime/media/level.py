"""Loudness of PCM."""

from __future__ import annotations

import numpy as np


def quieter(audio: bytes, factor: float) -> bytes:
    """Return 16-bit PCM at `factor` (0 to 1) of its loudness."""
    return (np.frombuffer(audio, "<i2") * factor).astype("<i2").tobytes()
