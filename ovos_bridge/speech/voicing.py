"""Segments to be spoken, one after another, on a thread of their own."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_log = logging.getLogger(__name__)


class Voice(Protocol):
    """Speaks; from one thread."""

    def speak(
        self,
        text: str,
        *,
        voice: str,
        speed: float,
        language: str | None,
        emit: Callable[[bytes], bool],
    ) -> None:
        """Hand canonical audio to `emit`, which returns False to stop."""


@dataclass(slots=True)
class Segment:
    """One stretch of text and where its audio goes."""

    text: str
    voice: str
    speed: float
    language: str | None
    audio: Callable[[bytes], None]
    done: Callable[[], None]
    failed: Callable[[str, str], None]
    cancelled: bool = False


class Mouth:
    """The thread."""

    def __init__(self, make: Callable[[], Voice], loop: asyncio.AbstractEventLoop) -> None:
        self._make = make
        self._loop = loop
        self._waiting: queue.SimpleQueue[Segment] = queue.SimpleQueue()
        self._loaded = threading.Event()
        self._thread = threading.Thread(target=self._run, name="voice", daemon=True)

    def start(self) -> None:
        """Start and wait until the voice is loaded; blocking."""
        self._thread.start()
        self._loaded.wait()

    def speak(self, segment: Segment) -> None:
        """Queue a segment."""
        self._waiting.put(segment)

    def _run(self) -> None:
        voice = self._make()
        voice.speak("hello", voice="alloy", speed=1.0, language=None, emit=lambda _: True)
        self._loaded.set()
        while True:
            segment = self._waiting.get()
            if not segment.cancelled:
                self._speak(voice, segment)

    def _speak(self, voice: Voice, segment: Segment) -> None:
        def emit(audio: bytes) -> bool:
            if audio and not segment.cancelled:
                self._loop.call_soon_threadsafe(segment.audio, audio)
            return not segment.cancelled

        try:
            voice.speak(
                segment.text,
                voice=segment.voice,
                speed=segment.speed,
                language=segment.language,
                emit=emit,
            )
        except Exception:  # whatever a plugin raises fails this segment only
            message = "The voice could not speak the text."
            self._loop.call_soon_threadsafe(segment.failed, "synthesis_failed", message)
            _log.exception("segment failed")
            return
        if not segment.cancelled:
            self._loop.call_soon_threadsafe(segment.done)
