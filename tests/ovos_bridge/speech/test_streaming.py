"""Words that are sent before the end are never taken back."""

from __future__ import annotations

import pytest

from ovos_bridge.speech.streaming import SETTLED_FRAMES, StableWords, Word

LATER = 10_000
"""A frame at which every word has long settled."""


def said(text: str) -> list[Word]:
    """Return words of 20 frames each, one after the other."""
    return [Word(word, place * 20, place * 20 + 19) for place, word in enumerate(text.split())]


@pytest.mark.parametrize("agreements", [1, 2, 3, 6])
def test_word_is_sent_once_enough_looks_agree(agreements: int) -> None:
    """A word goes out at the look that completes the agreement, and once."""
    stable = StableWords(agreements)
    looks = [stable.observe(said("what time"), LATER) for _ in range(agreements + 2)]
    assert looks == [*[""] * (agreements - 1), "what time", "", ""]


def test_word_that_changes_begins_anew_with_those_after_it() -> None:
    """Agreement on a word counts only while the words before it stay."""
    stable = StableWords(2)
    assert stable.observe(said("what crime is"), LATER) == ""
    assert stable.observe(said("what time is"), LATER) == "what"
    assert stable.observe(said("what time is"), LATER) == " time is"


def test_last_word_waits_until_it_cannot_grow() -> None:
    """A word at the edge of what was heard may be the beginning of another."""
    stable = StableWords(1)
    words = said("tell me my for")
    edge = words[-1].ends
    assert stable.observe(words, edge) == "tell me my"
    assert stable.observe(said("tell me my fortune"), edge + SETTLED_FRAMES) == " fortune"


def test_final_text_that_begins_otherwise_keeps_what_was_sent() -> None:
    """What was sent stands; of the final words those count that were said after it."""
    stable = StableWords(1)
    assert stable.observe(said("what game"), LATER) == "what game"
    final = "what time is it"
    assert stable.complete(final, said(final)) == "what game is it"


def test_final_text_that_agrees_is_taken_as_it_is() -> None:
    """Nothing is rebuilt where nothing differs; a longer word is no agreement."""
    stable = StableWords(1)
    stable.observe(said("what time"), LATER)
    assert stable.complete("what time is it", ()) == "what time is it"
    assert stable.complete("what timer", said("what timer")) == "what time"


def test_nothing_sent_leaves_the_final_text() -> None:
    """An utterance too short for a look has its text all the same."""
    assert StableWords(3).complete("stop", said("stop")) == "stop"
