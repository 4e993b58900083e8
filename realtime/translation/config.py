"""The effective configuration of a translation session, in wire order (CONTRACT 5, 13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

DEFAULT_LANGUAGE: Final = "es"
"""What the service begins with (CONTRACT 5)."""


@dataclass(frozen=True, slots=True)
class SourceTranscription:
    """Which model the source's words are shown by."""

    model: str


@dataclass(frozen=True, slots=True)
class SourceAudio:
    """`audio.input`."""

    transcription: SourceTranscription | None = None
    noise_reduction: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TranslatedAudio:
    """`audio.output`."""

    language: str = DEFAULT_LANGUAGE


@dataclass(frozen=True, slots=True)
class TranslationAudio:
    """`audio`."""

    input: SourceAudio = SourceAudio()
    output: TranslatedAudio = TranslatedAudio()


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationSessionConfig:
    """A translation session; `expires_at` is Unix seconds. There is no `object` here."""

    id: str
    type: Literal["translation"] = "translation"
    expires_at: int
    model: str
    audio: TranslationAudio = TranslationAudio()
