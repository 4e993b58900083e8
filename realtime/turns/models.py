"""The transcription models of the contract and what each can be asked (CONTRACT 9.3, 12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionModel:
    """What a client may expect of a transcription model by its name."""

    billed: Literal["tokens", "duration"] = "duration"
    streams: bool = False
    """Deltas come while the words are spoken, before the commit."""
    options: frozenset[str] = frozenset({"prompt"})
    """Which of `prompt`, `keywords`, `languages` and `delay` it takes."""
    detects_languages: bool = False
    """`completed` names the languages that were heard, where the recogniser knows."""


_TOKENS = TranscriptionModel(billed="tokens")
_GUIDED = frozenset({"prompt", "keywords", "languages"})

MODELS: Final[dict[str, TranscriptionModel]] = {
    "whisper-1": TranscriptionModel(),
    "gpt-4o-transcribe": _TOKENS,
    "gpt-4o-mini-transcribe": _TOKENS,
    "gpt-4o-mini-transcribe-2025-12-15": _TOKENS,
    "gpt-4o-transcribe-diarize": _TOKENS,
    "gpt-transcribe": TranscriptionModel(options=_GUIDED, detects_languages=True),
    "gpt-live-transcribe": TranscriptionModel(
        streams=True, options=_GUIDED | {"delay"}, detects_languages=True
    ),
    "gpt-realtime-whisper": TranscriptionModel(streams=True, options=frozenset({"delay"})),
}
"""Every name that the contract lists."""

_OTHER = TranscriptionModel(options=_GUIDED)


def transcription_model(name: str) -> TranscriptionModel:
    """Return what is known of a model; one that an operator named himself takes most options."""
    return MODELS.get(name, _OTHER)
