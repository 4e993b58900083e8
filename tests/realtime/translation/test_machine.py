"""A translation session, without any engine."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

from realtime.engine import DetectionLost, EngineFault
from realtime.errors import KeyRevoked, WireFault
from realtime.session import effects as fx
from realtime.session.inputs import EndReason, Revoked, Shutdown
from realtime.translation.effects import SendTranslatedFrame
from realtime.translation.limits import FRAME_SAMPLES, TranslationLimits
from tests.realtime.translation.stage import SAMPLES_PER_MS, TranslationStage

SOURCE, TARGET = "session.input_transcript.delta", "session.output_transcript.delta"
AUDIO = "session.output_audio.delta"
FAULT = {"code": "model_unavailable", "message": "The model cannot be reached."}


def does(stage: TranslationStage, what: str, **line: Any) -> None:
    stage.act({"does": what, **line})


def stretch(stage: TranslationStage, ms: int = 1_000) -> None:
    """Say something and pause."""
    stage.hear(ms, voiced=True)
    stage.hear(600, voiced=False)


def set_up(stage: TranslationStage, **output: Any) -> None:
    audio: dict[str, Any] = {"input": {"transcription": {"model": "whisper-1"}}}
    if output:
        audio["output"] = output
    stage.client("session.update", session={"audio": audio})


class TestFrames:
    """Continuous audio of 200 ms frames (CONTRACT 13)."""

    def test_source_of_silence_is_answered_by_as_much_silence(self) -> None:
        """One frame of silence for each that was heard, in steps of 200 ms of the session."""
        stage = TranslationStage()
        stage.hear(2_000, voiced=False)
        assert stage.frames() == [0] * 9  # the last 32 ms are not judged yet
        assert [event["elapsed_ms"] for event in stage.events(AUDIO)] == [
            200 * (n + 1) for n in range(9)
        ]

    def test_short_appends_make_no_frame_before_they_make_200_ms(self) -> None:
        """Shorter chunks are buffered."""
        stage = TranslationStage(listens=False)
        stage.hear(180)
        assert not stage.frames()
        stage.hear(20)
        assert stage.frames() == [0]

    def test_source_faster_than_real_time_is_answered_at_the_pace(self) -> None:
        """A file that is sent at once does not come back as one heap of silence."""
        stage = TranslationStage(listens=False)
        stage.hear(60_000, at_once=True)
        assert len(stage.frames()) == 1
        stage.wait(1_001)
        assert len(stage.frames()) == 31
        stage.wait(20_000)
        assert len(stage.frames()) == 300

    def test_source_that_pauses_is_contiguous(self) -> None:
        """Nothing is sent for time in which nothing came."""
        stage = TranslationStage(listens=False)
        stage.hear(400)
        stage.wait(10_000)
        assert len(stage.frames()) == 2
        stage.hear(400)
        assert len(stage.frames()) == 4
        assert stage.events(AUDIO)[-1]["elapsed_ms"] == 800

    def test_speech_fills_frames_and_its_end_is_padded(self) -> None:
        """500 ms of speech are two frames and a half; the rest is silence, in every frame 200 ms."""
        stage = spoken(TranslationStage())
        stage.hear(2_000, voiced=False)
        full = [samples for samples in stage.frames() if samples]
        assert full == [FRAME_SAMPLES, FRAME_SAMPLES, 100 * SAMPLES_PER_MS]
        assert {len(event["delta"]) for event in stage.events(AUDIO)} == {12_800}

    def test_frame_waits_for_the_rest_of_a_word(self) -> None:
        """While more of a sentence is on its way no frame goes out with a hole in it."""
        stage = translated(TranslationStage())
        before = len(stage.frames())
        does(stage, "speak", ms=100)
        stage.hear(400, voiced=False)
        assert len(stage.frames()) == before
        does(stage, "speak", ms=100)
        assert stage.frames()[before] == FRAME_SAMPLES

    def test_speech_goes_on_in_real_time_though_the_source_stops(self) -> None:
        """What is translated already is heard."""
        stage = translated(TranslationStage())
        does(stage, "speak", ms=1_000)
        does(stage, "speech_end")
        heard = len([samples for samples in stage.frames() if samples])
        stage.wait(2_000)
        full = [samples for samples in stage.frames() if samples]
        assert heard <= 1
        assert sum(full) == 1_000 * SAMPLES_PER_MS


def translated(stage: TranslationStage) -> TranslationStage:
    """Bring a session so far that one sentence is asked of the voice."""
    stretch(stage)
    does(stage, "transcript", text="hello there")
    does(stage, "say", text="Hola.")
    does(stage, "finish")
    return stage


def spoken(stage: TranslationStage) -> TranslationStage:
    translated(stage)
    does(stage, "speak", ms=500)
    does(stage, "speech_end")
    return stage


class TestStretches:
    """Where speech is cut."""

    def test_pause_ends_a_stretch(self) -> None:
        """400 ms of silence; the padding before it is part of it."""
        stage = TranslationStage()
        stage.hear(1_000, voiced=False)
        stretch(stage)
        (opened,) = stage.of(fx.OpenRecognition)
        assert opened.start < 1_000 * SAMPLES_PER_MS
        (committed,) = stage.of(fx.CommitRecognition)
        assert 2_300 < committed.upto / SAMPLES_PER_MS < 2_500

    def test_short_pause_ends_only_a_long_stretch(self) -> None:
        """A breath after three seconds is enough; what follows is the next stretch."""
        stage = TranslationStage()
        stage.hear(1_000, voiced=True)
        stage.hear(200, voiced=False)
        stage.hear(3_000, voiced=True)
        assert not stage.of(fx.CommitRecognition)
        assert stage.of(fx.AbandonRecognition)
        stage.hear(200, voiced=False)
        assert len(stage.of(fx.CommitRecognition)) == 1
        stage.hear(1_000, voiced=True)
        first, second = stage.of(fx.OpenRecognition)
        assert second.start >= stage.of(fx.CommitRecognition)[0].upto
        assert second.start > first.start

    def test_speech_without_a_pause_is_cut_and_goes_on(self) -> None:
        """The translation streams while the speaker goes on; no sample is lost between."""
        stage = TranslationStage()
        stage.hear(20_000, voiced=True)
        opened, committed = stage.of(fx.OpenRecognition), stage.of(fx.CommitRecognition)
        assert len(committed) == 2
        assert [one.start for one in opened[1:]] == [one.upto for one in committed]
        lengths = [end.upto - begin.start for begin, end in zip(opened, committed, strict=False)]
        assert lengths == [8_000 * SAMPLES_PER_MS] * 2

    def test_without_voice_activity_time_cuts(self) -> None:
        """A gateway that only has endpoints translates too."""
        stage = TranslationStage(listens=False)
        stage.hear(17_000)
        assert not stage.of(fx.StartDetection)
        assert [one.upto for one in stage.of(fx.CommitRecognition)] == [
            8_000 * SAMPLES_PER_MS, 16_000 * SAMPLES_PER_MS,
        ]  # fmt: skip

    def test_long_silence_is_forgotten(self) -> None:
        """The ring does not grow while nobody speaks."""
        stage = TranslationStage()
        stage.hear(30_000, voiced=False)
        assert stage.of(fx.ForgetAudio)[-1].before > 20_000 * SAMPLES_PER_MS

    def test_lost_voice_activity_ends_the_stretch(self) -> None:
        """What was said so far is translated."""
        stage = TranslationStage()
        stage.hear(1_000, voiced=True)
        stage.give(DetectionLost(EngineFault("speech_unavailable", "Gone.")))
        assert len(stage.of(fx.CommitRecognition)) == 1


class TestWords:
    """Transcripts of both languages."""

    def test_source_is_told_only_with_transcription(self) -> None:
        """Without it the translation runs all the same (CONTRACT 13)."""
        stage = translated(TranslationStage())
        assert not stage.events(SOURCE)
        assert stage.text(TARGET) == "Hola."

    def test_pieces_join_to_the_text(self) -> None:
        """Deltas are append-only, and clients put nothing between them."""
        stage = TranslationStage()
        set_up(stage)
        stage.hear(1_000, voiced=True)
        does(stage, "transcribe", delta=" hello")
        does(stage, "transcribe", delta=" there ")
        stage.hear(600, voiced=False)
        does(stage, "transcript", text="hello there friend")
        stretch(stage)
        does(stage, "transcript", text="again")
        assert stage.text(SOURCE) == "hello there friend again"
        assert stage.of(fx.OpenRecognition)[0].request.partials

    def test_words_keep_the_order_of_speech(self) -> None:
        """A later stretch that is recognised first waits."""
        stage = TranslationStage()
        set_up(stage)
        stretch(stage)
        stretch(stage)
        does(stage, "transcript", stretch=2, text="two")
        assert not stage.events(SOURCE)
        does(stage, "transcript", stretch=1, text="one")
        assert stage.text(SOURCE) == "one two"
        asked = stage.of(fx.StartBrain)[0].request
        assert asked.items[-1].text == "one"

    def test_japanese_sentences_stand_without_a_space(self) -> None:
        """A language that writes none gets none."""
        stage = TranslationStage()
        stage.client("session.update", session={"audio": {"output": {"language": "ja"}}})
        for text in ("一。", "二。"):
            stretch(stage)
            does(stage, "transcript", text="x")
            does(stage, "say", text=text)
            does(stage, "finish")
        assert stage.text(TARGET) == "一。二。"

    def test_stretch_without_words_is_not_translated(self) -> None:
        """A cough."""
        stage = TranslationStage()
        set_up(stage)
        stretch(stage)
        does(stage, "transcript", text=" ")
        assert not stage.of(fx.StartBrain)
        assert not stage.events(SOURCE)


class TestTranslations:
    """One at a time, in order, asked for strictly."""

    def test_model_is_told_the_language_and_what_came_before(self) -> None:
        """Sentences go on: the last translations are read, only the last words translated."""
        stage = translated(TranslationStage())
        stage.client("session.update", session={"audio": {"output": {"language": "pt-BR"}}})
        stretch(stage)
        does(stage, "transcript", text="how are you")
        request = stage.of(fx.StartBrain)[-1].request
        assert "Portuguese (pt-BR)" in request.instructions
        assert [(item.role, item.text) for item in request.items] == [
            ("user", "hello there"), ("assistant", "Hola."), ("user", "how are you"),
        ]  # fmt: skip
        assert not request.tools

    def test_words_that_come_meanwhile_are_translated_together(self) -> None:
        """So that a slow model catches up."""
        stage = TranslationStage()
        for text in ("one", "two", "three"):
            stretch(stage)
            does(stage, "transcript", text=text)
        assert len(stage.of(fx.StartBrain)) == 1
        does(stage, "say", text="Uno.")
        does(stage, "finish")
        assert stage.of(fx.StartBrain)[1].request.items[-1].text == "two three"

    def test_sentences_are_spoken_in_the_target_language(self) -> None:
        """One by one, before the translation is whole."""
        stage = TranslationStage()
        stretch(stage)
        does(stage, "transcript", text="x")
        does(stage, "say", text="Hola", complete=False)
        assert not stage.of(fx.Speak)
        does(stage, "say", text=". ", complete=True)
        (asked,) = stage.of(fx.Speak)
        assert (asked.request.text, asked.request.language) == ("Hola.", "es")

    def test_voice_hurries_while_it_is_far_behind(self) -> None:
        """A translation that is longer than its source must not fall behind for ever."""
        stage = TranslationStage()
        stretch(stage)
        does(stage, "transcript", text="x")
        does(stage, "say", text="One.")
        does(stage, "speak", ms=7_000)
        does(stage, "say", text="Two.")
        assert [effect.request.speed for effect in stage.of(fx.Speak)] == [1.0, 1.25]

    def test_speech_is_synthesised_no_further_ahead_than_20_s(self) -> None:
        """Audio that nobody hears yet is not piled up."""
        stage = TranslationStage()
        stretch(stage)
        does(stage, "transcript", text="x")
        for number in range(5):
            does(stage, "say", text=f"{number}.")
        assert len(stage.of(fx.Speak)) == 2
        does(stage, "speak", ms=25_000)
        does(stage, "speech_end")
        assert len(stage.of(fx.Speak)) == 2
        stage.wait(6_000)
        assert len(stage.of(fx.Speak)) == 3

    def test_usage_is_booked_once_it_is_spoken(self) -> None:
        """Tokens by the model's count, audio by its length."""
        stage = TranslationStage()
        stretch(stage)
        does(stage, "transcript", text="hello")
        does(stage, "say", text="Hola.")
        does(stage, "finish", usage={"input_text_tokens": 50, "output_text_tokens": 3})
        assert not stage.of(fx.RecordUsage)
        does(stage, "speak", ms=500)
        does(stage, "speech_end")
        (booked,) = stage.of(fx.RecordUsage)
        assert (booked.status, booked.estimated) == ("completed", False)
        assert booked.usage.input_token_details.text_tokens == 50
        assert 14 <= booked.usage.input_token_details.audio_tokens <= 16
        assert booked.usage.output_token_details.audio_tokens == 10
        assert booked.usage.output_token_details.text_tokens == 3

    def test_end_in_the_middle_settles_every_reservation(self) -> None:
        """What was held is given back or charged, and the model is told to stop."""
        stage = TranslationStage()
        stretch(stage)
        does(stage, "transcript", text="one")
        does(stage, "say", text="Uno.")
        does(stage, "finish")
        stretch(stage)
        does(stage, "transcript", text="two")
        stage.give(Shutdown(EndReason.SERVER_SHUTDOWN))
        held = {effect.response_id for effect in stage.of(fx.ReserveTokens)}
        booked = {effect.response_id: effect.status for effect in stage.of(fx.RecordUsage)}
        assert booked.keys() == held
        assert sorted(booked.values()) == ["cancelled", "completed"]
        assert len(stage.of(fx.CancelBrain)) == 1


class TestFaults:
    """A part that fails costs its stretch, and the client is told."""

    @pytest.mark.parametrize("what", ["transcript_fail", "fail", "speech_fail", "allowance"])
    def test_failed_part_is_an_error_and_the_session_goes_on(self, what: str) -> None:
        """There is no other event that could say so."""
        stage = TranslationStage()
        if what == "allowance":
            does(stage, what, **FAULT)
        stretch(stage)
        if what == "transcript_fail":
            does(stage, what, **FAULT)
        else:
            does(stage, "transcript", text="one")
        if what == "fail":
            does(stage, what, **FAULT)
        if what == "speech_fail":
            does(stage, "say", text="Uno.")
            does(stage, "finish")
            does(stage, what, **FAULT)
        (told,) = stage.events("error")
        assert (told["error"]["code"], told["error"]["message"]) == tuple(FAULT.values())
        assert told["error"]["event_id"] is None
        stage.allowance = None
        stretch(stage)
        does(stage, "transcript", text="two")
        does(stage, "say", text="Dos.")
        assert stage.text(TARGET).endswith("Dos.")

    def test_policy_that_refuses_translations_is_told(self) -> None:
        """Admission is asked before each (DECISIONS 1.5)."""
        stage = TranslationStage()
        stage.refusal = WireFault("Denied by policy.", code="policy_denied")
        stretch(stage)
        does(stage, "transcript", text="one")
        (told,) = stage.events("error")
        assert told["error"]["code"] == "policy_denied"
        assert not stage.of(fx.StartBrain)
        assert [effect.action for effect in stage.of(fx.Ask)] == ["response.automatic"]

    def test_events_behind_a_question_keep_their_order(self) -> None:
        """What comes while admission thinks waits for its turn."""
        stage = TranslationStage()
        stage.asks = False
        stage.client("session.update", session={}, event_id="first")
        stage.client("nonsense", event_id="second")
        stage.client("session.close")
        assert [event["type"] for event in stage.sent] == ["session.created"]
        question = stage.of(fx.Ask)[0].question
        stage.give(fx_allowed(question))
        assert [event.get("type") for event in stage.sent] == [
            "session.created", "session.updated", "error", "session.closed", None,
        ]  # fmt: skip

    def test_client_is_not_read_while_too_much_waits(self) -> None:
        """Every queue has a bound."""
        stage = TranslationStage(limits=TranslationLimits(max_pending_stretches=3))
        for _ in range(2):
            stretch(stage)
        assert not stage.machine.congested
        stretch(stage)
        assert stage.machine.congested
        for number in (1, 2, 3):
            does(stage, "transcript", stretch=number, text="")
        assert not stage.machine.congested


def fx_allowed(question: int) -> Any:
    from realtime.session.inputs import Allowed

    return Allowed(question)


class TestEnd:
    """`session.close`, and every other end."""

    def test_close_translates_what_was_said_and_says_when_it_is_done(self) -> None:
        """Flush, the remaining deltas, `session.closed`, then the socket (CONTRACT 13)."""
        stage = TranslationStage()
        set_up(stage)
        stage.hear(1_000, voiced=True)
        stage.client("session.close")
        assert len(stage.of(fx.CommitRecognition)) == 1
        does(stage, "transcript", text="good night")
        does(stage, "say", text="Buenas noches.")
        does(stage, "finish")
        does(stage, "speak", ms=900)
        does(stage, "speech_end")
        assert not stage.events("session.closed")
        stage.wait(1_000)
        *_, audio, closed, end = stage.sent
        assert (audio["type"], closed["type"], end) == (
            AUDIO,
            "session.closed",
            {"close": [1000, ""]},
        )
        assert sum(stage.frames()) == 900 * SAMPLES_PER_MS
        assert stage.machine.closed
        assert stage.machine.deadline() is None

    def test_close_of_a_silent_session_is_immediate(self) -> None:
        """There is nothing to flush."""
        stage = TranslationStage()
        stage.client("session.close")
        assert [event.get("type") for event in stage.sent] == [
            "session.created", "session.closed", None,
        ]  # fmt: skip

    def test_close_waits_until_voice_activity_has_heard_all(self) -> None:
        """A file sent at once is translated to its end; a dead detector holds nothing up."""
        stage = TranslationStage()
        stage.hear(5_000, at_once=True)
        stage.client("session.close")
        assert not stage.events("session.closed")
        stage.wait(499)
        assert not stage.events("session.closed")
        stage.wait(2)
        assert stage.events("session.closed")

    def test_audio_and_events_after_close_are_of_no_account(self) -> None:
        """It is over; what is still to be sent is decided."""
        stage = TranslationStage()
        stage.hear(1_000, voiced=True)
        stage.client("session.close")
        does(stage, "transcript", text="x")
        stage.hear(1_000)
        stage.client("session.update", session={"audio": {"output": {"language": "de"}}})
        stage.client("session.close")
        assert not stage.events("session.updated")
        assert len(stage.of(fx.OpenRecognition)) == 1

    def test_drain_has_a_limit(self) -> None:
        """A recogniser that never answers does not hold the session for ever."""
        stage = TranslationStage()
        stage.hear(1_000, voiced=True)
        stage.client("session.close")
        stage.wait(29_999)
        assert not stage.machine.closed
        stage.wait(1)
        assert stage.sent[-1] == {"close": [1000, ""]}
        assert stage.events("session.closed")

    def test_session_ends_after_its_longest_duration(self) -> None:
        """As every session does (CONTRACT 4)."""
        stage = TranslationStage(limits=TranslationLimits(max_duration_ms=60_000))
        stage.wait(60_000)
        assert stage.events("error")[-1]["error"]["code"] == "session_expired"
        assert stage.sent[-1]["close"][0] == 1001

    def test_revoked_key_ends_it_at_once(self) -> None:
        """The error, then the close code of a void key."""
        stage = TranslationStage()
        stage.give(Revoked(KeyRevoked()))
        assert stage.sent[-1]["close"][0] == 3000
        before = len(stage.effects)
        stage.hear(1_000, voiced=True)
        assert len(stage.effects) == before


def test_elapsed_time_never_goes_back() -> None:
    """One clock for words and audio (CONTRACT 13: steps of 200 ms)."""
    stage = TranslationStage()
    set_up(stage)
    for text in ("one", "two"):
        stretch(stage)
        does(stage, "transcript", text=text)
        does(stage, "say", text=f"{text}!")
        does(stage, "finish")
        does(stage, "speak", ms=700)
        does(stage, "speech_end")
    stage.hear(2_000, voiced=False)
    times = [event["elapsed_ms"] for event in stage.sent if "elapsed_ms" in event]
    assert all(later >= earlier and later % 200 == 0 for earlier, later in pairwise(times))
    assert len(stage.of(SendTranslatedFrame)) == times[-1] // 200


class TestBursts:
    """A source that comes faster than it is understood."""

    def test_no_more_than_four_stretches_are_recognised_at_a_time(self) -> None:
        """The others wait in the ring, which keeps their audio, and are recognised in order."""
        stage = TranslationStage(listens=False)
        stage.hear(80_000, at_once=True)
        assert len(stage.of(fx.OpenRecognition)) == 4
        assert stage.of(fx.ForgetAudio)[-1].before == 32_000 * SAMPLES_PER_MS
        for number in range(1, 11):
            does(stage, "transcript", stretch=number, text=str(number))
        opened = [effect.start // SAMPLES_PER_MS for effect in stage.of(fx.OpenRecognition)]
        assert opened == [8_000 * number for number in range(10)]
        committed = [effect.upto // SAMPLES_PER_MS for effect in stage.of(fx.CommitRecognition)]
        assert committed == [8_000 * (number + 1) for number in range(10)]
        assert stage.of(fx.ForgetAudio)[-1].before == 80_000 * SAMPLES_PER_MS

    def test_stretch_that_waits_while_it_grows_is_recognised_whole(self) -> None:
        """Its audio goes on once it has its place."""
        stage = TranslationStage(limits=TranslationLimits(most_recognitions=1))
        stretch(stage)
        stage.hear(1_000, voiced=True)
        assert len(stage.of(fx.OpenRecognition)) == 1
        does(stage, "transcript", stretch=1, text="one")
        stage.hear(1_000, voiced=False)
        assert len(stage.of(fx.CommitRecognition)) == 2

    def test_close_lasts_as_long_as_something_comes_of_it(self) -> None:
        """A file that is sent at once is translated whole, though that takes more than 30 s."""
        stage = TranslationStage(listens=False)
        stage.hear(160_000, at_once=True)
        stage.client("session.close")
        for number in range(1, 20):
            stage.wait(20_000)
            does(stage, "transcript", stretch=number, text="")
        assert not stage.machine.closed
        does(stage, "transcript", stretch=20, text="")
        assert stage.events("session.closed")


def test_random_walks_keep_the_laws() -> None:
    """Whatever happens in whatever order: books balance, time goes on, nothing after the end."""
    chance = random.Random(13)
    for _ in range(150):
        stage = TranslationStage(listens=chance.random() < 0.8)
        for _ in range(chance.randint(5, 60)):
            step(stage, chance)
        stage.give(Shutdown(EndReason.SERVER_SHUTDOWN))
        reserved = [effect.response_id for effect in stage.of(fx.ReserveTokens)]
        booked = [effect.response_id for effect in stage.of(fx.RecordUsage)]
        assert sorted(reserved) == sorted(booked)
        times = [event["elapsed_ms"] for event in stage.sent if "elapsed_ms" in event]
        assert times == sorted(times)
        assert sum("close" in event for event in stage.sent) == 1
        assert "close" in stage.sent[-1]
        spoken = sum(stage.frames())
        assert spoken <= stage.produced
        starts = [effect.start for effect in stage.of(fx.OpenRecognition)]
        assert starts == sorted(starts)


def step(stage: TranslationStage, chance: random.Random) -> None:
    """Do one thing that may happen."""
    stage.act(
        chance.choice(
            [
                {"does": "hear", "ms": chance.choice((20, 500, 3_000)), "voiced": True},
                {"does": "hear", "ms": chance.choice((20, 200, 900)), "voiced": False},
                {"does": "wait", "ms": chance.choice((1, 300, 5_000))},
                {"does": "transcript", "stretch": chance.randint(1, 4), "text": "some words"},
                {"does": "transcript", "text": ""},
                {"does": "transcribe", "delta": " some"},
                {"does": "transcript_fail", **FAULT},
                {"does": "say", "text": "A sentence. ", "complete": chance.random() < 0.7},
                {"does": "finish"},
                {"does": "fail", **FAULT},
                {"does": "speak", "ms": chance.choice((10, 250, 4_000))},
                {"does": "speech_end"},
                {"does": "speech_fail", **FAULT},
                {"does": "detection_fail", **FAULT},
            ]
        )
    )
    if chance.random() < 0.03:
        stage.client("session.close")
    if chance.random() < 0.05:
        stage.client("session.update", session={"audio": {"output": {"language": "ja"}}})
