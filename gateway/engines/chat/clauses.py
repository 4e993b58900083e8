"""Cuts streamed text where it may be spoken, so that speech starts before the sentence ends.

Pure. The first stretch is short, since somebody waits for it; later ones are whole
sentences, since they sound better and nobody waits. A mark counts only before a
space: "3.5" and "12:30" are one word.
"""

from __future__ import annotations

import re

FIRST_CHARS = 12
"""Least length of the first stretch: "Well," alone sounds clipped."""

SENTENCE_CHARS = 24
LONG_CHARS = 100
"""From here on a comma is enough."""

MOST_CHARS = 240
"""Without any mark a stretch ends at the first space behind this."""

HARDEST_CHARS = 480
"""Without any space, as in some languages, it ends here."""

_SENTENCE = re.compile(r"[.!?…。！？][\"')\]]*\s|\n")  # noqa: RUF001 -- full-width marks are meant
_CLAUSE = re.compile(r"[,;:–—][\"')\]]*\s|" + _SENTENCE.pattern)  # noqa: RUF001 -- dashes are meant
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|Dr|Mr|Mrs|Ms|St|Prof|Nr|vs|etc|approx|[a-z]\.[a-z])\.\s$"
)
"""What ends in a full stop and goes on."""

LONGEST_ABBREVIATION_CHARS = 12


class Clauses:
    """Holds what was not said to be speakable yet."""

    def __init__(self) -> None:
        self._held = ""
        self._first = True

    def feed(self, text: str) -> list[tuple[str, bool]]:
        """Return the text in pieces, each with whether what came up to its end may be spoken."""
        pieces: list[tuple[str, bool]] = []
        told = len(self._held)
        self._held += text
        while (cut := self._cut(told)) is not None:
            pieces.append((self._held[told:cut], True))
            self._held, told = self._held[cut:], 0
            self._first = False
        if self._held[told:]:
            pieces.append((self._held[told:], False))
        return pieces

    def _cut(self, told: int) -> int | None:
        """Return where a stretch ends in what is new, None where none does yet."""
        rules = (
            [(_CLAUSE, FIRST_CHARS)]
            if self._first
            else [(_SENTENCE, SENTENCE_CHARS), (_CLAUSE, LONG_CHARS)]
        )
        for mark, least in rules:
            cut = self._mark(mark, max(least, told + 1))
            if cut is not None:
                return cut
        space = self._held.find(" ", max(MOST_CHARS, told))
        if space >= 0:
            return space + 1
        return max(HARDEST_CHARS, told + 1) if len(self._held) > HARDEST_CHARS else None

    def _mark(self, mark: re.Pattern[str], least: int) -> int | None:
        for found in mark.finditer(self._held):
            end = found.end()
            if end < least:
                continue
            before = self._held[max(end - LONGEST_ABBREVIATION_CHARS, 0) : end]
            if not _ABBREVIATION.search(before):
                return end
        return None
