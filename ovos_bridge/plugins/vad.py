"""`silero-batched`: Silero with a shared model, as an OVOS VAD plugin."""

from __future__ import annotations

import weakref
from functools import lru_cache
from typing import Any

import numpy as np
from ovos_plugin_manager.templates.vad import VADEngine

from ovos_bridge.speech.silero import RATE_HZ, WINDOW, SileroModel


@lru_cache(maxsize=1)
def shared_model() -> SileroModel:
    """Return the one model of this process."""
    return SileroModel()


class SileroBatchedVAD(VADEngine):  # type: ignore[misc]  # OVOS is not typed
    """A row of the shared model for OVOS; `batched_model` for the worker."""

    batched_model = staticmethod(shared_model)

    def __init__(
        self, config: dict[str, Any] | None = None, sample_rate: int | None = None
    ) -> None:
        super().__init__(config, sample_rate or RATE_HZ)
        model = shared_model()
        self._row = model.begin()
        weakref.finalize(self, model.end, self._row)
        self._rest = b""
        self._speech = False
        self._threshold = float((config or {}).get("threshold", 0.5))

    def reset(self) -> None:
        """Forget the utterance."""
        shared_model().reset(self._row)
        self._rest, self._speech = b"", False

    def is_silence(self, chunk: bytes) -> bool:
        """Say whether 16 kHz audio is silence; a part of a window gets the last answer."""
        self._rest += chunk
        while len(self._rest) >= WINDOW * 2:
            raw, self._rest = self._rest[: WINDOW * 2], self._rest[WINDOW * 2 :]
            window = np.frombuffer(raw, dtype="<i2").astype(np.float32) / 32_768.0
            (chance,) = shared_model().judge([self._row], window[np.newaxis])
            self._speech = chance >= self._threshold
        return not self._speech
