"""What a translation session wants done beside the effects that every session knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from realtime.translation.config import TranslationSessionConfig


@dataclass(frozen=True, slots=True)
class SendTranslatedFrame:
    """A frame of the translation, for the media owner.

    Its first `samples` are the next of the synthesised speech, the rest is silence.
    """

    event_id: str
    samples: int
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class RecordTranslation:
    """The effective configuration changed."""

    config: TranslationSessionConfig


TranslationEffect: TypeAlias = SendTranslatedFrame | RecordTranslation
