"""Takes a controller's frames of a translation session: audio and three kinds of events."""

from __future__ import annotations

from typing import Any

from gateway.ingress.codec import TRANSLATION_APPEND, append_audio, translation_event_of
from gateway.ingress.receiving import Receiver
from gateway.sessions.translating import TranslationRunner
from gateway.sessions.translation_opening import OpenedTranslation
from realtime.translation.inputs import TranslationFromClient


class TranslationFrameTaker(Receiver[OpenedTranslation]):
    """Turns one controller's frames into its session's inputs, in order."""

    _runner: TranslationRunner

    def _take_decoded(self, data: Any, size_bytes: int) -> None:
        audio = append_audio(data, TRANSLATION_APPEND)
        event = translation_event_of(data) if audio is None else audio
        if isinstance(event, bytes):
            self._runner.append(event)
            return
        now_ms = self._runner.now_ms()
        self._opened.observer.received(event.type, data, now_ms, size_bytes)
        self._runner.post(TranslationFromClient(self._controller, event))
