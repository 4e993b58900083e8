"""Whether somebody who paused has said what there was to say, judged by the words.

A turn that ends in a word which must be followed by another (an article, a
preposition, a conjunction, a filler) goes on; so does one that a list or a
number began. Anything else may have ended. The words of a language that is not
listed tell nothing, and the wait is that of `Completeness.OPEN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from realtime.turns.words import OPENING_WORDS


class Completeness(Enum):
    """What the words say of the turn."""

    WHOLE = "whole"
    """A complete command: nothing is missing."""
    EXTENDABLE = "extendable"
    """A complete command that more words may follow."""
    OPEN = "open"
    """It may have ended here or go on."""
    UNFINISHED = "unfinished"
    """Something must follow."""


Eagerness = Literal["low", "medium", "high", "auto"]


@dataclass(frozen=True, slots=True)
class Waits:
    """The silence that ends a turn, in ms, by what its words say."""

    whole_ms: int
    extendable_ms: int
    open_ms: int
    unfinished_ms: int

    def of(self, completeness: Completeness) -> int:
        """Return the silence to wait for."""
        return {
            Completeness.WHOLE: self.whole_ms,
            Completeness.EXTENDABLE: self.extendable_ms,
            Completeness.OPEN: self.open_ms,
            Completeness.UNFINISHED: self.unfinished_ms,
        }[completeness]


_MEDIUM = Waits(160, 224, 600, 4_000)
WAITS: Final[Mapping[Eagerness, Waits]] = {
    "low": Waits(240, 480, 1_200, 8_000),
    "medium": _MEDIUM,
    "auto": _MEDIUM,
    "high": Waits(128, 160, 350, 2_000),
}
"""By eagerness; the longest waits are the contract's (CONTRACT 5), the others were
measured with `python -m bench --only endings`."""

_GOES_ON: Final = {name: frozenset(words.split()) for name, words in OPENING_WORDS.items()}

_ENDS: Final[Mapping[str, frozenset[str]]] = {
    "en": frozenset({"please", "not", "no", "so", "too", "is", "are", "do", "did", "can", "will"}),
}
"""Words of the list above that can close a question or an order as well; not alone."""

SHORTEST_QUESTION_WORDS = 3


def completeness(
    text: str, *, whole: bool | None, language: str, extendable: bool = False
) -> Completeness:
    """Judge what was understood so far.

    Args:
        text: the words, in the order they were said.
        whole: what the recogniser itself knows (`TurnHypothesis.whole`).
        extendable: the same (`TurnHypothesis.extendable`).
        language: BCP 47; only the language part counts.
    """
    if whole:
        return Completeness.WHOLE
    if extendable:
        return Completeness.EXTENDABLE
    words = _words(text)
    if not words:
        return Completeness.OPEN
    if whole is False:
        return Completeness.UNFINISHED
    name = language.split("-", 1)[0].lower()
    last = words[-1]
    if last not in _GOES_ON.get(name, frozenset()):
        return Completeness.OPEN
    may_end = last in _ENDS.get(name, frozenset()) and len(words) >= SHORTEST_QUESTION_WORDS
    return Completeness.OPEN if may_end else Completeness.UNFINISHED


def _words(text: str) -> list[str]:
    kept = "".join(c if c.isalnum() or c in "-'\u2019" else " " for c in text.lower())
    return kept.replace("\u2019", "'").split()
