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
"""Without any mark a stretch ends at the last space before this."""

_SENTENCE = re.compile(r"[.!?…。！？][\"')\]]*\s|\n")  # noqa: RUF001 -- full-width marks are meant
_CLAUSE = re.compile(r"[,;:–—][\"')\]]*\s|" + _SENTENCE.pattern)  # noqa: RUF001 -- dashes are meant
_ABBREVIATION = re.compile(r"(?:^|\s)(?:[A-Z][a-z]{0,2}|[a-z]\.[a-z]|vs|etc|approx|no)\.\s$", re.I)


class Clauses:
    """Holds what was not said to be speakable yet."""

    def __init__(self) -> None:
        self._held = ""
        self._first = True

    def feed(self, text: str) -> list[tuple[str, bool]]:
        """Return the new text in pieces, each with whether a stretch may be spoken up to its end."""
        pieces: list[tuple[str, bool]] = []
        fed = len(self._held)
        self._held += text
        while (cut := self._cut()) is not None:
            if cut > fed:
                pieces.append((self._held[fed:cut], True))
                fed = 0
            else:  # the mark came earlier, the space behind it only now
                pieces.append(("", True))
                fed -= cut
            self._held = self._held[cut:]
            self._first = False
        if self._held[fed:]:
            pieces.append((self._held[fed:], False))
        return pieces

    def _cut(self) -> int | None:
        held = self._held
        if self._first:
            return self._at(_CLAUSE, FIRST_CHARS)
        sentence = self._at(_SENTENCE, SENTENCE_CHARS)
        if sentence is not None:
            return sentence
        if len(held) > LONG_CHARS and (clause := self._at(_CLAUSE, LONG_CHARS)) is not None:
            return clause
        if len(held) > MOST_CHARS:
            space = held.rfind(" ", 0, MOST_CHARS)
            return space + 1 if space > 0 else MOST_CHARS
        return None

    def _at(self, mark: re.Pattern[str], least: int) -> int | None:
        for found in mark.finditer(self._held):
            if found.end() >= least and not _ABBREVIATION.search(self._held[: found.end()]):
                return found.end()
        return None
