"""Segments to be spoken, one after another, on a thread of their own."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

PROBE = "hello"
HANGS_AFTER_S = 60.0
"""Without a sound for so long inside one segment the voice hangs, and everybody is mute: its
thread cannot be ended, so the process gives itself up, to be started anew."""

LOOK_EVERY_S = 5.0
EXIT_HUNG = 70

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


class VoiceSilent(Exception):
    """A voice said nothing where it should have said a word."""


def _probe(voice: Voice) -> None:
    heard = bytearray()

    def emit(audio: bytes) -> bool:
        heard.extend(audio)
        return True

    voice.speak(PROBE, voice="alloy", speed=1.0, language=None, emit=emit)
    if not any(heard):
        raise VoiceSilent("the voice made no sound when it was tried")


def _give_up() -> None:
    _log.critical("the voice hangs; starting anew")
    logging.shutdown()
    os._exit(EXIT_HUNG)


class Mouth:
    """The thread, and a look at it now and then whether it hangs."""

    def __init__(
        self,
        make: Callable[[], Voice],
        loop: asyncio.AbstractEventLoop,
        give_up: Callable[[], None] = _give_up,
    ) -> None:
        self._give_up = give_up
        self._silent_since: float | None = None
        self._make = make
        self._loop = loop
        self._waiting: queue.SimpleQueue[Segment] = queue.SimpleQueue()
        self._loaded: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="voice", daemon=True)

    def start(self) -> None:
        """Start and wait until the voice has spoken a word; blocking.

        Raises:
            VoiceSilent: it made no sound.
            Exception: whatever the voice raises.
        """
        self._thread.start()
        fault = self._loaded.get()
        if fault is not None:
            raise fault

    def speak(self, segment: Segment) -> None:
        """Queue a segment."""
        self._waiting.put(segment)

    async def watch(self) -> None:
        """Give up when the voice hangs; never returns."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            since = self._silent_since
            if since is not None and time.monotonic() - since > HANGS_AFTER_S:
                self._give_up()

    def _run(self) -> None:
        try:
            voice = self._make()
            _probe(voice)
        except Exception as fault:  # whatever a plugin raises is told to whoever started it
            self._loaded.put(fault)
            return
        self._loaded.put(None)
        while True:
            segment = self._waiting.get()
            if not segment.cancelled:
                self._silent_since = time.monotonic()
                self._speak(voice, segment)
                self._silent_since = None

    def _speak(self, voice: Voice, segment: Segment) -> None:
        def emit(audio: bytes) -> bool:
            self._silent_since = time.monotonic()
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
