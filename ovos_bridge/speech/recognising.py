"""Utterances and the slots that hear them.

A slot is a thread with a recogniser of its own, made up front: recognisers are
not thread-safe and cost most of a second to make. An utterance without a slot
waits, keeping its audio, and fails after `SLOT_WAIT_S`.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from realtime.media.resample import Resampler

CANONICAL_HZ = 24_000
RATE_HZ = 16_000
SLOT_WAIT_S = 8.0
MOST_UTTERANCE_BYTES = CANONICAL_HZ * 2 * 120
"""Two minutes; of a longer utterance the rest is not heard."""

TRAILING_SILENCE = bytes(RATE_HZ // 10 * 2)

_log = logging.getLogger(__name__)


class UtteranceRecogniser(Protocol):
    """One utterance at a time, from one thread."""

    def start(self) -> None:
        """Begin an utterance."""

    def hear(self, audio: bytes) -> None:
        """Take 16 kHz PCM."""

    def finish(self) -> str:
        """Return the words."""

    def set_phrases(self, phrases: Iterable[str]) -> int:
        """Use a grammar, where the recogniser has such a thing."""


class Utterance:
    """One utterance; its audio is queued until a slot hears it."""

    def __init__(
        self,
        final: Callable[[str], None],
        failed: Callable[[str, str], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._final = final
        self._failed = failed
        self._loop = loop
        self.pieces: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._bytes = 0
        self.closed = False
        self.taken = False

    def feed(self, audio: bytes) -> None:
        """Take canonical audio."""
        self._bytes += len(audio)
        if self._bytes <= MOST_UTTERANCE_BYTES:
            self.pieces.put(audio)

    def end(self) -> None:
        """No more audio comes."""
        self.pieces.put(None)

    def close(self) -> None:
        """Nobody wants the words any more."""
        self.closed = True
        self.pieces.put(None)

    def answer(self, words: str) -> None:
        """Report the words; from a slot's thread."""
        if not self.closed:
            self._loop.call_soon_threadsafe(self._final, words)

    def fail(self, code: str, message: str) -> None:
        """Report a failure; from any thread."""
        if not self.closed:
            self._loop.call_soon_threadsafe(self._failed, code, message)


class Slots:
    """The recognisers and the utterances that wait for one."""

    def __init__(self, make: Callable[[], UtteranceRecogniser], count: int) -> None:
        self._make = make
        self._waiting: queue.SimpleQueue[Utterance | None] = queue.SimpleQueue()
        self._phrases: tuple[int, tuple[str, ...]] = (0, ())
        self._learned: Callable[[], None] = lambda: None
        self._learning = 0
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, name=f"recogniser-{n}", daemon=True)
            for n in range(count)
        ]
        self._loaded = threading.Semaphore(0)

    def start(self) -> None:
        """Start the slots and wait until each has loaded its recogniser; blocking."""
        for thread in self._threads:
            thread.start()
        for _ in self._threads:
            self._loaded.acquire()

    def set_phrases(self, phrases: Iterable[str], learned: Callable[[], None]) -> None:
        """Use another grammar from each slot's next utterance on.

        `learned` is called, from a slot's thread, once every slot has it.
        """
        with self._lock:
            self._phrases = (self._phrases[0] + 1, tuple(phrases))
            self._learned = learned
            self._learning = len(self._threads)
        for _ in self._threads:
            self._waiting.put(None)  # wakes an idle slot, so that it loads the grammar now

    def _learn(self, recogniser: UtteranceRecogniser, version: int) -> int:
        newest, phrases = self._phrases
        if newest == version:
            return version
        recogniser.set_phrases(phrases)
        with self._lock:
            if newest == self._phrases[0]:
                self._learning -= 1
                if self._learning == 0:
                    self._learned()
        return newest

    def open(self, utterance: Utterance, loop: asyncio.AbstractEventLoop) -> None:
        """Hear an utterance as soon as a slot is free."""
        self._waiting.put(utterance)
        loop.call_later(SLOT_WAIT_S, self._give_up, utterance)

    def _give_up(self, utterance: Utterance) -> None:
        if not utterance.taken and not utterance.closed:
            utterance.fail("speech_overloaded", "Too many callers speak at once.")
            utterance.closed = True

    def _run(self) -> None:
        recogniser = self._make()
        version = 0
        self._loaded.release()
        while True:
            utterance = self._waiting.get()
            version = self._learn(recogniser, version)
            if utterance is not None and not utterance.closed:
                utterance.taken = True
                self._hear(recogniser, utterance)

    def _hear(self, recogniser: UtteranceRecogniser, utterance: Utterance) -> None:
        down = Resampler(CANONICAL_HZ, RATE_HZ)
        try:
            recogniser.start()
            while (piece := utterance.pieces.get()) is not None:
                recogniser.hear(down.process(piece))
            recogniser.hear(down.flush() + TRAILING_SILENCE)
            utterance.answer(recogniser.finish())
        except Exception:  # whatever a plugin raises fails this utterance only
            utterance.fail("recognition_failed", "The recogniser could not hear the utterance.")
            _log.exception("utterance failed")
