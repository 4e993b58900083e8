"""One utterance on its way through the slots, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from ovos_bridge.speech.streaming import StableWords, Understood, Wishes, Word

NO_WISHES = Wishes()


class Listener(Protocol):
    """Who wants to know; called on the loop, with nothing after `final` or `failed`."""

    def partial(self, delta: str) -> None:
        """More words are sure."""

    def understood(self, understood: Understood, pause: int) -> None:
        """Say what was understood at a pause; pauses count from 1."""

    def final(self, text: str, words: Sequence[Word]) -> None:
        """All words; `words` are those of the text, where they have log probabilities."""

    def failed(self, code: str, message: str) -> None:
        """There are no words."""


class Utterance:
    """One utterance; its audio is kept until it is answered. `Slots` guards what changes."""

    def __init__(
        self,
        listener: Listener,
        loop: asyncio.AbstractEventLoop,
        language: str | None = None,
        wishes: Wishes = NO_WISHES,
    ) -> None:
        self.language = language
        self.wishes = wishes
        self._listener = listener
        self.loop = loop
        self.stable = StableWords(wishes.agreements)
        """What was sent of it; outlives a slot that gives it back."""
        self.audio = bytearray()
        self.ended = False
        self.closed = False
        self.silent_from: int | None = None
        """Where in the audio silence began that lasts until now, None while there is speech."""
        self._pauses = self._judged = 0

    def pause(self, *, silent: bool) -> None:
        """The speaker has maybe ended, or speaks again."""
        self.silent_from = len(self.audio) if silent else None
        self._pauses += silent

    @property
    def asks(self) -> bool:
        """It is wanted to know what was said up to the pause that there is now."""
        paused = self.wishes.hypotheses and self.silent_from is not None
        return paused and not self.ended and self._judged < self._pauses

    def judged(self, understood: Understood | None) -> None:
        """Report what was understood up to the pause, None if nobody can tell; from a slot."""
        self._judged = pause = self._pauses
        if understood is not None and not self.closed:
            self.loop.call_soon_threadsafe(self._understood, understood, pause)

    def _understood(self, understood: Understood, pause: int) -> None:
        current = pause == self._pauses and self.silent_from is not None
        if current and not self.ended and not self.closed:
            self._listener.understood(understood, pause)

    def tell(self, delta: str) -> None:
        """Report words that are sure; from a slot's thread."""
        if delta and not self.closed:
            self.loop.call_soon_threadsafe(self._listener.partial, delta)

    def answer(self, text: str, words: Sequence[Word] = ()) -> None:
        """Report the words; from a slot's thread."""
        if not self.closed:
            self.loop.call_soon_threadsafe(self._listener.final, text, words)

    def fail(self, code: str, message: str) -> None:
        """Report a failure; from any thread."""
        if not self.closed:
            self.loop.call_soon_threadsafe(self._listener.failed, code, message)
