"""Which engine translates, by model name (CONTRACT 13, 17)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from gateway.engines.engine import Engine
from gateway.engines.registry import Caller, Registry
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


def missing_part(speech: Engine) -> str | None:
    """Return which part an engine lacks to translate, None where it has all but the brain."""
    if speech.recogniser is None:
        return "recogniser"
    return "voice" if speech.synthesiser is None else None


def translating(speech: Engine, brain: Brain) -> Engine:
    """Return an engine's ears and voice around a chat model that translates."""
    # The tools of conversations are none of a translation's.
    terms = replace(speech.terms, skills_tool=False)
    return replace(speech, name="translation", brain=brain, terms=terms, translates=True)


@dataclass(frozen=True, slots=True)
class Translators:
    """The engine of the API's translation models, and the models that are declared."""

    engine: Engine | None = None
    missing: str = "chat model"
    """What an engine would need besides."""
    registry: Registry | None = None
    """Where translation models are declared; one of the API's name takes its place."""

    @classmethod
    def of(
        cls, speech: Engine, brain: Brain | None, registry: Registry | None = None
    ) -> Translators:
        """Return what translates with an engine's ears and voice, by a chat model."""
        if brain is None:
            return cls(registry=registry)
        missing = missing_part(speech)
        if missing is not None:
            return cls(missing=missing, registry=registry)
        return cls(translating(speech, brain), registry=registry)

    def names(self, caller: Caller) -> tuple[str, ...]:
        """Return the model names that a caller can use."""
        usual = () if self.engine is None else TRANSLATION_MODELS
        allowed = (name for name in usual if caller.models is None or name in caller.models)
        declared = () if self.registry is None else self.registry.translator_names(caller)
        return tuple(dict.fromkeys((*allowed, *declared)))

    def resolve(self, model: str, caller: Caller) -> Engine:
        """Return the engine of a model.

        Raises:
            InvalidModel: there is none, or the key may not use it; the sentence says why.
        """
        declared = None if self.registry is None else self.registry.translator(model, caller)
        if declared is not None:
            return declared
        allowed = caller.models is None or model in caller.models
        if model not in TRANSLATION_MODELS or not allowed:
            raise NoTranslationModel(model)
        if self.engine is None:
            raise TranslationUnavailable(model, self.missing)
        return self.engine
