"""The corpus is what its README says, and the word errors are counted right."""

from __future__ import annotations

import wave

import pytest

from bench.corpus.sentences import FOLDER, GROUPS, sentences
from bench.wer import word_errors
from ovos_bridge.grammar import COMMON


def test_held_out_sentences_were_not_tuned_on() -> None:
    """No sentence that is quoted was used to choose bounds or to extend the grammar."""
    held_out = {sentence.text for sentence in sentences("held_out")}
    assert not held_out & {sentence.text for sentence in sentences("tuning")}
    assert not held_out & set(COMMON)


def test_held_out_sentences_are_recorded_once_each() -> None:
    """Each has a 16 kHz mono recording, and no recording lies beside them."""
    paths = [sentence.path(FOLDER) for sentence in sentences("held_out")]
    assert sorted(paths) == sorted((FOLDER / "held_out").iterdir())
    for path in paths:
        with wave.open(str(path), "rb") as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
            assert file.getnframes() > 4_000


def test_both_groups_are_large_enough() -> None:
    """Twenty sentences of either group, none twice."""
    for group in GROUPS:
        texts = [s.text for s in sentences("held_out") if s.group == group]
        assert len(texts) == len(set(texts)) >= 20


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "", 3),
        ("", "a b", 2),
        ("a b c", "a c", 1),
        ("a c", "a b c", 1),
        ("a b c", "a x c", 1),
        ("thanks a lot", "thanks alot", 2),
        ("a b", "b a", 2),
    ],
)
def test_word_errors_count_each_change_once(said: str, heard: str, errors: int) -> None:
    """Insertions, deletions and changes of words, as few as it takes."""
    assert word_errors(said, heard) == errors
