"""A short string that a regular expression matches, for the patterns schemas really have.

Understands literals, classes, groups, alternatives, repetitions and anchors, and gives
up on the rest. A client wrote the pattern, so it is never run: a search may take for ever.
"""

from __future__ import annotations

import re

MAX_CHARACTERS = 1_024
MAX_NESTING = 16

_CLASSES = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "t": "\t", "n": "\n"}
_EDGES = frozenset("bBAZz")
_CANDIDATES = "a0A-_ .!\u00e9"


def example(pattern: str) -> str | None:
    """Return a string that the pattern matches, None when none could be made."""
    try:
        re.compile(pattern)
        return _Reader(pattern).alternatives()
    except (re.error, ValueError, IndexError, OverflowError, RecursionError):
        return None


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._nesting = 0

    def alternatives(self) -> str:
        """Read up to the end of a group; return what its first alternative matches."""
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise ValueError("nested too deeply")
        made = self._sequence()
        while self._next() == "|":
            self._at += 1
            self._sequence()
        self._nesting -= 1
        return made

    def _next(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _sequence(self) -> str:
        made = ""
        while self._next() not in ("", "|", ")"):
            unit, least = self._unit(), self._least()
            if len(made) + len(unit) * least > MAX_CHARACTERS:
                raise ValueError("too long")
            made += unit * least
        return made

    def _unit(self) -> str:
        character = self._pattern[self._at]
        self._at += 1
        if character == "(":
            return self._group()
        if character == "[":
            return self._class()
        if character == "\\":
            escaped = self._pattern[self._at]
            self._at += 1
            if escaped.isdigit():
                raise ValueError("a back reference")
            return "" if escaped in _EDGES else _CLASSES.get(escaped, escaped)
        if character in "^$":
            return ""
        return "a" if character == "." else character

    def _group(self) -> str:
        if self._next() == "?":
            kind = re.compile(r"\?(?::|P?<[A-Za-z_]\w*>)").match(self._pattern, self._at)
            if kind is None:
                raise ValueError("it looks around, or refers back")
            self._at = kind.end()
        made = self.alternatives()
        self._at += 1
        return made

    def _class(self) -> str:
        begin = self._at - 1
        self._at += 1 if self._next() == "^" else 0
        self._at += 1 if self._next() == "]" else 0
        while self._next() != "]":
            self._at += 2 if self._pattern[self._at] == "\\" else 1
        self._at += 1
        written = self._pattern[begin : self._at]
        one = re.compile(written)
        first = written[2:3] if written[1] == "^" else written[1:2]
        return next((c for c in (first, *_CANDIDATES) if c and one.fullmatch(c)), "a")

    def _least(self) -> int:
        """Read a repetition; return the fewest that it asks for."""
        found = re.compile(r"(?:([*?])|(\+)|\{(\d*)(?:,\d*)?\})[?+]?").match(
            self._pattern, self._at
        )
        if found is None or found.group() in ("{}", "{,}"):
            return 1
        self._at = found.end()
        if found.group(1):
            return 0
        return 1 if found.group(2) else int(found.group(3) or 0)
