"""An engine: the parts that serve a session of one model."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.events.session import VOICES
from realtime.ports import Brain, Recogniser, Synthesiser, VoiceActivityDetector
from realtime.session.inputs import EngineTraits
from realtime.turns.models import MODELS


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Separately replaceable parts; one that is None is absent by configuration."""

    name: str
    brain: Brain
    detector: VoiceActivityDetector | None = None
    recogniser: Recogniser | None = None
    synthesiser: Synthesiser | None = None
    needs_transcript: bool = True
    language: str = "en-US"
    transcription_models: tuple[str, ...] = tuple(MODELS)

    def traits(self, language: str | None = None) -> EngineTraits:
        """Return what the protocol machine must know of it; `language` is the session's own."""
        return EngineTraits(
            needs_transcript=self.needs_transcript,
            listens=self.detector is not None,
            language=language or self.language,
            voices=VOICES if self.synthesiser is None else tuple(self.synthesiser.voices()),
            transcription_models=self.transcription_models,
        )
