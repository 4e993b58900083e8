"""Phrases as the smallest graph of words that accepts exactly them.

A recogniser searches every path of its grammar at once, so shared beginnings
and endings must be one path: a thousand phrases written out cost as much as
the whole language model, their graph next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

Edge = tuple[int, int, float, str]
"""From state, to state, probability, word."""


@dataclass(frozen=True, slots=True)
class PhraseGraph:
    """A graph with one start and one final state."""

    start: int
    final: int
    edges: list[Edge]


@dataclass(slots=True)
class _Node:
    next: dict[str, _Node] = field(default_factory=dict)
    ends: bool = False


def phrase_graph(phrases: Iterable[str]) -> PhraseGraph:
    """Return the graph of non-empty phrases."""
    root = _Node()
    for phrase in phrases:
        node = root
        for word in phrase.split():
            node = node.next.setdefault(word, _Node())
        node.ends = True
    states: dict[tuple[object, ...], int] = {}
    edges: list[Edge] = []
    final = 0

    def number(node: _Node) -> int:
        """Give nodes with the same continuations the same state; deepest first."""
        below = tuple(
            (word, number(child) if child.next else final, child.ends)
            for word, child in sorted(node.next.items())
        )
        if below not in states:
            states[below] = state = len(states) + 1
            for word, target, ends in below:
                edges.append((state, target, 1.0, word))
                if ends and target != final:
                    edges.append((state, final, 1.0, word))
        return states[below]

    return PhraseGraph(number(root), final, edges)
