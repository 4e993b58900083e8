"""What the slots need of a recogniser, and what one can tell that hears while audio comes.

Words that are sent early are never taken back: `StableWords` sends a word once
enough looks in a row agreed on it, and makes the final text begin with what was
sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, Protocol, runtime_checkable

AGREEMENTS: Final[Mapping[str, int]] = {"minimal": 1, "low": 2, "medium": 3, "high": 4, "xhigh": 6}
"""How many looks must agree on a word, by the delay that a client allows."""

USUAL_AGREEMENTS = 3
SETTLED_FRAMES = 20
"""The last word may still grow for so long after it seems to have ended."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is wanted of an utterance besides its words."""

    partials: bool = False
    agreements: int = USUAL_AGREEMENTS
    hypotheses: bool = False
    logprobs: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """A word and where it was said, in frames of 10 ms."""

    text: str
    begins: int
    ends: int
    logprob: float | None = None


@dataclass(frozen=True, slots=True)
class Understood:
    """The words so far; `whole` and `extendable` as in `realtime.engine.TurnHypothesis`."""

    text: str
    whole: bool | None = None
    extendable: bool = False


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


@runtime_checkable
class StreamingRecogniser(UtteranceRecogniser, Protocol):
    """A recogniser that knows words before the end."""

    def want_logprobs(self) -> None:
        """Let the next utterance's words have log probabilities; before `start`."""

    def words(self) -> Sequence[Word]:
        """Return the words so far, or those of the text that `finish` returned."""

    def understood(self) -> Understood:
        """Say what was said if it ends here; the utterance goes on."""


class StableWords:
    """The words of one utterance that were sent; `sent` is their text."""

    def __init__(self, agreements: int) -> None:
        self._needed = agreements
        self._counted: list[tuple[str, int]] = []
        self._until = -1.0
        self.sent = ""

    def observe(self, words: Sequence[Word], heard_frames: int) -> str:
        """Take another look at the words; return what to send, "" for nothing yet."""
        rest = self._rest(words)
        counted: list[tuple[str, int]] = []
        agrees = True
        for word, (text, count) in zip(
            rest, [*self._counted, *[("", 0)] * len(rest)], strict=False
        ):
            agrees = agrees and text == word.text
            counted.append((word.text, count + 1 if agrees else 1))
        if rest and rest[-1].ends + SETTLED_FRAMES > heard_frames:
            rest.pop()
        sure = takewhile(lambda each: each[1][1] >= self._needed, zip(rest, counted, strict=False))
        agreed = [word for word, _ in sure]
        self._counted = counted[len(agreed) :]
        return self._send(agreed)

    def _send(self, words: Sequence[Word]) -> str:
        if not words:
            return ""
        text = " ".join(word.text for word in words)
        delta = f" {text}" if self.sent else text
        self.sent += delta
        self._until = words[-1].ends
        return delta

    def _rest(self, words: Sequence[Word]) -> list[Word]:
        return [word for word in words if (word.begins + word.ends) / 2 > self._until]

    def complete(self, text: str, words: Sequence[Word]) -> str:
        """Return the final text: what was sent, and the words that came after it."""
        if not self.sent or f"{text} ".startswith(f"{self.sent} "):
            return text
        return " ".join([self.sent, *(word.text for word in self._rest(words))])
