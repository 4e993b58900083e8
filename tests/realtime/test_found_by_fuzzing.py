"""What the fuzzer found: each was a fault, and is a rule now."""

from __future__ import annotations

import pytest

from conformance.schemas import EventSchemas
from realtime.session.inputs import Allowed
from tests.realtime.driver import Driver, text_item


@pytest.mark.parametrize("model", ["whisper-1", "gpt-live-transcribe"])
def test_echo_of_a_transcription_model_fits_the_schema(model: str) -> None:
    """`gpt-live-transcribe` echoes `languages`, which the schema of the session must know."""
    driver = Driver()
    audio = {"input": {"transcription": {"model": model}}}
    driver.client("session.update", session={"type": "realtime", "audio": audio})
    assert EventSchemas().faults(driver.last("session.updated")) == []


def test_second_cancel_behind_a_question_is_refused() -> None:
    """Events that waited for admission are applied in one go; the first cancel ends the response."""
    driver = Driver(brain=lambda _: [], admit=False)
    driver.client("response.create")
    driver.give(Allowed(1))
    driver.client("conversation.item.create", item=text_item("first"))
    driver.client("response.cancel", event_id="one")
    driver.client("response.cancel", event_id="two")
    driver.give(Allowed(2))
    assert driver.last("response.done")["response"]["status"] == "cancelled"
    assert driver.error()["code"] == "response_cancel_not_active"
    assert driver.error()["event_id"] == "two"


def test_id_of_the_turn_that_is_spoken_is_taken() -> None:
    """`speech_started` tells the item's id; a client's item may not take it before the commit."""
    driver = Driver()
    driver.audio(640, voiced=False)
    driver.audio(400, voiced=True)
    item_id = driver.last("input_audio_buffer.speech_started")["item_id"]
    driver.client("conversation.item.create", item=text_item("mine", id=item_id))
    assert driver.error()["code"] == "item_create_duplicate_item_id"
    driver.client("input_audio_buffer.commit")
    assert driver.last("conversation.item.added")["item"]["id"] == item_id
