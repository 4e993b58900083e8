"""The life of a translation session, without any engine: faults, ends, random walks."""

from __future__ import annotations

import random

import pytest

from realtime.errors import KeyRevoked, WireFault
from realtime.session import effects as fx
from realtime.session.inputs import Allowed, EndReason, Revoked, Shutdown
from realtime.translation.limits import TranslationLimits
from tests.realtime.translation.scripts import (
    AUDIO,
    FAULT,
    TARGET,
    does,
    set_up,
    stretch,
)
from tests.realtime.translation.stage import SAMPLES_PER_MS, TranslationStage


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
        stage.give(Allowed(question))
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
