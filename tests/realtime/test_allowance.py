"""Responses and the allowance: reserved before the brain is asked, refused as a failed response."""

from __future__ import annotations

from realtime.engine import BrainFinished
from realtime.errors import WireFault
from realtime.session import effects as fx
from realtime.session.inputs import TokensReserved
from tests.realtime.driver import Driver, text_item

THROTTLED = WireFault("Rate limit reached for it.", code="rate_limit_exceeded")


def asked(driver: Driver) -> list[fx.ReserveTokens]:
    return [effect for effect in driver.effects if isinstance(effect, fx.ReserveTokens)]


def test_response_reserves_its_input_and_the_most_it_may_make() -> None:
    """Without a limit of its own it is the most that any response may make."""
    driver = Driver()
    driver.client("conversation.item.create", item=text_item("four words of text"))
    driver.client("response.create")
    driver.run()
    driver.client("response.create", response={"max_output_tokens": 7})
    first, second = asked(driver)
    usage = driver.last("response.done")["response"]["usage"]
    assert first.output_tokens == 4_096
    assert 0 < first.input_tokens <= usage["input_tokens"]
    assert second.output_tokens == 7


def test_refused_response_fails_without_an_error_event() -> None:
    """CONTRACT 8.13: the code and the sentence stand in `response.done`, and nothing was used."""
    driver = Driver()
    driver.refusal = THROTTLED
    driver.client("conversation.item.create", item=text_item("hello"))
    driver.client("response.create")
    assert driver.types()[-3:] == ["response.created", "response.done", "rate_limits.updated"]
    done = driver.last("response.done")["response"]
    assert done["status"] == "failed"
    assert done["status_details"]["error"] == {
        "type": "invalid_request_error",
        "code": "rate_limit_exceeded",
        "message": "Rate limit reached for it.",
    }
    assert done["usage"]["total_tokens"] == 0
    assert not [effect for effect in driver.effects if isinstance(effect, fx.StartBrain)]


def test_session_goes_on_after_a_refusal() -> None:
    """The next response, when there is room, is answered."""
    driver = Driver()
    driver.refusal = THROTTLED
    driver.client("response.create")
    driver.refusal = None
    driver.client("response.create")
    driver.run()
    assert driver.last("response.done")["response"]["status"] == "completed"


def test_response_cancelled_while_it_waits_for_room_asks_no_brain() -> None:
    """The allowance's late answer finds nothing."""
    driver = Driver(allowance=False)
    driver.client("response.create")
    response_id = asked(driver)[0].response_id
    driver.give(BrainFinished(response_id))
    driver.client("response.cancel")
    driver.give(TokensReserved(response_id))
    assert driver.last("response.done")["response"]["status"] == "cancelled"
    assert not [effect for effect in driver.effects if isinstance(effect, fx.StartBrain)]
