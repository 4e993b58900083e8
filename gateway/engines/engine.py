"""An engine: the parts that serve a session of one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.engines.group import speculations
from gateway.engines.relay.endpoint import RelayEndpoint
from gateway.settings import Prices
from realtime.errors import InvalidValue
from realtime.events.session import VOICES
from realtime.ports import Brain, Recogniser, Synthesiser, VoiceActivityDetector
from realtime.session.config import SessionConfig, fresh_config
from realtime.session.features import FEATURES
from realtime.session.inputs import EngineTraits
from realtime.turns.models import MODELS


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for the sessions of a model, whatever answers; None where the usual holds."""

    instructions: str | None = None
    voice: str | None = None
    context_tokens: int | None = None
    session_minutes: int | None = None
    most_sessions: int | None = None
    """Of a project at a time."""
    features: frozenset[str] = frozenset(FEATURES)
    skills_tool: bool = False
    """Its chat model may hand requests to OVOS skills."""
    prices: Prices | None = None


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
    wake_words: Mapping[str, VoiceActivityDetector] = field(default_factory=dict)
    """Detectors that are silent until a word was said, by the word's name."""
    relay: RelayEndpoint | None = None
    """Who answers instead of all the parts, beside our protocol machine (DECISIONS 1.1)."""
    terms: Terms = Terms()
    translates: bool = False
    """It serves translation sessions and no others (CONTRACT 13)."""
    fallback: Engine | None = None
    """What serves sessions that the relay cannot begin."""

    def woken_by(self, name: str | None) -> Engine:
        """Return the engine that listens behind a wake word, itself for None.

        Raises:
            InvalidValue: there is no such word.
        """
        if name is None:
            return self
        if name not in self.wake_words:
            if self.wake_words:
                raise InvalidValue.unsupported(name, self.wake_words, param="wake_word")
            raise InvalidValue("This model has no wake words.", param="wake_word")
        return replace(self, detector=self.wake_words[name])

    def traits(self, language: str | None = None) -> EngineTraits:
        """Return what the protocol machine must know of it; `language` is the session's own."""
        return EngineTraits(
            needs_transcript=self.needs_transcript,
            listens=self.detector is not None,
            language=language or self.language,
            voices=VOICES if self.synthesiser is None else tuple(self.synthesiser.voices()),
            transcription_models=self.transcription_models,
            features=self.terms.features,
            instructions=self.terms.instructions,
            speculations=speculations(self.brain),
        )

    def fresh_config(self, *, session_id: str, model: str, expires_at: int = 0) -> SessionConfig:
        """Return what a session of a model begins with."""
        config = fresh_config(session_id=session_id, model=model, expires_at=expires_at)
        if self.terms.instructions is not None:
            config = replace(config, instructions=self.terms.instructions)
        if self.terms.voice is not None:
            output = replace(config.audio.output, voice=self.terms.voice)
            config = replace(config, audio=replace(config.audio, output=output))
        return config
