"""Sentences of our own."""

from __future__ import annotations

import pytest

from ovos_bridge import wording


@pytest.mark.parametrize("words", ["stop", "Stop!", "  please   stop ", "never mind.", "Be quiet"])
def test_words_that_want_silence_are_known(words: str) -> None:
    """Bare words of stopping ask for nothing else."""
    assert wording.asks_to_stop(words)


@pytest.mark.parametrize("words", ["stop the timer", "when does the bus stop", ""])
def test_words_that_want_more_are_not_taken_for_stop(words: str) -> None:
    """A sentence with an object is a skill's business."""
    assert not wording.asks_to_stop(words)


@pytest.mark.parametrize(
    ("output", "spoken"),
    [
        ("It is sunny.", "It is sunny."),
        ('{"degrees_outside": 21, "sunny": true}', "degrees outside: 21, sunny: yes"),
        ('["red", "green"]', "red, green"),
        ('"plain"', "plain"),
        ('{"a": {"b": 1, "c": null}}', "a: b: 1"),
        ("", "Done."),
        ("null", "Done."),
        ("{}", "Done."),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_output_is_put_into_words(output: str, spoken: str) -> None:
    """JSON becomes words, other text stays, nothing becomes a confirmation."""
    assert wording.output_in_words(output) == spoken
