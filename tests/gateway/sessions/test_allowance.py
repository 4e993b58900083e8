"""A session's responses against its owner's allowance."""

from __future__ import annotations

import pytest

from gateway.limits.memory import MemoryRateLimits
from gateway.limits.port import Owner, RateLimited
from gateway.sessions.allowance import Allowance
from realtime.session.effects import RecordUsage, ReserveTokens
from realtime.usage import Usage

OWNER = Owner("org-1", "proj_1", "gpt-realtime")


@pytest.fixture
def limits() -> MemoryRateLimits:
    return MemoryRateLimits(
        requests_per_minute=3, tokens_per_minute=10_000, monotonic_s=lambda: 1.0
    )


def ask(response_id: str, given: int = 100, most: int = 4_000) -> ReserveTokens:
    return ReserveTokens(response_id=response_id, input_tokens=given, output_tokens=most)


def used(response_id: str, tokens: int) -> RecordUsage:
    return RecordUsage(
        response_id=response_id,
        status="completed",
        usage=Usage(total_tokens=tokens),
        estimated=True,
    )


def test_running_response_holds_what_it_may_need(limits: MemoryRateLimits) -> None:
    """Sessions of a project see one another's reservations (CONTRACT 10)."""
    first, second = Allowance(limits, OWNER), Allowance(limits, OWNER)
    first.reserve(ask("resp_1"))
    assert second.shown()[0].remaining == 5_900
    first.settle(used("resp_1", 350))
    assert second.shown()[0].remaining == 9_650
    assert second.shown()[0].reset_seconds == 2.1


def test_response_without_room_is_refused_and_holds_nothing(limits: MemoryRateLimits) -> None:
    """What others hold counts."""
    allowance = Allowance(limits, OWNER)
    allowance.reserve(ask("resp_1"))
    allowance.reserve(ask("resp_2"))
    with pytest.raises(RateLimited):
        allowance.reserve(ask("resp_3"))
    allowance.settle(used("resp_3", 0))
    assert allowance.shown()[0].remaining == 1_800


def test_limit_below_a_whole_reservation_still_serves_one_response() -> None:
    """A small limit is all held; only input that can never fit is refused."""
    limits = MemoryRateLimits(requests_per_minute=9, tokens_per_minute=500, monotonic_s=lambda: 1.0)
    allowance = Allowance(limits, OWNER)
    allowance.reserve(ask("resp_1"))
    assert allowance.shown()[0].remaining == 0
    allowance.settle(used("resp_1", 120))
    assert allowance.shown()[0].remaining == 380
    with pytest.raises(RateLimited, match="Request too large"):
        allowance.reserve(ask("resp_2", given=501))


def test_session_that_ends_gives_back_what_it_held(limits: MemoryRateLimits) -> None:
    """Nothing stays reserved for a response that nobody will finish."""
    allowance = Allowance(limits, OWNER)
    allowance.reserve(ask("resp_1"))
    allowance.close()
    allowance.close()
    assert allowance.shown()[0].remaining == 10_000


def test_whole_allowance_resets_in_a_millisecond(limits: MemoryRateLimits) -> None:
    """The least number on the wire."""
    assert Allowance(limits, OWNER).shown()[0].reset_seconds == 0.001
