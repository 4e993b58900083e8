"""Which engine serves which model name (CONTRACT 17; DECISIONS 1.9)."""

from __future__ import annotations

from gateway.engines.engine import Engine

REALTIME_MODELS = (
    "gpt-realtime", "gpt-realtime-2025-08-28", "gpt-realtime-1.5", "gpt-realtime-2",
    "gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime-mini",
    "gpt-realtime-mini-2025-10-06", "gpt-realtime-mini-2025-12-15",
    "gpt-4o-realtime-preview", "gpt-4o-realtime-preview-2024-10-01",
    "gpt-4o-realtime-preview-2024-12-17", "gpt-4o-realtime-preview-2025-06-03",
    "gpt-4o-mini-realtime-preview", "gpt-4o-mini-realtime-preview-2024-12-17",
    "gpt-audio-1.5", "gpt-audio-mini", "gpt-audio-mini-2025-10-06", "gpt-audio-mini-2025-12-15",
)  # fmt: skip
"""Names that SDKs send; all resolve at once, or SDK defaults fail."""

TRANSCRIPTION_MODELS = (
    "whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15", "gpt-4o-transcribe-diarize", "gpt-transcribe",
    "gpt-live-transcribe", "gpt-realtime-whisper",
)  # fmt: skip

DEFAULT_MODEL = "gpt-realtime"
ECHO_MODEL = "echo"


class Registry:
    """Model names and their engines."""

    def __init__(self, default: Engine, *, echo: Engine) -> None:
        self._engines = dict.fromkeys(REALTIME_MODELS, default)
        self._engines[ECHO_MODEL] = echo

    def resolve(self, model: str) -> Engine | None:
        """Return the engine of a realtime model, None for an unknown name."""
        return self._engines.get(model)

    def names(self) -> tuple[str, ...]:
        """Return every model name, transcription models included."""
        return (*self._engines, *TRANSCRIPTION_MODELS)
