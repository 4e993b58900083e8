"""What can happen to a translation session beside the inputs that every session knows."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.events.translation import TranslationClose, TranslationUpdate


@dataclass(frozen=True, slots=True)
class TranslationFromClient:
    """A valid client event from a controller; audio comes as `AudioAppended`."""

    controller: int
    event: TranslationUpdate | TranslationClose
