"""What clients may set of a translation session, and how it is merged (CONTRACT 3.2, 6, 13)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Any, Final

from pydantic import AfterValidator

from realtime.errors import InvalidValue
from realtime.events.base import Incoming, custom_fault
from realtime.events.session import NoiseReductionIn
from realtime.translation.config import (
    SourceAudio,
    SourceTranscription,
    TranslatedAudio,
    TranslationSessionConfig,
)

_TAG: Final = re.compile(r"[a-z]{2,3}(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?", re.IGNORECASE)


def _language(value: str) -> str:
    if not _TAG.fullmatch(value):
        raise custom_fault(
            "invalid_value",
            f"Invalid value: '{value[:64]}'. Expected a BCP 47 language tag such as 'es'.",
        )
    return value


Language = Annotated[str, AfterValidator(_language)]


class SourceTranscriptionIn(Incoming):
    """`audio.input.transcription`."""

    model: str


class SourceAudioIn(Incoming):
    """`audio.input`."""

    transcription: SourceTranscriptionIn | None = None
    noise_reduction: NoiseReductionIn | None = None


class TranslatedAudioIn(Incoming):
    """`audio.output`."""

    language: Language = ""


class TranslationAudioIn(Incoming):
    """`audio`."""

    input: SourceAudioIn | None = None
    output: TranslatedAudioIn | None = None


class TranslationUpdateIn(Incoming):
    """What `session.update` changes: neither type nor model."""

    audio: TranslationAudioIn | None = None


class TranslationSessionIn(TranslationUpdateIn):
    """What a client secret is minted with."""

    model: str


def translation_updated(
    config: TranslationSessionConfig,
    patch: TranslationUpdateIn,
    *,
    transcription_models: Collection[str],
) -> TranslationSessionConfig:
    """Return the configuration after the patch; only what was sent changes.

    Raises:
        InvalidValue: there is no such transcription model.
    """
    if patch.audio is None:
        return config
    audio, sent = config.audio, patch.audio
    if sent.input is not None:
        audio = replace(audio, input=_input(audio.input, sent.input, transcription_models))
    if sent.output is not None and sent.output.has("language"):
        audio = replace(audio, output=TranslatedAudio(sent.output.language))
    return replace(config, audio=audio)


def _input(kept: SourceAudio, sent: SourceAudioIn, models: Collection[str]) -> SourceAudio:
    changes: dict[str, Any] = {}
    if sent.has("transcription"):
        changes["transcription"] = _transcription(sent.transcription, models)
    if sent.has("noise_reduction"):
        reduction = sent.noise_reduction
        changes["noise_reduction"] = (
            # `strength` is kept when omitted (CONTRACT 5).
            None
            if reduction is None
            else {**(kept.noise_reduction or {}), **reduction.model_dump(exclude_unset=True)}
        )
    return replace(kept, **changes)


def _transcription(
    sent: SourceTranscriptionIn | None, models: Collection[str]
) -> SourceTranscription | None:
    if sent is None:
        return None
    if sent.model not in models:
        param = "session.audio.input.transcription.model"
        raise InvalidValue.unsupported(sent.model, models, param=param)
    return SourceTranscription(sent.model)
