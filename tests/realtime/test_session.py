"""The session machine, scenario by scenario (CONTRACT 6 to 10 and 16)."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.engine import (
    BrainCallArguments,
    BrainCallFinished,
    BrainCallStarted,
    BrainFailed,
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainText,
    DetectionLost,
    EngineFault,
    RecognitionFailed,
    SpeechFailed,
    TranscriptFinal,
)
from realtime.errors import PolicyDenied
from realtime.session import effects as fx
from realtime.session.inputs import (
    Allowed,
    EndReason,
    EngineTraits,
    Narrowed,
    Refused,
    Revoked,
    SessionLimits,
    Shutdown,
)
from tests.realtime.driver import Driver, say, text_item

AUDIO_TAIL = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
FAULT = EngineFault("skills_unavailable", "Skills are not available.")


def calls(name: str, arguments: str) -> Any:
    """Return a brain that speaks, then calls a function."""

    def think(request: BrainRequest) -> list[BrainReport]:
        rid = request.response_id
        return [
            BrainText(rid, "One moment."),
            BrainCallStarted(rid, "call_1", name),
            BrainCallArguments(rid, "call_1", arguments),
            BrainCallFinished(rid, "call_1"),
            BrainFinished(rid),
        ]

    return think


class TestTurns:
    def test_turn_by_silence_keeps_one_item_id(self) -> None:
        """The id announced by speech_started runs through to the item (CONTRACT 8.6)."""
        driver = Driver()
        driver.utterance()
        names = ("speech_started", "speech_stopped", "committed")
        ids = {driver.last(f"input_audio_buffer.{name}")["item_id"] for name in names}
        assert ids == {driver.sent[4]["item"]["id"]}

    def test_click_does_not_begin_a_turn(self) -> None:
        """One voiced window is shorter than the configured run."""
        driver = Driver()
        driver.audio(320, voiced=False)
        driver.audio(32, voiced=True)
        driver.audio(640, voiced=False)
        assert driver.types() == ["session.created"]

    def test_padding_is_part_of_the_start(self) -> None:
        """`audio_start_ms` includes the prefix padding and never is negative."""
        driver = Driver()
        driver.audio(800, voiced=False)
        driver.audio(320, voiced=True)
        assert driver.last("input_audio_buffer.speech_started")["audio_start_ms"] == 500

    def test_pushed_audio_ends_at_the_same_sample(self) -> None:
        """A file pushed faster than real time behaves as a live caller."""
        live, pushed = Driver(), Driver()
        live.utterance()
        pushed.audio(640 + 800 + 480)
        pushed._heard = 0
        from realtime.engine import SpeechProbability

        for place in range(1, 61):
            voiced = 640 < place * 32 <= 1440
            pushed.give(SpeechProbability(place * 768, 0.95 if voiced else 0.02))
        for kind in ("speech_started", "speech_stopped"):
            ours = dict(live.last(f"input_audio_buffer.{kind}"))
            assert ours == pushed.last(f"input_audio_buffer.{kind}")

    def test_no_response_without_create_response(self) -> None:
        """The turn is committed, and nobody answers."""
        driver = Driver()
        detection = {"type": "server_vad", "create_response": False}
        session = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        driver.client("session.update", session=session)
        driver.utterance()
        assert "input_audio_buffer.committed" in driver.types()
        assert "response.created" not in driver.types()

    def test_push_to_talk_answers_only_when_asked(self) -> None:
        """CONTRACT 8.9: commit makes an item, `response.create` an answer."""
        driver = Driver()
        session = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
        driver.client("session.update", session=session)
        driver.audio(500)
        driver.client("input_audio_buffer.commit")
        assert driver.types(skip=2) == [
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
        ]
        driver.client("response.create")
        driver.run()
        assert driver.types()[-1] == "rate_limits.updated"

    def test_commit_counts_from_the_last_clear(self) -> None:
        """Less than 100 ms since then is refused, with two decimals."""
        driver = Driver()
        driver.audio(500)
        driver.client("input_audio_buffer.clear")
        driver.audio(50)
        driver.client("input_audio_buffer.commit", event_id="mine")
        error = driver.error()
        assert error["code"] == "input_audio_buffer_commit_empty"
        assert error["message"].endswith("buffer only has 50.00ms of audio.")
        assert error["event_id"] == "mine"

    def test_lost_detection_ends_the_open_turn(self) -> None:
        """A turn is never left open by a part that died."""
        driver = Driver(transcript=None)
        driver.audio(640, voiced=False)
        driver.audio(800, voiced=True)
        driver.give(DetectionLost(FAULT))
        item_id = driver.last("input_audio_buffer.speech_stopped")["item_id"]
        driver.give(RecognitionFailed(item_id, FAULT))
        assert driver.last("response.done")["response"]["status"] == "failed"
        assert "error" not in driver.types()


class TestBargeIn:
    def test_speech_cancels_the_answer_before_the_next_commit(self) -> None:
        """CONTRACT 8.10, to the event."""
        driver = Driver(speech_ms=10_000)
        driver.utterance()
        start = len(driver.sent)
        driver.audio(320, voiced=True)
        assert driver.types(skip=start) == ["input_audio_buffer.speech_started", *AUDIO_TAIL]
        details = driver.last("response.done")["response"]["status_details"]
        assert details == {"type": "cancelled", "reason": "turn_detected"}
        assert driver.last("response.output_item.done")["item"]["status"] == "incomplete"

    def test_interrupt_response_off_lets_it_run(self) -> None:
        """The answer goes on, and the next one may fail to start."""
        driver = Driver(speech_ms=30_000)
        detection = {"type": "server_vad", "interrupt_response": False}
        session = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        driver.client("session.update", session=session)
        driver.utterance()
        driver.utterance()
        assert "response.done" not in driver.types()
        error = driver.error()
        assert error["code"] == "conversation_already_has_active_response"
        assert error["event_id"] is None

    def test_out_of_band_is_not_interrupted(self) -> None:
        """Only the conversation's response is."""
        driver = Driver(speech_ms=10_000)
        driver.client("response.create", response={"conversation": "none"})
        driver.audio(320, voiced=True)
        assert "response.done" not in driver.types()


class TestResponses:
    def test_preamble_then_call_are_two_items(self) -> None:
        """Items are strictly sequential; the call opens when the message is done."""
        driver = Driver(brain=calls("lookup", '{"q":1}'))
        driver.client("response.create")
        driver.run()
        kinds = driver.types()
        first_done = kinds.index("response.output_item.done")
        assert kinds[first_done + 1 : first_done + 3] == [
            "response.output_item.added",
            "conversation.item.added",
        ]
        assert kinds[first_done + 3 : first_done + 7] == [
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "conversation.item.done",
            "response.output_item.done",
        ]
        done = driver.last("response.function_call_arguments.done")
        assert (done["name"], done["call_id"], done["arguments"]) == ("lookup", "call_1", '{"q":1}')
        assert len(driver.last("response.done")["response"]["output"]) == 2

    def test_complete_call_goes_to_its_executor_once(self) -> None:
        """A function of the client's is the client's to carry out (DECISIONS 1.8)."""
        driver = Driver(brain=calls("lookup", '{"q":1}'))
        driver.client(
            "response.create", response={"tools": [{"type": "function", "name": "lookup"}]}
        )
        driver.run()
        made = [effect.call for effect in driver.effects if isinstance(effect, fx.CallTool)]
        assert [(call.call_id, call.name, call.arguments) for call in made] == [
            ("call_1", "lookup", '{"q":1}')
        ]
        assert (made[0].route.executor, made[0].route.shown_as) == ("client", "function_call")

    def test_call_that_was_cut_is_nobodys(self) -> None:
        """Half an argument list must not be run."""
        driver = Driver(brain=lambda request: calls("lookup", '{"q":')(request)[:3])
        driver.client("response.create")
        driver.run()
        driver.client("response.cancel")
        assert driver.last("response.done")["response"]["status"] == "cancelled"
        assert not [effect for effect in driver.effects if isinstance(effect, fx.CallTool)]

    def test_second_response_is_refused(self) -> None:
        """One live response per conversation."""
        driver = Driver(speech_ms=10_000)
        driver.client("response.create")
        driver.client("response.create", event_id="second")
        error = driver.error()
        assert error["code"] == "conversation_already_has_active_response"
        assert "resp_000000000000000000001. Wait until" in error["message"]
        assert error["event_id"] == "second"

    def test_out_of_band_has_no_conversation_events(self) -> None:
        """CONTRACT 8.12."""
        driver = Driver()
        metadata = {"topic": "title"}
        response = {"conversation": "none", "metadata": metadata, "input": [text_item("x")]}
        driver.client("response.create", response=response)
        driver.run()
        assert not [kind for kind in driver.types() if kind.startswith("conversation.")]
        created = driver.last("response.created")["response"]
        assert created["conversation_id"] is None
        assert created["metadata"] == metadata
        assert len(driver.machine.conversation) == 0

    def test_own_input_replaces_the_context(self) -> None:
        """`input` with a reference is what the brain reads."""
        driver = Driver()
        driver.client("conversation.item.create", item=text_item("first", id="a"))
        driver.client("conversation.item.create", item=text_item("second", id="b"))
        response = {"conversation": "none", "input": [{"type": "item_reference", "id": "a"}]}
        driver.client("response.create", response=response)
        (request,) = [e.request for e in driver.effects if isinstance(e, fx.StartBrain)]
        assert [item.text for item in request.items] == ["first"]

    def test_running_response_keeps_its_settings(self) -> None:
        """A later update does not reach in."""
        driver = Driver(speech_ms=10_000)
        driver.client("response.create")
        session = {"type": "realtime", "output_modalities": ["text"]}
        driver.client("session.update", session=session)
        driver.client("response.cancel")
        assert driver.last("response.done")["response"]["output_modalities"] == ["audio"]

    @pytest.mark.parametrize("modality", ["text", "audio"])
    def test_output_limit_makes_it_incomplete(self, modality: str) -> None:
        """The item and the response say so, and what was streamed fits."""
        driver = Driver(brain=say("word " * 100), speech_ms=20_000)
        response = {"output_modalities": [modality], "max_output_tokens": 130}
        if modality == "text":
            response["max_output_tokens"] = 10
        driver.client("response.create", response=response)
        driver.run()
        done = driver.last("response.done")["response"]
        assert done["status"] == "incomplete"
        assert done["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
        assert done["output"][0]["status"] == "incomplete"
        if modality == "text":
            assert done["usage"]["output_tokens"] <= 10

    @pytest.mark.parametrize("report", ["brain", "speech"])
    def test_broken_part_fails_without_error_event(self, report: str) -> None:
        """CONTRACT 8.13; DECISIONS 2.2."""
        driver = Driver(speech_ms=0)
        driver.client("response.create")
        if report == "brain":
            driver = Driver(brain=lambda r: [BrainFailed(r.response_id, FAULT)])
            driver.client("response.create")
        else:
            driver.give(SpeechFailed("seg_000000000000000000001", FAULT))
        response = driver.last("response.done")["response"]
        assert response["status"] == "failed"
        assert response["status_details"]["error"]["code"] == "skills_unavailable"
        assert "error" not in driver.types()

    def test_cancel_before_output_is_empty(self) -> None:
        """Nothing was added, so nothing is closed."""
        driver = Driver(brain=lambda _: [])
        driver.client("response.create")
        driver.client("response.cancel")
        done = driver.last("response.done")["response"]
        assert (done["status"], done["output"]) == ("cancelled", [])

    def test_cancel_without_response_is_told(self) -> None:
        """The load-bearing code of a benign race."""
        driver = Driver()
        driver.client("response.cancel", event_id="c")
        assert driver.error()["code"] == "response_cancel_not_active"

    def test_late_reports_are_ignored(self) -> None:
        """Nothing of a response follows its done."""
        driver = Driver(brain=lambda _: [])
        driver.client("response.create")
        driver.client("response.cancel")
        sent = len(driver.sent)
        driver.give(BrainText("resp_000000000000000000001", "late"))
        driver.give(BrainFinished("resp_000000000000000000001"))
        assert len(driver.sent) == sent

    def test_answer_waits_for_the_words(self) -> None:
        """The brain is asked once the question's transcript is known."""
        driver = Driver(transcript=None)
        driver.utterance()
        assert not [e for e in driver.effects if isinstance(e, fx.StartBrain)]
        item_id = driver.last("input_audio_buffer.committed")["item_id"]
        driver.give(TranscriptFinal(item_id, "what time is it"))
        (start,) = [e for e in driver.effects if isinstance(e, fx.StartBrain)]
        assert start.request.items[-1].text == "what time is it"


class TestTranscription:
    def test_delta_and_completed_follow_the_item(self) -> None:
        """Tokens for gpt-4o models, seconds rounded up for the others (CONTRACT 9.3)."""
        for model, kind in (("gpt-4o-transcribe", "tokens"), ("whisper-1", "duration")):
            driver = Driver(transcript="good day")
            audio = {"input": {"transcription": {"model": model}}}
            driver.client("session.update", session={"type": "realtime", "audio": audio})
            driver.utterance()
            kinds = driver.types()
            name = "conversation.item.input_audio_transcription"
            assert kinds.index(f"{name}.delta") > kinds.index("conversation.item.done")
            completed = driver.last(f"{name}.completed")
            assert completed["transcript"] == "good day"
            assert completed["usage"]["type"] == kind

    def test_failure_omits_param(self) -> None:
        """One SDK refuses nulls there."""
        driver = Driver(transcript=None)
        audio = {"input": {"transcription": {"model": "whisper-1"}}}
        driver.client("session.update", session={"type": "realtime", "audio": audio})
        driver.utterance()
        item_id = driver.last("input_audio_buffer.committed")["item_id"]
        driver.give(RecognitionFailed(item_id, FAULT))
        failed = driver.last("conversation.item.input_audio_transcription.failed")
        assert list(failed["error"]) == ["type", "code", "message"]


class TestAdmission:
    def test_order_holds_while_admission_is_asked(self) -> None:
        """Later events wait, and a commit counts the audio it came after."""
        driver = Driver(admit=False, traits=EngineTraits(needs_transcript=False, listens=False))
        driver.client("session.update", session={"type": "realtime", "instructions": "x"})
        driver.audio(200)
        driver.client("input_audio_buffer.commit")
        driver.audio(300)
        driver.client("nope")
        assert driver.types() == ["session.created"]
        driver.give(Allowed(1))
        assert driver.types()[1:] == [
            "session.updated",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "error",
        ]
        kept = [e for e in driver.effects if isinstance(e, fx.KeepAudio)]
        assert kept[0].end == 200 * 24

    def test_denied_event_gets_its_event_id(self) -> None:
        """In a session a denial is an error for the event that asked (DECISIONS 2.2)."""
        driver = Driver(admit=False)
        driver.client("response.create", event_id="ask")
        driver.give(Refused(1, PolicyDenied("No.")))
        assert (driver.error()["code"], driver.error()["event_id"]) == ("policy_denied", "ask")

    def test_denied_automatic_response_fails(self) -> None:
        """`response.done` failed, and no error event."""
        driver = Driver(admit=False)
        driver.utterance()
        driver.give(Refused(1, PolicyDenied("No.")))
        assert driver.last("response.done")["response"]["status"] == "failed"
        assert "error" not in driver.types()

    def test_narrowed_tools_are_not_offered(self) -> None:
        """Policy takes a tool away in mid-session."""
        driver = Driver()
        tools = [{"type": "function", "name": name} for name in ("pay", "look")]
        driver.client("session.update", session={"type": "realtime", "tools": tools})
        driver.give(Narrowed(frozenset({"pay"})))
        driver.client("response.create")
        (start,) = [e for e in driver.effects if isinstance(e, fx.StartBrain)]
        assert [tool.name for tool in start.request.tools] == ["look"]

    def test_revoked_session_ends(self) -> None:
        """Error, close, and nothing afterwards."""
        driver = Driver()
        driver.give(Revoked(PolicyDenied("The key was revoked.")))
        (close,) = [e for e in driver.effects if isinstance(e, fx.Close)]
        assert (close.code, close.end_reason) == (3003, EndReason.WITHDRAWN)
        sent = len(driver.sent)
        driver.client("response.create")
        assert len(driver.sent) == sent


class TestEnds:
    def test_expiry_is_told_and_closes_1001(self) -> None:
        """CONTRACT 4: the sentence is the reason."""
        driver = Driver(limits=SessionLimits(max_duration_ms=60_000))
        driver.run(until_ms=60_000)
        assert driver.error()["code"] == "session_expired"
        (close,) = [e for e in driver.effects if isinstance(e, fx.Close)]
        assert (close.code, close.reason) == (
            1001,
            "Your session hit the maximum duration of 1 minutes.",
        )

    def test_shutdown_closes_out_what_is_live(self) -> None:
        """Each response has its done, and no effect follows the close."""
        driver = Driver(speech_ms=10_000)
        driver.client("response.create")
        driver.give(Shutdown(EndReason.SERVER_SHUTDOWN, 1012, "Service restart"))
        assert driver.types()[-1] == "response.done"
        assert isinstance(driver.effects[-1], fx.Close)
