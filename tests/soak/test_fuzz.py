"""A million mutated client events; `VOICEENGINE_FUZZ_MUTATIONS` sets another number."""

from __future__ import annotations

import os
import time

import pytest

from tests.fuzz.campaign import Campaign, seed_of_run

MUTATIONS = int(os.environ.get("VOICEENGINE_FUZZ_MUTATIONS", "1000000"))


@pytest.mark.timeout(4 * 3600)
def test_a_million_mutations_break_no_law() -> None:
    """What twenty thousand did not find."""
    campaign, began = Campaign(seed_of_run()), time.monotonic()
    campaign.run(MUTATIONS)
    took_s = time.monotonic() - began
    print(
        f"seed {campaign.seed}: {campaign.mutations} mutations, {campaign.cases} cases, {took_s:.0f} s"
    )
    assert campaign.mutations >= MUTATIONS
