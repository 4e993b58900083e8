"""The protocol's invariants over far more random walks than CI has time for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.realtime.test_invariants import WALKS, take_walk


@pytest.mark.timeout(3_600)
@settings(max_examples=10_000, deadline=None)
@given(WALKS, st.booleans())
def test_ten_thousand_walks_keep_every_invariant(
    walk: list[tuple[int, int]], scripted: bool
) -> None:
    """Whatever happens, in whatever order, the events stay lawful."""
    take_walk(walk, scripted=scripted)
