"""Twenty thousand mutated client events against the machine, in virtual time."""

from __future__ import annotations

import time

import pytest

from tests.fuzz.campaign import Campaign, seed_of_run

MUTATIONS = 20_000
BOX_S = 80.0


@pytest.mark.timeout(180)
def test_twenty_thousand_mutations_break_no_law() -> None:
    """No crash, no stuck session, no frame outside the schema, one done for each response."""
    campaign = Campaign(seed_of_run())
    began = time.monotonic()
    campaign.run(MUTATIONS, seconds=BOX_S)
    took_s = time.monotonic() - began
    print(
        f"seed {campaign.seed}: {campaign.mutations} mutations, {campaign.cases} cases, {took_s:.0f} s"
    )
    assert campaign.mutations >= MUTATIONS
