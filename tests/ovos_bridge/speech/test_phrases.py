"""The graph of phrases accepts what it was made of and nothing else."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from ovos_bridge.speech.phrases import PhraseGraph, phrase_graph
from ovos_bridge.speech.sphinx import unlikeness

WORDS = ("a", "b", "c")
LONGEST = 4


def accepted(graph: PhraseGraph) -> set[str]:
    """Return every phrase of at most `LONGEST` words that a graph accepts."""
    found = set()
    paths: list[tuple[int, tuple[str, ...]]] = [(graph.start, ())]
    for _ in range(LONGEST + 1):
        following = []
        for state, words in paths:
            if state == graph.final and words:
                found.add(" ".join(words))
            following += [
                (target, (*words, word))
                for source, target, _, word in graph.edges
                if source == state
            ]
        paths = following
    return found


@given(
    st.sets(
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=LONGEST).map(" ".join),
        min_size=1,
        max_size=12,
    )
)
def test_graph_accepts_exactly_its_phrases(phrases: set[str]) -> None:
    """Sharing beginnings and ends neither adds nor loses a phrase."""
    graph = phrase_graph(sorted(phrases))
    assert accepted(graph) == phrases
    assert all(0 < chance <= 1 for _, _, chance, _ in graph.edges)


def test_graph_of_combinations_stays_small() -> None:
    """A thousand phrases of shared parts cost as many edges as they have parts."""
    parts = [[f"{letter}{n}" for n in range(10)] for letter in "xyz"]
    graph = phrase_graph(" ".join(words) for words in itertools.product(*parts))
    assert len(graph.edges) == 30


@given(st.text("abc ", max_size=8), st.text("abc ", max_size=8))
def test_unlikeness_is_a_symmetric_share(one: str, other: str) -> None:
    """It lies in 0..1, is the same both ways, and 0 exactly for the same letters."""
    assert 0 <= unlikeness(one, other) <= 1
    assert unlikeness(one, other) == unlikeness(other, one)
    assert (unlikeness(one, other) == 0) == (one.replace(" ", "") == other.replace(" ", ""))
