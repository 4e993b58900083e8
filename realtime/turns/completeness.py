"""Whether somebody who paused has said what there was to say, judged by the words.

A turn that ends in a word which must be followed by another (an article, a
preposition, a conjunction, a filler) goes on. Some of these words do close a
sentence now and then ("what is this for"): there the wait is longer than usual,
but not the longest. Anything else may have ended. The words of a language that is
not listed tell nothing, and the wait is that of `Completeness.OPEN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from realtime.turns.words import (
    DANGLING_WORDS,
    ENDING_WORDS,
    FAINT_WORDS,
    OPENING_WORDS,
    PARTICLES,
    QUESTION_WORDS,
    SUBJECTS,
)


class Completeness(Enum):
    """What the words say of the turn."""

    WHOLE = "whole"
    """A complete command: nothing is missing."""
    EXTENDABLE = "extendable"
    """A complete command that more words may follow."""
    OPEN = "open"
    """It may have ended here or go on."""
    DANGLING = "dangling"
    """Something follows as a rule."""
    UNFINISHED = "unfinished"
    """Something must follow."""


Eagerness = Literal["low", "medium", "high", "auto"]


@dataclass(frozen=True, slots=True)
class Waits:
    """The silence that ends a turn, in ms, by what its words say."""

    whole_ms: int
    extendable_ms: int
    open_ms: int
    dangling_ms: int
    unfinished_ms: int

    def of(self, completeness: Completeness) -> int:
        """Return the silence to wait for."""
        return {
            Completeness.WHOLE: self.whole_ms,
            Completeness.EXTENDABLE: self.extendable_ms,
            Completeness.OPEN: self.open_ms,
            Completeness.DANGLING: self.dangling_ms,
            Completeness.UNFINISHED: self.unfinished_ms,
        }[completeness]


_MEDIUM = Waits(160, 224, 600, 1_000, 4_000)
WAITS: Final[Mapping[Eagerness, Waits]] = {
    "low": Waits(224, 480, 1_200, 2_000, 8_000),
    "medium": _MEDIUM,
    "auto": _MEDIUM,
    "high": Waits(128, 160, 350, 800, 2_000),
}
"""By eagerness; the longest waits are the contract's (CONTRACT 5), the others were
measured with `python -m bench --only endings`."""


@dataclass(frozen=True, slots=True)
class _Language:
    """What is known of a language's words."""

    opening: frozenset[str] = frozenset()
    ending: frozenset[str] = frozenset()
    dangling: frozenset[str] = frozenset()
    questions: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    particles: frozenset[str] = frozenset()
    faint: frozenset[str] = frozenset()


def _language(name: str) -> _Language:
    tables = (
        OPENING_WORDS,
        ENDING_WORDS,
        DANGLING_WORDS,
        QUESTION_WORDS,
        SUBJECTS,
        PARTICLES,
        FAINT_WORDS,
    )
    return _Language(*(frozenset(table.get(name, "").split()) for table in tables))


_LANGUAGES: Final = {name: _language(name) for name in OPENING_WORDS}
_UNKNOWN: Final = _Language()

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
    return _by_last_word(words, _LANGUAGES.get(name, _UNKNOWN))


def _by_last_word(words: list[str], known: _Language) -> Completeness:
    last, few = words[-1], len(words) < SHORTEST_QUESTION_WORDS
    if few and last in known.subjects and words[0] in known.questions:
        return Completeness.UNFINISHED  # "can you"
    if last not in known.opening:
        return Completeness.OPEN
    if few:
        return Completeness.UNFINISHED
    if last in known.ending:
        return Completeness.OPEN
    closes = (
        last in known.particles
        or words[0] in known.questions
        or known.subjects.intersection(words[-3:-1])
    )
    if last in known.faint or (last in known.dangling and closes):
        return Completeness.DANGLING
    return Completeness.UNFINISHED


def _words(text: str) -> list[str]:
    kept = "".join(c if c.isalnum() or c in "-'\u2019" else " " for c in text.lower())
    return kept.replace("\u2019", "'").split()
