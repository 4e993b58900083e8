"""Wake words in the worker: an engine and a thread for each caller that has one.

Engines are other people's code and remember what they heard. One that raises or hangs
costs its own caller: his stream is told lost.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from realtime.media.resample import Resampler

CANONICAL_HZ, RATE_HZ = 24_000, 16_000
CHUNK_BYTES = RATE_HZ * 30 // 1000 * 2
MOST_CALLERS = 64
"""Engines at once, those that still end included: each has a thread and a model."""

MOST_WAITING = 1_500
"""Pieces of audio of one caller that may wait, half a minute; beyond it the engine hangs."""

_log = logging.getLogger(__name__)


class WakeWordEngine(Protocol):
    """An OVOS wake word plugin's instance."""

    def update(self, chunk: bytes) -> None:
        """Listen to 16 kHz PCM."""

    def found_wake_word(self) -> bool:
        """Say whether the word was heard, once."""


class WakeWordCaller:
    """One caller; `heard` gets the position at which his word ended, `lost` is called once.

    `ended` is told when his engine and its thread are gone.
    """

    def __init__(
        self,
        make: Callable[[], WakeWordEngine],
        at_sample: int,
        *,
        heard: Callable[[int], None],
        lost: Callable[[], None],
        ended: Callable[[WakeWordCaller], None],
    ) -> None:
        self._make = make
        self._ended = ended
        self._at_sample = at_sample
        self._heard = heard
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._audio: queue.Queue[bytes | None] = queue.Queue(MOST_WAITING)
        self._closed = False
        threading.Thread(target=self._run, name="wake-word", daemon=True).start()

    def feed(self, audio: bytes) -> None:
        """Take canonical audio; from the loop's thread."""
        try:
            self._audio.put_nowait(audio)
        except queue.Full:
            if not self._closed:
                _log.error("a wake word engine hangs")
                self._fail()

    def close(self) -> None:
        """Listen no more."""
        self._closed = True
        while True:
            try:
                self._audio.put_nowait(None)
            except queue.Full:
                self._audio.get_nowait()
            else:
                return

    def _fail(self) -> None:
        if not self._closed:
            self.close()
            self._lost()

    def _found(self, at_sample: int) -> None:
        if not self._closed:
            self._heard(at_sample)

    # --- in its thread ---

    def _run(self) -> None:
        try:
            self._listen(self._make())
        except Exception:  # whatever a plugin raises costs its own caller only
            _log.exception("wake word of a caller lost")
            self._loop.call_soon_threadsafe(self._fail)
        finally:
            self._loop.call_soon_threadsafe(self._ended, self)

    def _listen(self, engine: WakeWordEngine) -> None:
        down, waiting = Resampler(CANONICAL_HZ, RATE_HZ), bytearray()
        while (audio := self._audio.get()) is not None and not self._closed:
            waiting += down.process(audio)
            while len(waiting) >= CHUNK_BYTES:
                engine.update(bytes(waiting[:CHUNK_BYTES]))
                del waiting[:CHUNK_BYTES]
                self._at_sample += CHUNK_BYTES // 2 * CANONICAL_HZ // RATE_HZ
                if engine.found_wake_word():
                    self._loop.call_soon_threadsafe(self._found, self._at_sample)


class WakeWords:
    """The words that callers may choose from, by name."""

    def __init__(self, makers: Mapping[str, Callable[[], WakeWordEngine]]) -> None:
        self._makers = dict(makers)
        self._callers: set[WakeWordCaller] = set()

    def open(
        self, name: str, at_sample: int, *, heard: Callable[[int], None], lost: Callable[[], None]
    ) -> WakeWordCaller | None:
        """Listen for a word; None, and `lost`, for an unknown one or one caller too many."""
        make = self._makers.get(name)
        if make is None or len(self._callers) >= MOST_CALLERS:
            lost()
            return None
        ended = self._callers.discard
        caller = WakeWordCaller(make, at_sample, heard=heard, lost=lost, ended=ended)
        self._callers.add(caller)
        return caller

    def close(self, caller: WakeWordCaller) -> None:
        """Listen for him no more; he counts until his engine has ended."""
        caller.close()
