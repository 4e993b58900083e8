"""Utterances and the slots that hear them.

A slot is a thread with a recogniser of its own, made up front: recognisers are
not thread-safe and cost most of a second to make. Slots hear while audio comes,
so that little is left to do at the end. When a committed utterance finds no free
slot, a slot gives one back that is still being spoken and hears it anew later,
from its beginning: whoever waits for an answer comes first. A committed
utterance that no slot takes within `SLOT_WAIT_S` fails.
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

STEP_BYTES = CANONICAL_HZ // 10 * 2
"""What is heard at a time; between steps a slot looks whether the utterance is still wanted."""

TRAILING_SILENCE = bytes(RATE_HZ // 10 * 2)
"""Lets the last word end, where the caller stopped sending with it."""

ENOUGH_SILENCE_BYTES = CANONICAL_HZ // 10 * 2
"""Of the caller's own silence; hearing more of it (30 ms of work) would only delay the answer."""

_log = logging.getLogger(__name__)


class UtteranceRecogniser(Protocol):
    """One utterance at a time, from one thread."""

    def start(self, language: str | None = None) -> None:
        """Begin an utterance, in a language if that is known; one not finished is void."""

    def hear(self, audio: bytes) -> None:
        """Take 16 kHz PCM."""

    def finish(self) -> str:
        """Return the words."""

    def set_phrases(self, phrases: Iterable[str]) -> int:
        """Use a grammar, where the recogniser has such a thing."""


class Utterance:
    """One utterance; its audio is kept until it is answered. `Slots` guards what changes."""

    def __init__(
        self,
        final: Callable[[str], None],
        failed: Callable[[str, str], None],
        loop: asyncio.AbstractEventLoop,
        language: str | None = None,
    ) -> None:
        self.language = language
        self._final = final
        self._failed = failed
        self.loop = loop
        self.audio = bytearray()
        self.ended = False
        self.closed = False
        self.silent_from: int | None = None
        """Where in the audio silence began that lasts until now, None while there is speech."""

    @property
    def trails_off(self) -> bool:
        """The audio itself ends in enough silence."""
        silent_from = self.silent_from
        return silent_from is not None and len(self.audio) - silent_from >= ENOUGH_SILENCE_BYTES

    def answer(self, words: str) -> None:
        """Report the words; from a slot's thread."""
        if not self.closed:
            self.loop.call_soon_threadsafe(self._final, words)

    def fail(self, code: str, message: str) -> None:
        """Report a failure; from any thread."""
        if not self.closed:
            self.loop.call_soon_threadsafe(self._failed, code, message)


class _Slot:
    """What a slot is at; guarded by the lock of `Slots`."""

    def __init__(self) -> None:
        self.hearing: Utterance | None = None
        self.version = 0


class Slots:
    """The recognisers and the utterances that wait for one; called from the loop's thread."""

    def __init__(self, make: Callable[[], UtteranceRecogniser], count: int) -> None:
        self._make = make
        self._slots = [_Slot() for _ in range(count)]
        self._waiting: list[Utterance] = []
        self._phrases: tuple[str, ...] = ()
        self._version = 0
        self._learners: list[tuple[int, Callable[[], None]]] = []
        self._changed = threading.Condition()
        self._loaded: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def start(self) -> None:
        """Start the slots and wait until each has loaded its recogniser; blocking.

        Raises:
            Exception: whatever the recogniser raises when it is made.
        """
        for number, slot in enumerate(self._slots):
            name = f"recogniser-{number}"
            threading.Thread(target=self._run, args=(slot,), name=name, daemon=True).start()
        for _ in self._slots:
            fault = self._loaded.get()
            if fault is not None:
                raise fault

    # --- phrases ---

    def set_phrases(self, phrases: Iterable[str], learned: Callable[[], None]) -> None:
        """Use another grammar from each slot's next utterance on.

        `learned` is called, from any thread, once no slot can begin an utterance
        with an older one: idle slots have loaded it, busy ones load it first.
        """
        with self._changed:
            self._version += 1
            self._phrases = tuple(phrases)
            self._learners.append((self._version, learned))
            self._tell_learners()
            self._changed.notify_all()

    def _learn(self, slot: _Slot, recogniser: UtteranceRecogniser) -> None:
        with self._changed:
            version, phrases = self._version, self._phrases
        try:
            recogniser.set_phrases(phrases)
        except Exception:  # whatever a plugin raises costs the phrases, not the slot
            _log.exception("phrases not learned")
        with self._changed:
            slot.version = version
            self._tell_learners()

    def _tell_learners(self) -> None:
        idle = [slot.version for slot in self._slots if slot.hearing is None]
        reached = min(idle, default=self._version)
        for version, learned in self._learners:
            if version <= reached:
                learned()
        self._learners = [each for each in self._learners if each[0] > reached]

    # --- utterances ---

    def open(self, utterance: Utterance) -> None:
        """Hear an utterance as soon as a slot is free."""
        with self._changed:
            self._waiting.append(utterance)
            self._changed.notify_all()

    def feed(self, utterance: Utterance, audio: bytes) -> None:
        """Take canonical audio of an utterance."""
        with self._changed:
            room = MOST_UTTERANCE_BYTES - len(utterance.audio)
            utterance.audio += audio[:room]
            if any(slot.hearing is utterance for slot in self._slots):
                self._changed.notify_all()

    def silent(self, utterance: Utterance, *, silent: bool) -> None:
        """The speaker has maybe ended, or speaks again."""
        with self._changed:
            utterance.silent_from = len(utterance.audio) if silent else None

    def end(self, utterance: Utterance) -> None:
        """No more audio comes: the words are wanted now."""
        with self._changed:
            utterance.ended = True
            self._changed.notify_all()
        utterance.loop.call_later(SLOT_WAIT_S, self._give_up, utterance)

    def close(self, utterance: Utterance) -> None:
        """Nobody wants the words any more."""
        with self._changed:
            utterance.closed = True
            self._forget(utterance)
            self._changed.notify_all()

    def _give_up(self, utterance: Utterance) -> None:
        with self._changed:
            late = self._forget(utterance)
        if late:
            utterance.fail("speech_overloaded", "Too many callers speak at once.")

    def _forget(self, utterance: Utterance) -> bool:
        waited = utterance in self._waiting
        if waited:
            self._waiting.remove(utterance)
        return waited

    # --- in a slot's thread ---

    def _run(self, slot: _Slot) -> None:
        try:
            recogniser = self._make()
        except Exception as fault:  # whatever a plugin raises is told to whoever started it
            self._loaded.put(fault)
            return
        self._loaded.put(None)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._work_for(slot))
                learns = slot.version != self._version
                if not learns and slot.hearing is None:
                    slot.hearing = self._most_wanted()
                utterance = slot.hearing
            if learns:
                self._learn(slot, recogniser)
            elif utterance is not None:
                self._hear(slot, recogniser, utterance)

    def _work_for(self, slot: _Slot) -> bool:
        learns = slot.version != self._version
        return learns or slot.hearing is not None or bool(self._waiting)

    def _most_wanted(self) -> Utterance:
        chosen = next((each for each in self._waiting if each.ended), self._waiting[0])
        self._waiting.remove(chosen)
        return chosen

    def _hear(self, slot: _Slot, recogniser: UtteranceRecogniser, utterance: Utterance) -> None:
        down, place = Resampler(CANONICAL_HZ, RATE_HZ), 0
        try:
            recogniser.start(utterance.language)
            while step := self._step(slot, utterance, place):
                recogniser.hear(down.process(step))
                place += len(step)
            if step is not None:
                silence = b"" if utterance.trails_off else TRAILING_SILENCE
                recogniser.hear(down.flush() + silence)
                utterance.answer(recogniser.finish())
        except Exception:  # whatever a plugin raises fails this utterance only
            utterance.fail("recognition_failed", "The recogniser could not hear the utterance.")
            _log.exception("utterance failed")
        with self._changed:
            if slot.hearing is utterance:
                slot.hearing = None
                self._tell_learners()

    def _step(self, slot: _Slot, utterance: Utterance, place: int) -> bytes | None:
        """Wait for the next audio; empty at the end, None when the slot is to leave it."""
        with self._changed:
            while True:
                if utterance.closed or self._gives_way(slot, utterance):
                    return None
                step = bytes(utterance.audio[place : place + STEP_BYTES])
                if step or utterance.ended:
                    return step
                self._changed.wait()

    def _gives_way(self, slot: _Slot, utterance: Utterance) -> bool:
        if utterance.ended or not any(each.ended for each in self._waiting):
            return False
        slot.hearing = self._most_wanted()
        self._waiting.append(utterance)
        return True
