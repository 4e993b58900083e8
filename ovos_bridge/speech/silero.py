"""Silero voice activity for many callers in one call of one onnxruntime session.

Per window 512 samples at 16 kHz and 64 of context; the state is one row per
caller. A batched call costs a third per caller of what single calls cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import distribution
from typing import Any

import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000
WINDOW = 512
CONTEXT = 64
ROWS_AT_FIRST = 16

Samples = npt.NDArray[np.float32]


SileroRow = int
"""A caller's place in the arrays of what the model remembers."""


class SileroModel:
    """The shared model; one thread, not spinning."""

    window_samples = WINDOW
    skips_still = True

    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        # The package itself imports torch, so its model is found without importing it.
        path = distribution("silero-vad").locate_file("silero_vad/data/silero_vad.onnx")
        self._session: Any = onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
        self._rate = np.array(RATE_HZ, dtype=np.int64)
        self._states = np.zeros((2, ROWS_AT_FIRST, 128), dtype=np.float32)
        self._contexts = np.zeros((ROWS_AT_FIRST, CONTEXT), dtype=np.float32)
        self._free = list(range(ROWS_AT_FIRST))

    def begin(self) -> SileroRow:
        """Return what is remembered of one caller."""
        if not self._free:
            rows = len(self._contexts)
            self._states = np.concatenate([self._states, np.zeros_like(self._states)], axis=1)
            self._contexts = np.concatenate([self._contexts, np.zeros_like(self._contexts)])
            self._free = list(range(rows, 2 * rows))
        return self._free.pop()

    def reset(self, row: SileroRow) -> None:
        """Remember nothing of the caller."""
        self._states[:, row] = 0
        self._contexts[row] = 0

    def end(self, row: SileroRow) -> None:
        """Forget a caller."""
        self.reset(row)
        self._free.append(row)

    def judge(self, rows: Sequence[SileroRow], windows: Samples) -> list[float]:
        """Return the speech probability of one window [rows, WINDOW] per caller."""
        places = np.array(rows)
        batch = np.concatenate([self._contexts[places], windows], axis=1)
        asked = {"input": batch, "state": self._states[:, places], "sr": self._rate}
        made, after = self._session.run(None, asked)
        self._states[:, places] = after
        self._contexts[places] = batch[:, -CONTEXT:]
        chances: list[float] = made[:, 0].tolist()
        return chances
