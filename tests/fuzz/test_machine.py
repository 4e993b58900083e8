"""Twenty thousand mutated client events against the machine, in virtual time."""

from __future__ import annotations

import pytest

from tests.fuzz.campaign import Campaign, seed_of_run

HALF = 10_000
"""In two tests, so that neither is long on a slow machine; how long it takes decides nothing."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", [1, 2])
def test_ten_thousand_mutations_break_no_law(part: int) -> None:
    """No crash, no stuck session, no frame outside the schema, one done for each response."""
    campaign = Campaign(f"{seed_of_run()}.{part}")
    campaign.run(HALF)
    print(f"seed {campaign.seed}: {campaign.mutations} mutations, {campaign.cases} cases")
    assert campaign.mutations >= HALF
