"""Playback truth where the server plays: started, stopped, cleared, cut (CONTRACT 8.10, 8.14)."""

from __future__ import annotations

from realtime.engine import BrainFinished, BrainReport, BrainRequest, BrainText, SpeechFinished
from realtime.session import effects as fx
from realtime.session.inputs import Drained
from tests.realtime.driver import Driver

PLAYBACK = "output_audio_buffer."


def unfinished(request: BrainRequest) -> list[BrainReport]:
    """Say one sentence and think on."""
    return [BrainText(request.response_id, "All is well. ", complete=True)]


def answered(driver: Driver, **params: object) -> str:
    """Ask for a response, let its audio go to the leg, return its id."""
    driver.client("response.create", response=params)
    driver.run(until_ms=driver.now_ms + 5_000)
    return str(driver.last("response.created")["response"]["id"])


def playback(driver: Driver) -> list[str]:
    """Return what was told of playback."""
    return [kind.removeprefix(PLAYBACK) for kind in driver.types() if kind.startswith(PLAYBACK)]


class TestPlaying:
    def test_started_stands_between_the_part_and_its_words(self) -> None:
        """Nobody reads words before their voice begins to play."""
        driver = Driver(has_leg=True)
        answered(driver)
        kinds = driver.types()
        began = kinds.index("output_audio_buffer.started")
        assert kinds[began - 1] == "response.content_part.added"
        assert kinds[began + 1] == "response.output_audio_transcript.delta"

    def test_stopped_comes_once_everything_was_played(self) -> None:
        """The response is done before; `stopped` waits for the leg."""
        driver = Driver(has_leg=True)
        response_id = answered(driver)
        assert playback(driver) == ["started"]
        assert fx.FinishPlayback(response_id) in driver.effects
        driver.give(Drained(response_id))
        driver.give(Drained(response_id))
        assert playback(driver) == ["started", "stopped"]
        assert driver.last("output_audio_buffer.stopped")["response_id"] == response_id

    def test_written_answer_plays_nothing(self) -> None:
        """Text has no playback."""
        driver = Driver(has_leg=True)
        answered(driver, output_modalities=["text"])
        assert playback(driver) == []
        assert "response.output_text.delta" in driver.types()

    def test_answer_without_sound_still_shows_its_words(self) -> None:
        """Words that no voice comes for are not lost."""
        driver = Driver(has_leg=True, speech_ms=0)
        driver.client("response.create")
        request = next(e.request for e in driver.effects if isinstance(e, fx.Speak))
        driver.give(SpeechFinished(request.segment_id))
        assert driver.last("response.output_audio_transcript.done")["transcript"] == "All is well."
        assert playback(driver) == []

    def test_socket_knows_nothing_of_playback(self) -> None:
        """Without a leg no event tells of it, and clearing is an error (CONTRACT 7)."""
        driver = Driver()
        answered(driver)
        driver.client("output_audio_buffer.clear")
        assert playback(driver) == []
        assert driver.error()["code"] == "invalid_value"


class TestQueued:
    """Answers that wait for the one before them, which the leg plays to its end."""

    def test_answer_that_waits_starts_once_the_one_before_it_was_played(self) -> None:
        """`started` says what is heard, not what was made."""
        driver = Driver(has_leg=True)
        first, second = answered(driver), answered(driver)
        assert playback(driver) == ["started"]
        driver.give(Drained(first))
        assert playback(driver) == ["started", "stopped", "started"]
        assert driver.last("output_audio_buffer.started")["response_id"] == second
        driver.give(Drained(second))
        assert playback(driver) == ["started", "stopped", "started", "stopped"]

    def test_clear_of_an_answer_that_waits_tells_only_of_its_cut(self) -> None:
        """Nobody heard it begin, so it does not end; its words are taken back."""
        driver = Driver(has_leg=True, speech_ms=4_000)
        first = answered(driver)
        item_id = driver.last("response.output_item.done")["item"]["id"]
        answered(driver)
        driver.heard_ms = {item_id: 1_000}
        driver.client("output_audio_buffer.clear")
        assert playback(driver) == ["started", "cleared"]
        assert driver.last("output_audio_buffer.cleared")["response_id"] == first
        cuts = [e for e in driver.sent if e["type"] == "conversation.item.truncated"]
        assert [cut["audio_end_ms"] for cut in cuts] == [1_000, 0]

    def test_answer_beside_the_conversation_starts_when_the_caller_ends_the_one_before(
        self,
    ) -> None:
        """An interruption leaves what is beside the conversation, which is then heard."""
        driver = Driver(has_leg=True, speech_ms=4_000)
        answered(driver)
        beside = answered(driver, conversation="none")
        driver.audio(640, voiced=False)
        driver.audio(800, voiced=True)
        assert playback(driver) == ["started", "cleared", "started"]
        assert driver.last("output_audio_buffer.started")["response_id"] == beside

    def test_answer_that_the_leg_plays_out_of_turn_is_still_told(self) -> None:
        """What was heard to its end began, though one before it is still made."""
        driver = Driver(has_leg=True, brain=unfinished)
        answered(driver)
        driver.brain = Driver().brain
        beside = answered(driver, conversation="none")
        assert playback(driver) == ["started"]
        driver.give(Drained(beside))
        assert playback(driver) == ["started", "started", "stopped"]


class TestBargeIn:
    def test_finished_answer_is_cleared_and_cut_where_it_was_heard(self) -> None:
        """Generation was over: the response stays completed."""
        driver = Driver(has_leg=True, speech_ms=4_000)
        response_id = answered(driver)
        item_id = driver.last("response.output_item.done")["item"]["id"]
        driver.heard_ms = {item_id: 1_240}
        skip = len(driver.sent)
        driver.audio(640, voiced=False)
        driver.audio(800, voiced=True)
        assert driver.types(skip=skip) == [
            "input_audio_buffer.speech_started",
            "output_audio_buffer.cleared",
            "conversation.item.truncated",
        ]
        cut = driver.last("conversation.item.truncated")
        assert (cut["item_id"], cut["audio_end_ms"]) == (item_id, 1_240)
        assert driver.last("response.done")["response"]["status"] == "completed"
        driver.give(Drained(response_id))
        assert playback(driver) == ["started", "cleared"]

    def test_answer_under_way_is_cleared_cut_and_then_cancelled(self) -> None:
        """Clear and cut come before the close-out of the response."""
        driver = Driver(has_leg=True, brain=unfinished, speech_ms=2_000)
        answered(driver)
        item_id = driver.last("response.output_item.added")["item"]["id"]
        driver.heard_ms = {item_id: 300}
        skip = len(driver.sent)
        driver.audio(640, voiced=False)
        driver.audio(800, voiced=True)
        kinds = driver.types(skip=skip)
        assert kinds[:4] == [
            "input_audio_buffer.speech_started",
            "output_audio_buffer.cleared",
            "conversation.item.truncated",
            "response.output_audio.done",
        ]
        done = driver.last("response.done")["response"]
        assert done["status"] == "cancelled"
        assert done["status_details"]["reason"] == "turn_detected"
        assert playback(driver) == ["started", "cleared"]

    def test_item_played_to_its_end_is_not_cut(self) -> None:
        """Only what was not heard is taken back."""
        driver = Driver(has_leg=True, speech_ms=400)
        answered(driver)
        item_id = driver.last("response.output_item.done")["item"]["id"]
        driver.heard_ms = {item_id: 400}
        driver.audio(640, voiced=False)
        driver.audio(800, voiced=True)
        assert "conversation.item.truncated" not in driver.types()

    def test_answer_beside_the_conversation_plays_on(self) -> None:
        """Out-of-band responses are not interrupted (CONTRACT 8.10)."""
        driver = Driver(has_leg=True)
        answered(driver, conversation="none")
        driver.audio(640, voiced=False)
        driver.audio(800, voiced=True)
        assert playback(driver) == ["started"]

    def test_interruption_off_lets_the_answer_play(self) -> None:
        """`interrupt_response: false` is obeyed."""
        driver = Driver(has_leg=True)
        detection = {"type": "server_vad", "interrupt_response": False}
        audio = {"input": {"turn_detection": detection}}
        driver.client("session.update", session={"type": "realtime", "audio": audio})
        answered(driver)
        driver.audio(640, voiced=False)
        driver.audio(800, voiced=True)
        assert playback(driver) == ["started"]


class TestClear:
    def test_client_silences_an_answer_that_it_cancelled(self) -> None:
        """`response.cancel` stops the making, `output_audio_buffer.clear` the playing."""
        driver = Driver(has_leg=True, brain=unfinished, speech_ms=2_000)
        answered(driver)
        item_id = driver.last("response.output_item.added")["item"]["id"]
        driver.heard_ms = {item_id: 500}
        driver.client("response.cancel")
        assert playback(driver) == ["started"]
        driver.client("output_audio_buffer.clear")
        assert playback(driver) == ["started", "cleared"]
        assert driver.last("conversation.item.truncated")["audio_end_ms"] == 500

    def test_answer_that_goes_on_stays_silent(self) -> None:
        """Cleared once, a response plays nothing more, however it ends."""
        driver = Driver(has_leg=True, brain=unfinished, speech_ms=500)
        response_id = answered(driver)
        driver.client("output_audio_buffer.clear")
        driver.give(BrainText(response_id, "And on.", complete=True))
        driver.give(BrainFinished(response_id))
        driver.run(until_ms=driver.now_ms + 5_000)
        driver.give(Drained(response_id))
        assert driver.last("response.done")["response"]["status"] == "completed"
        assert playback(driver) == ["started", "cleared"]

    def test_clear_of_silence_says_nothing(self) -> None:
        """There is no response to name."""
        driver = Driver(has_leg=True)
        driver.client("output_audio_buffer.clear")
        assert "error" not in driver.types()
        assert playback(driver) == []
