"""Silero voice activity for many callers in one call of one onnxruntime session.

Per window 512 samples at 16 kHz and 64 of context; the state is one row per
caller. A batched call costs a third per caller of what single calls cost.
"""

from __future__ import annotations

from importlib.metadata import distribution
from typing import Any

import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000
WINDOW = 512
CONTEXT = 64

Samples = npt.NDArray[np.float32]


class SileroRow:
    """What the model remembers of one caller."""

    __slots__ = ("context", "state")

    def __init__(self) -> None:
        self.state = np.zeros((2, 128), dtype=np.float32)
        self.context = np.zeros(CONTEXT, dtype=np.float32)


class SileroModel:
    """The shared model; one thread, not spinning."""

    window_samples = WINDOW

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

    def begin(self) -> SileroRow:
        """Return what is remembered of one caller."""
        return SileroRow()

    def end(self, row: SileroRow) -> None:
        """Forget a caller; a row is all there is of one."""

    def judge(self, rows: list[SileroRow], windows: list[Samples]) -> list[float]:
        """Return the speech probability of one window per caller; advances the rows."""
        batch = np.stack(
            [
                np.concatenate([row.context, window])
                for row, window in zip(rows, windows, strict=True)
            ]
        )
        state = np.stack([row.state for row in rows], axis=1)
        made, after = self._session.run(None, {"input": batch, "state": state, "sr": self._rate})
        for place, row in enumerate(rows):
            row.state = after[:, place]
            row.context = batch[place, -CONTEXT:]
        return [float(value) for value in made[:, 0]]
