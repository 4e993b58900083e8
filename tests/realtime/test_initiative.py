"""Responses that nobody asked for: after silence (CONTRACT 8.8) and from the engine itself."""

from __future__ import annotations

from typing import Any

from realtime.engine import SpeechFinished, SpeechProduced, Volunteered
from realtime.session import effects as fx
from tests.realtime.driver import Driver, text_item

IDLE_MS = 6_000
TIMEOUT = "input_audio_buffer.timeout_triggered"


def idle_session(**detection: Any) -> Driver:
    """Return a session with an idle timeout in which an answer was spoken."""
    driver = Driver(speech_ms=1_000)
    turn_detection = {"type": "server_vad", "idle_timeout_ms": IDLE_MS, **detection}
    driver.client(
        "session.update",
        session={"type": "realtime", "audio": {"input": {"turn_detection": turn_detection}}},
    )
    return driver


def until(driver: Driver, ms: int) -> None:
    """Let time pass up to an instant, and no further."""
    driver.run(until_ms=ms)
    driver.now_ms = ms


def test_silence_before_any_answer_triggers_nothing() -> None:
    """The timer starts with a response's end: before the first there is none."""
    driver = idle_session()
    until(driver, 60_000)
    assert TIMEOUT not in driver.types()


def test_silence_after_an_answer_is_answered_in_the_contracts_order() -> None:
    """After playback and the timeout: triggered, committed, the item, and a response."""
    driver = idle_session()
    driver.client("response.create")
    until(driver, 1_000)
    driver.audio(2_000, voiced=False)
    before = len(driver.sent)
    until(driver, 1_000 + IDLE_MS - 1)
    assert driver.types(skip=before) == []
    until(driver, 1_000 + IDLE_MS + 500)
    kinds = driver.types(skip=before)
    assert kinds[:5] == [
        TIMEOUT,
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    event = driver.last(TIMEOUT)
    assert (event["audio_start_ms"], event["audio_end_ms"]) == (0, 2_000)
    assert event["item_id"] == driver.last("input_audio_buffer.committed")["item_id"]


def test_silence_is_answered_again_after_each_answer() -> None:
    """The timer starts anew with the response that the timeout made."""
    driver = idle_session()
    driver.client("response.create")
    until(driver, 1_000 + 2 * (IDLE_MS + 1_000) + 100)
    assert driver.types().count(TIMEOUT) == 2


def test_speech_stops_the_timer() -> None:
    """Who speaks is not nudged; the timer is the next answer's."""
    driver = idle_session(create_response=False)
    driver.client("response.create")
    until(driver, 3_000)
    driver.utterance()
    until(driver, 60_000)
    assert TIMEOUT not in driver.types()


def test_null_turns_the_timer_off_while_it_runs() -> None:
    """An update to null takes effect at once."""
    driver = idle_session()
    driver.client("response.create")
    until(driver, 3_000)
    detection = {"type": "server_vad", "idle_timeout_ms": None}
    driver.client(
        "session.update",
        session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}},
    )
    until(driver, 60_000)
    assert TIMEOUT not in driver.types()


def test_silence_without_create_response_makes_an_item_only() -> None:
    """With `create_response` off the silence becomes an item that nobody answers."""
    driver = idle_session(create_response=False)
    driver.client("response.create")
    until(driver, 20_000)
    assert driver.types().count(TIMEOUT) == 1
    assert driver.types().count("response.created") == 1


def test_silence_is_not_recognised() -> None:
    """Nobody listens to what holds no speech; its transcript is empty at once."""
    driver = idle_session()
    driver.client(
        "session.update",
        session={"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}},
    )
    driver.client("response.create")
    until(driver, 10_000)
    assert not [e for e in driver.effects if isinstance(e, fx.OpenRecognition)]
    completed = driver.last("conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == ""


# --- volunteered speech ---


def test_volunteered_speech_becomes_a_response() -> None:
    """What the engine wants to say is a whole response of the conversation; nobody has to think."""
    driver = Driver()
    driver.give(Volunteered("Your timer is over."))
    driver.run()
    kinds = driver.types(skip=1)
    assert kinds[0] == "response.created"
    assert kinds[-2:] == ["response.done", "rate_limits.updated"] or kinds[-1] == "response.done"
    done = driver.last("response.done")["response"]
    assert done["status"] == "completed"
    assert done["output"][0]["content"][0]["transcript"] == "Your timer is over."
    assert not [e for e in driver.effects if isinstance(e, fx.StartBrain)]
    item_id = done["output"][0]["id"]
    assert driver.machine.conversation.get(item_id) is not None


def test_volunteered_speech_waits_for_the_response_that_runs() -> None:
    """Two responses never run at once in the conversation."""
    driver = Driver(speech_ms=0)
    driver.client("response.create")
    driver.give(Volunteered("Your timer is over."))
    assert driver.types().count("response.created") == 1
    segment = next(e.request for e in driver.effects if isinstance(e, fx.Speak)).segment_id
    driver.give(SpeechProduced(segment, 2_400))
    driver.give(SpeechFinished(segment))
    driver.run()
    assert driver.types().count("response.created") == 2
    assert driver.last("response.created")["response"]["status"] == "in_progress"


def test_volunteered_speech_waits_for_the_caller() -> None:
    """Nobody is interrupted by a timer."""
    driver = Driver(brain=lambda _: [])
    driver.audio(640, voiced=False)
    driver.audio(800, voiced=True)
    driver.give(Volunteered("Your timer is over."))
    assert "response.created" not in driver.types()


def test_volunteered_speech_can_be_cancelled() -> None:
    """It is a response like any other."""
    driver = Driver(speech_ms=60_000)
    driver.give(Volunteered("A long story."))
    driver.client("response.cancel")
    assert driver.last("response.done")["response"]["status"] == "cancelled"
    assert not [e for e in driver.effects if isinstance(e, fx.CancelBrain)]


def test_volunteered_speech_is_kept_to_a_bound() -> None:
    """At the bound the oldest is dropped; each that is left becomes its own response."""
    driver = Driver(brain=lambda _: [])
    driver.client("conversation.item.create", item=text_item("hi"))
    driver.client("response.create")
    for number in range(12):
        driver.give(Volunteered(f"Number {number}."))
    driver.client("response.cancel")
    driver.run()
    said = [
        event["transcript"]
        for event in driver.sent
        if event["type"] == "response.output_audio_transcript.done"
    ]
    assert said == [f"Number {number}." for number in range(4, 12)]
