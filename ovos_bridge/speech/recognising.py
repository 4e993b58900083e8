"""Utterances and the slots that hear them.

A slot is a thread with a recogniser of its own, made up front: recognisers are
not thread-safe and cost most of a second to make. Slots hear while audio comes,
so that little is left to do at the end. When a committed utterance finds no free
slot, a slot gives one back that is still being spoken and hears it anew later,
from its beginning: whoever waits for an answer comes first. A committed
utterance that no slot takes in time fails.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from enum import Enum, auto

from ovos_bridge.speech.choices import SLOT_WAIT_S
from ovos_bridge.speech.hearing import CANONICAL_HZ, Hearing
from ovos_bridge.speech.streaming import UtteranceRecogniser
from ovos_bridge.speech.utterance import Utterance

MOST_UTTERANCE_BYTES = CANONICAL_HZ * 2 * 120
"""Two minutes; of a longer utterance the rest is not heard."""

STEP_BYTES = CANONICAL_HZ // 10 * 2
"""What is heard at a time; between steps a slot looks whether the utterance is still wanted."""

_log = logging.getLogger(__name__)


class _Next(Enum):
    """What a slot does when there is no audio to hear."""

    JUDGE = auto()
    FINISH = auto()
    LEAVE = auto()


class _Slot:
    """What a slot is at; guarded by the lock of `Slots`."""

    def __init__(self) -> None:
        self.hearing: Utterance | None = None
        self.version = 0


class Slots:
    """The recognisers and the utterances that wait for one; called from the loop's thread."""

    def __init__(
        self, make: Callable[[], UtteranceRecogniser], count: int, *, wait_s: float = SLOT_WAIT_S
    ) -> None:
        """`wait_s` is the longest time that a committed utterance waits for a slot."""
        self._make = make
        self._wait_s = wait_s
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
            utterance.pause(silent=silent)
            if utterance.asks:
                self._changed.notify_all()

    def end(self, utterance: Utterance) -> None:
        """No more audio comes: the words are wanted now."""
        with self._changed:
            utterance.ended = True
            self._changed.notify_all()
        utterance.loop.call_later(self._wait_s, self._give_up, utterance)

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
        hearing = Hearing(recogniser, utterance)
        try:
            hearing.start()
            while (step := self._step(slot, utterance, hearing.place)) is not _Next.LEAVE:
                if step is _Next.FINISH:
                    hearing.finish()
                    break
                if step is _Next.JUDGE:
                    hearing.judge()
                else:
                    hearing.hear(step)
        except Exception:  # whatever a plugin raises fails this utterance only
            utterance.fail("recognition_failed", "The recogniser could not hear the utterance.")
            _log.exception("utterance failed")
        with self._changed:
            if slot.hearing is utterance:
                slot.hearing = None
                self._tell_learners()

    def _step(self, slot: _Slot, utterance: Utterance, place: int) -> bytes | _Next:
        """Wait for the next audio, or for what else there is to do."""
        with self._changed:
            while True:
                if utterance.closed or self._gives_way(slot, utterance):
                    return _Next.LEAVE
                if step := bytes(utterance.audio[place : place + STEP_BYTES]):
                    return step
                if utterance.ended:
                    return _Next.FINISH
                if utterance.asks:
                    return _Next.JUDGE
                self._changed.wait()

    def _gives_way(self, slot: _Slot, utterance: Utterance) -> bool:
        if utterance.ended or not any(each.ended for each in self._waiting):
            return False
        slot.hearing = self._most_wanted()
        self._waiting.append(utterance)
        return True
