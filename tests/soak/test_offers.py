"""Many more offers after accidents; `VOICEENGINE_FUZZ_SEED` repeats a run."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.test_offers import choose, survive

__all__ = ["choose"]

COUNT = 200_000


@pytest.mark.timeout(2 * 3600)
async def test_two_hundred_thousand_offers_are_refused_or_answered(
    tmp_path: Path, choose: random.Random
) -> None:
    """What three thousand did not find."""
    await survive(tmp_path, choose, COUNT)
