"""Which engine translates, by model name (CONTRACT 13, 17)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from gateway.engines.engine import Engine
from gateway.engines.registry import Caller
from realtime.errors import InvalidModel
from realtime.ports import Brain

TRANSLATION_MODELS: Final = ("gpt-realtime-translate",)
"""Names that SDKs send."""


class NoTranslationModel(InvalidModel):
    """A name that does not translate."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.message = f'Model "{model}" is not supported in translation mode.'


class TranslationUnavailable(InvalidModel):
    """A name that would translate, on a gateway where something is missing for it."""

    def __init__(self, model: str, missing: str) -> None:
        super().__init__(model)
        self.message = f'Model "{model}" is not available here: this gateway has no {missing}.'


@dataclass(frozen=True, slots=True)
class Translators:
    """The engine of the translation models: recognises, asks its brain, speaks."""

    engine: Engine | None = None
    missing: str = "chat model"
    """What an engine would need besides."""

    @classmethod
    def of(cls, speech: Engine, brain: Brain | None) -> Translators:
        """Return what translates with an engine's ears and voice, by a chat model."""
        if brain is None:
            return cls()
        if speech.recogniser is None:
            return cls(missing="recogniser")
        if speech.synthesiser is None:
            return cls(missing="voice")
        return cls(replace(speech, name="translation", brain=brain))

    def names(self, caller: Caller) -> tuple[str, ...]:
        """Return the model names that a caller can use."""
        names = () if self.engine is None else TRANSLATION_MODELS
        return tuple(name for name in names if caller.models is None or name in caller.models)

    def resolve(self, model: str, caller: Caller) -> Engine:
        """Return the engine of a model.

        Raises:
            InvalidModel: there is none, or the key may not use it; the sentence says why.
        """
        allowed = caller.models is None or model in caller.models
        if model not in TRANSLATION_MODELS or not allowed:
            raise NoTranslationModel(model)
        if self.engine is None:
            raise TranslationUnavailable(model, self.missing)
        return self.engine
