"""Answers begun before the turn is certain: prepared, used or discarded, never told early."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.engine import TurnHypothesis
from realtime.errors import WireFault
from realtime.session import effects as fx
from realtime.session.inputs import (
    Allowed,
    EndReason,
    EngineTraits,
    Refused,
    Shutdown,
    SpeculationRoom,
)
from tests.realtime.driver import Driver, text_item

WORDS = "tell me a story"


def paused(
    *, words: str | None = WORDS, most: int = 1, transcript: str = WORDS, **detection: Any
) -> Driver:
    """Return a session in which somebody paused after `words`, as far as is understood."""
    driver = Driver(transcript=transcript, traits=EngineTraits(speculations=most))
    chosen = {"type": "server_vad", "silence_duration_ms": 500, **detection}
    audio = {"input": {"turn_detection": chosen}}
    driver.client("session.update", session={"type": "realtime", "audio": audio})
    driver.audio(640, voiced=False)
    driver.audio(800, voiced=True)
    pause(driver, words)
    return driver


def pause(driver: Driver, words: str | None) -> None:
    """Fall silent for a moment; the recogniser says what it understood, if anything."""
    driver.audio(160, voiced=False)
    if words is not None:
        driver.give(TurnHypothesis(utterance(driver), words))


def utterance(driver: Driver) -> str:
    """Return the utterance that is being heard."""
    opened = [e for e in driver.effects if isinstance(e, fx.OpenRecognition)]
    return opened[-1].request.utterance_id


def begun(driver: Driver) -> list[fx.StartBrain]:
    """Return what was begun early."""
    return [e for e in driver.effects if isinstance(e, fx.StartBrain) and e.speculative]


def asked(driver: Driver) -> list[fx.StartBrain]:
    """Return what was asked when it was certain."""
    return [e for e in driver.effects if isinstance(e, fx.StartBrain) and not e.speculative]


def fates(driver: Driver) -> list[str]:
    """Return what became of what was begun early."""
    kinds = {fx.CommitBrain: "used", fx.DiscardBrain: "discarded"}
    return [kinds[type(effect)] for effect in driver.effects if type(effect) in kinds]


def test_speculation_same_words_is_used() -> None:
    """The answer that was begun at the pause is that of the turn: nobody is asked again."""
    driver = paused()
    before = len(driver.sent)
    assert [start.request.items[-1].text for start in begun(driver)] == [WORDS]
    driver.audio(480, voiced=False)
    driver.run()
    assert (fates(driver), asked(driver)) == (["used"], [])
    done = driver.last("response.done")["response"]
    assert (done["status"], done["id"]) == ("completed", begun(driver)[0].request.response_id)
    assert "response.created" in driver.types(skip=before)


def test_speculation_before_the_end_of_the_turn_sends_nothing() -> None:
    """Nothing of it reaches the client, and nothing is held of the allowance."""
    driver = paused(words=None)
    before = len(driver.sent)
    driver.give(TurnHypothesis(utterance(driver), WORDS))
    assert begun(driver)
    assert driver.types(skip=before) == []
    reserved = [e for e in driver.effects if isinstance(e, fx.ReserveTokens)]
    assert [each.speculative for each in reserved] == [True]


def test_speculation_other_words_is_discarded() -> None:
    """The transcript decides: what was begun for other words is thrown away, and recorded apart."""
    driver = paused(transcript="tell me a storey")
    driver.audio(480, voiced=False)
    driver.run()
    assert fates(driver) == ["discarded"]
    assert [start.request.items[-1].text for start in asked(driver)] == ["tell me a storey"]
    gone = next(e for e in driver.effects if isinstance(e, fx.DiscardBrain))
    assert gone.recorded_as != gone.response_id
    assert driver.last("response.done")["response"]["status"] == "completed"


def test_speculation_speech_goes_on_is_discarded_at_once() -> None:
    """Who goes on speaking ends it, and within its bound the next pause begins none."""
    driver = paused()
    driver.audio(64, voiced=True)
    assert fates(driver) == ["discarded"]
    driver.audio(320, voiced=True)
    pause(driver, "tell me a story of old")
    assert len(begun(driver)) == 1


def test_speculation_bound_is_that_of_a_turn() -> None:
    """Two are two per turn, and the next turn has its own."""
    driver = paused(most=2)
    for number in range(3):
        driver.audio(320, voiced=True)
        pause(driver, f"tell me a story {number}")
    assert len(begun(driver)) == 2
    driver.audio(480, voiced=False)
    driver.run()
    driver.audio(800, voiced=True)
    pause(driver, WORDS)
    assert len(begun(driver)) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"type": "conversation.item.create", "item": text_item("By the way.")},
        {"type": "session.update", "session": {"type": "realtime", "instructions": "Be rude."}},
        {"type": "session.update", "session": {"type": "realtime", "max_output_tokens": 9}},
    ],
    ids=["an item", "instructions", "a limit"],
)
def test_speculation_changed_conversation_is_discarded(change: dict[str, Any]) -> None:
    """It answers the conversation as it is when the turn ends, or nobody."""
    driver = paused()
    driver.client(change.pop("type"), **change)
    driver.audio(480, voiced=False)
    driver.run()
    assert fates(driver) == ["discarded"]
    assert len(asked(driver)) == 1


@pytest.mark.parametrize("words", ["", "  ", "tell me about the", "what is the weather in"])
def test_speculation_words_that_go_on_begin_nothing(words: str) -> None:
    """Nobody pays for an answer to half a sentence, or to no words at all."""
    assert begun(paused(words=words)) == []


def test_speculation_off_asks_for_no_hypothesis() -> None:
    """Without it a recogniser is asked for no more than before, and a hypothesis begins nothing."""
    driver = paused(most=0)
    opened = next(e for e in driver.effects if isinstance(e, fx.OpenRecognition))
    assert not opened.request.hypotheses
    assert begun(driver) == []


def test_speculation_without_create_response_begins_nothing() -> None:
    """Where nobody answers by itself, nobody thinks either."""
    assert begun(paused(create_response=False)) == []


def test_speculation_while_a_response_runs_begins_nothing() -> None:
    """Only the next response of the conversation is begun early."""
    driver = Driver(brain=lambda _: [], transcript=WORDS, traits=EngineTraits(speculations=1))
    detection = {"type": "server_vad", "interrupt_response": False}
    audio = {"input": {"turn_detection": detection}}
    driver.client("session.update", session={"type": "realtime", "audio": audio})
    driver.client("response.create")
    driver.audio(640, voiced=False)
    driver.audio(800, voiced=True)
    pause(driver, WORDS)
    assert begun(driver) == []


def test_speculation_cleared_audio_is_discarded() -> None:
    """A client that clears the buffer takes the turn back."""
    driver = paused()
    driver.client("input_audio_buffer.clear")
    assert fates(driver) == ["discarded"]


def test_speculation_cancelled_response_is_discarded() -> None:
    """A response that ends before its transcript is there never uses it."""
    driver = Driver(transcript=None, traits=EngineTraits(speculations=1))
    driver.audio(640, voiced=False)
    driver.audio(800, voiced=True)
    pause(driver, WORDS)
    driver.audio(160, voiced=False)
    assert "response.created" in driver.types()
    assert fates(driver) == []
    driver.client("response.cancel")
    assert fates(driver) == ["discarded"]


def test_speculation_end_of_the_session_discards_it() -> None:
    """Nothing is left to run when nobody is there."""
    driver = paused()
    driver.give(Shutdown(EndReason.CLIENT_CLOSED))
    assert fates(driver) == ["discarded"]


def test_speculation_clients_commit_discards_it() -> None:
    """Who ends turns by hand decides by hand whether they are answered."""
    driver = paused()
    driver.client("input_audio_buffer.commit")
    assert fates(driver) == ["discarded"]


def test_speculation_client_that_asks_first_uses_it() -> None:
    """A client's `response.create` that is quicker than admission gets the same answer."""
    driver = paused()
    driver.admit = False
    driver.audio(480, voiced=False)
    automatic = question(driver).question
    driver.client("response.create")
    driver.give(Allowed(question(driver).question))
    driver.run()
    assert fates(driver) == ["used"]
    driver.give(Allowed(automatic))
    assert driver.last("response.done")["response"]["status"] == "completed"


def test_speculation_beside_the_conversation_leaves_it_alone() -> None:
    """An out-of-band response has an id and a request of its own."""
    driver = paused()
    driver.client("response.create", response={"conversation": "none"})
    assert fates(driver) == []
    driver.audio(480, voiced=False)
    driver.run()
    assert fates(driver) == ["used"]


def question(driver: Driver) -> fx.Ask:
    """Return the last question to admission."""
    return [e for e in driver.effects if isinstance(e, fx.Ask)][-1]


def test_speculation_is_put_to_admission_and_refused_in_silence() -> None:
    """Policy decides before anything leaves the house; a no is told only at the turn's end."""
    driver = paused(words=None)
    driver.admit = False
    before = len(driver.sent)
    driver.give(TurnHypothesis(utterance(driver), WORDS))
    assert question(driver).action == "response.automatic"
    assert question(driver).facts["speculative"] is True
    driver.give(Refused(question(driver).question, WireFault("no", code="policy_denied")))
    assert begun(driver) == []
    assert driver.types(skip=before) == []


def test_speculation_late_permission_begins_nothing() -> None:
    """When admission answers after speech went on, there is nothing to think of."""
    driver = paused(words=None)
    driver.admit = False
    driver.give(TurnHypothesis(utterance(driver), WORDS))
    driver.audio(64, voiced=True)
    driver.give(Allowed(question(driver).question))
    assert begun(driver) == []


def test_speculation_without_room_begins_nothing() -> None:
    """Who has used its allowance up costs nobody anything."""
    driver = paused(words=None)
    driver.refusal = WireFault("full", code="rate_limit_exceeded")
    driver.give(TurnHypothesis(utterance(driver), WORDS))
    assert begun(driver) == []


def test_speculation_stale_room_is_ignored() -> None:
    """An answer of the allowance that nothing waits for changes nothing."""
    driver = Driver(traits=EngineTraits(speculations=1))
    driver.give(SpeculationRoom("resp_none", room=True))
    assert begun(driver) == []


def test_speculation_leaves_truncation_as_it_was() -> None:
    """What would be left out for an answer that nobody wants is not left out for good."""
    driver = Driver(transcript=WORDS, traits=EngineTraits(speculations=1))
    driver.client("conversation.item.create", item=text_item("a " * 80_000))
    driver.client("conversation.item.create", item=text_item("short"))
    driver.audio(640, voiced=False)
    driver.audio(800, voiced=True)
    pause(driver, WORDS)
    assert len(begun(driver)[0].request.items) == 2
    assert not any(entry.left_out for entry in driver.machine.conversation.entries())


def test_speculation_id_of_a_response_that_failed_is_not_used_again() -> None:
    """A client's response that is refused takes the prepared id with it."""
    driver = paused()
    driver.client("response.create", response={"tool_choice": {"type": "function", "name": "no"}})
    driver.audio(480, voiced=False)
    driver.run()
    created = [e["response"]["id"] for e in driver.sent if e["type"] == "response.created"]
    assert len(created) == 2
    assert len(set(created)) == 2
    assert fates(driver) == ["discarded"]
