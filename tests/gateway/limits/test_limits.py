"""Rate limits: counted, refilled steadily, refused whole."""

from __future__ import annotations

import pytest

from gateway.limits import memory
from gateway.limits.memory import MemoryRateLimits
from gateway.limits.port import Owner, RateLimited, duration

OWNER = Owner("org-1", "proj_1", "gpt-realtime")


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> MemoryRateLimits:
    return MemoryRateLimits(requests_per_minute=6, tokens_per_minute=6_000, monotonic_s=clock)


class TestCounting:
    """What is taken is gone until it refills."""

    def test_untouched_allowance_is_whole(self, limits: MemoryRateLimits) -> None:
        """Nothing used, nothing to reset."""
        found = limits.standings(OWNER)
        assert (found.requests.remaining, found.requests.reset_s) == (6, 0)
        assert (found.tokens.limit, found.tokens.remaining) == (6_000, 6_000)

    def test_what_is_taken_refills_steadily(self, limits: MemoryRateLimits, clock: Clock) -> None:
        """A tenth of a minute brings a tenth of the limit back."""
        limits.take(OWNER, requests=3, tokens=1_500)
        assert limits.standings(OWNER).requests.remaining == 3
        assert limits.standings(OWNER).tokens.reset_s == pytest.approx(15)
        clock.now_s += 6
        assert limits.standings(OWNER).tokens.remaining == 5_100
        clock.now_s += 600
        assert limits.standings(OWNER).tokens.remaining == 6_000

    def test_refusal_takes_nothing_of_either(self, limits: MemoryRateLimits) -> None:
        """A request that has no room for its tokens is no request."""
        limits.take(OWNER, tokens=5_000)
        with pytest.raises(RateLimited) as refused:
            limits.take(OWNER, requests=1, tokens=2_000)
        assert refused.value.resource == "tokens"
        assert refused.value.retry_s == pytest.approx(10)
        assert limits.standings(OWNER).requests.remaining == 6

    def test_after_the_time_told_there_is_room(
        self, limits: MemoryRateLimits, clock: Clock
    ) -> None:
        """And not a second sooner."""
        limits.take(OWNER, requests=6)
        with pytest.raises(RateLimited) as refused:
            limits.take(OWNER, requests=1)
        clock.now_s += refused.value.retry_s - 1
        with pytest.raises(RateLimited):
            limits.take(OWNER, requests=1)
        clock.now_s += 1.001
        limits.take(OWNER, requests=1)

    def test_settling_gives_back_and_charges_beyond_the_limit(
        self, limits: MemoryRateLimits
    ) -> None:
        """Tokens that were used are owed, whatever was left; more than all is never given back."""
        limits.take(OWNER, tokens=4_000)
        limits.settle(OWNER, tokens=-3_900)
        assert limits.standings(OWNER).tokens.remaining == 5_900
        limits.settle(OWNER, tokens=12_000)
        assert limits.standings(OWNER).tokens.remaining == 0
        assert limits.standings(OWNER).tokens.reset_s == pytest.approx(121)
        limits.settle(OWNER, tokens=-99_000)
        assert limits.standings(OWNER).tokens.remaining == 6_000

    def test_projects_and_models_are_apart(self, limits: MemoryRateLimits) -> None:
        """One project's use is nobody else's."""
        limits.take(OWNER, requests=6)
        limits.take(Owner("org-1", "proj_2", "gpt-realtime"), requests=6)
        limits.take(Owner("org-1", "proj_1", "gpt-realtime-mini"), requests=6)

    def test_owners_whose_allowance_is_whole_are_forgotten(
        self, limits: MemoryRateLimits, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The table does not grow for ever, and forgets nothing that counts."""
        monkeypatch.setattr(memory, "SWEEP_AT", 10)
        for number in range(9):
            limits.take(Owner("org-1", f"proj_{number}", "m"), requests=1)
        clock.now_s += 61
        limits.take(OWNER, requests=6)
        limits.take(Owner("org-1", "proj_x", "m"), requests=1)
        assert len(limits._buckets) == 2
        with pytest.raises(RateLimited):
            limits.take(OWNER, requests=1)


class TestWording:
    """The platform's sentence and its durations."""

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (0, "0s"), (0.0001, "0s"), (0.012, "12ms"), (0.9996, "1s"), (1, "1s"), (1.2, "1.2s"),
            (59.9996, "1m0s"), (8.64, "8.64s"), (360, "6m0s"), (61.5, "1m1.5s"), (7_205, "2h0m5s"),
        ],
    )  # fmt: skip
    def test_duration_is_written_as_the_headers_have_it(self, seconds: float, text: str) -> None:
        """`12ms`, `1s`, `6m0s`."""
        assert duration(seconds) == text

    def test_refusal_says_what_was_reached_and_when_to_try(self, limits: MemoryRateLimits) -> None:
        """The model, the organisation, the numbers, the wait."""
        limits.take(OWNER, tokens=5_000)
        with pytest.raises(RateLimited) as refused:
            limits.take(OWNER, tokens=1_500)
        assert refused.value.message == (
            "Rate limit reached for gpt-realtime in organization org-1 on tokens per min (TPM): "
            "Limit 6000, Used 5000, Requested 1500. Please try again in 5s."
        )
        assert (refused.value.type, refused.value.code) == ("tokens", "rate_limit_exceeded")
        assert refused.value.close_reason == "tokens.rate_limit_exceeded"

    def test_request_over_the_whole_limit_is_told_no_time(self, limits: MemoryRateLimits) -> None:
        """Waiting would not help."""
        with pytest.raises(RateLimited) as refused:
            limits.take(OWNER, tokens=6_001)
        assert refused.value.message.startswith("Request too large for gpt-realtime")
        assert "try again" not in refused.value.message
