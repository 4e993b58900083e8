"""The words of the stretches, in the order in which they were spoken.

Recognisers may finish a later stretch first; its words wait for those before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from realtime.engine import EngineFault
from realtime.translation.prompt import space_between


@dataclass(slots=True)
class _Stretch:
    utterance_id: str
    samples: int = 0
    known: str = ""
    """What the recogniser will not take back."""
    said: str | None = None
    shown: int = 0
    """Characters of it that were told."""
    done: bool = False
    fault: EngineFault | None = None


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was said in one stretch."""

    text: str
    samples: int


class SourceWords:
    """Orders words; tells them, and whole stretches, as soon as nothing earlier is missing."""

    def __init__(
        self,
        *,
        language: str,
        told: Callable[[str], None],
        spoken: Callable[[Spoken], None],
        failed: Callable[[EngineFault], None],
    ) -> None:
        """`language` is spoken; `spoken` gets what is to be translated."""
        self._language = language
        self._told = told
        self._spoken = spoken
        self._failed = failed
        self._stretches: deque[_Stretch] = deque()
        self._before = ""
        """The end of what was told."""

    def __len__(self) -> int:
        return len(self._stretches)

    def open(self, utterance_id: str) -> None:
        """A stretch began."""
        self._stretches.append(_Stretch(utterance_id))

    def close(self, utterance_id: str, samples: int) -> None:
        """A stretch ended; its last words are to come."""
        stretch = self._find(utterance_id)
        if stretch is not None:
            stretch.samples = samples

    def partial(self, utterance_id: str, delta: str) -> None:
        """More words are certain."""
        stretch = self._find(utterance_id)
        if stretch is not None and not stretch.done:
            stretch.known = (stretch.known + delta).lstrip()
            self._settle()

    def final(self, utterance_id: str, text: str) -> bool:
        """All words are known; return whether anybody waited for them."""
        stretch = self._find(utterance_id)
        if stretch is None or stretch.done:
            return False
        text = text.strip()
        if text.startswith(stretch.known[: stretch.shown]):
            stretch.known = text
        stretch.said, stretch.done = text, True
        self._settle()
        return True

    def failed(self, utterance_id: str, fault: EngineFault) -> bool:
        """There will be no words, or no more; return whether anybody waited for them."""
        stretch = self._find(utterance_id)
        if stretch is None or stretch.done:
            return False
        stretch.done, stretch.fault = True, fault
        self._settle()
        return True

    def _find(self, utterance_id: str) -> _Stretch | None:
        found = (one for one in self._stretches if one.utterance_id == utterance_id)
        return next(found, None)

    def _settle(self) -> None:
        while self._stretches:
            first = self._stretches[0]
            self._show(first)
            if not first.done:
                return
            self._stretches.popleft()
            if first.fault is not None:
                self._failed(first.fault)
            said = first.known.strip() if first.said is None else first.said
            if said:
                self._spoken(Spoken(said, first.samples))

    def _show(self, stretch: _Stretch) -> None:
        rest = stretch.known[stretch.shown :]
        if not stretch.done:
            rest = rest.rstrip()  # a space may turn out to be the last, and belongs to no word
        if not rest:
            return
        space = "" if stretch.shown else space_between(self._before, self._language)
        stretch.shown += len(rest)
        self._before = rest[-1:]
        self._told(space + rest)
