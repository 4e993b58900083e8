"""`semantic_vad`: the wait at a pause depends on what was said (CONTRACT 5, 8.7)."""

from __future__ import annotations

import pytest

from realtime.engine import TurnHypothesis
from realtime.session import effects as fx
from realtime.turns.completeness import WAITS, Completeness, completeness
from tests.realtime.driver import Driver

LONGEST_MS = {"low": 8_000, "medium": 4_000, "auto": 4_000, "high": 2_000}
STEP_MS = 32


def listening(eagerness: str = "auto") -> Driver:
    """Return a session under `semantic_vad` in which somebody began to speak."""
    driver = Driver(transcript="what time is it")
    detection = {"type": "semantic_vad", "eagerness": eagerness}
    audio = {"input": {"turn_detection": detection}}
    driver.client("session.update", session={"type": "realtime", "audio": audio})
    driver.audio(640, voiced=False)
    driver.audio(800, voiced=True)
    return driver


def pause(driver: Driver, ms: int, text: str | None = None, *, whole: bool | None = None) -> int:
    """Be silent, having understood `text`; return the ms until the turn ended, -1 for never."""
    before = len(prepared(driver))
    asked = False
    for passed in range(STEP_MS, ms + 1, STEP_MS):
        driver.audio(STEP_MS, voiced=False)
        pauses = prepared(driver)
        if len(pauses) > before and not asked and text is not None:
            asked = True
            driver.give(TurnHypothesis(pauses[-1], text, whole))
        if stopped(driver):
            return passed
    return -1


def prepared(driver: Driver) -> list[str]:
    """Return the utterances whose hypothesis was asked for, pause by pause."""
    return [e.utterance_id for e in driver.effects if isinstance(e, fx.PrepareRecognition)]


def stopped(driver: Driver) -> bool:
    """Say whether the turn ended."""
    return "input_audio_buffer.speech_stopped" in driver.types()


@pytest.mark.parametrize("eagerness", list(LONGEST_MS))
def test_turn_complete_command_ends_within_300_ms(eagerness: str) -> None:
    """A complete command ends its turn within 300 ms, whatever the eagerness."""
    driver = listening(eagerness)
    assert 0 < pause(driver, 1_000, "what time is it", whole=True) <= 300


@pytest.mark.parametrize("eagerness", ["low", "medium", "high"])
def test_turn_unfinished_phrase_survives_700_ms(eagerness: str) -> None:
    """A pause of 700 ms after an unfinished phrase stays one turn, one item."""
    driver = listening(eagerness)
    assert pause(driver, 704, "set a timer for") == -1
    driver.audio(800, voiced=True)
    assert pause(driver, 1_000, "set a timer for ten minutes", whole=True) > 0
    assert driver.types().count("input_audio_buffer.committed") == 1
    assert driver.types().count("response.created") == 1


@pytest.mark.parametrize("eagerness", list(LONGEST_MS))
def test_turn_unfinished_for_good_ends_at_the_longest_wait(eagerness: str) -> None:
    """Each eagerness has its longest wait: low 8 s, medium and auto 4 s, high 2 s."""
    driver = listening(eagerness)
    longest = LONGEST_MS[eagerness]
    ended = pause(driver, longest + 500, "tell me about the")
    assert longest <= ended <= longest + 2 * STEP_MS


def test_turn_without_a_hypothesis_ends_by_silence() -> None:
    """Where no recogniser can judge the words, the turn ends after the wait for open phrases."""
    driver = listening()
    ended = pause(driver, 2_000)
    assert WAITS["auto"].open_ms <= ended <= WAITS["auto"].open_ms + 2 * STEP_MS


def test_turn_late_hypothesis_ends_it_at_once() -> None:
    """A judgement that comes when the silence is long enough already needs no more audio."""
    driver = listening()
    driver.audio(320, voiced=False)
    driver.give(TurnHypothesis(prepared(driver)[0], "stop", True))
    assert stopped(driver)
    assert driver.types().count("response.created") == 1


def test_hypothesis_after_speech_went_on_is_void() -> None:
    """A judgement of a pause that is over changes nothing."""
    driver = listening()
    driver.audio(160, voiced=False)
    driver.audio(320, voiced=True)
    driver.give(TurnHypothesis(prepared(driver)[0], "set a timer", True))
    assert not stopped(driver)
    assert pause(driver, 480) == -1


def test_hypothesis_is_asked_for_only_by_meaning() -> None:
    """Only `semantic_vad` asks the recogniser for hypotheses."""
    by_meaning = listening()
    by_silence = Driver()
    by_silence.utterance()
    for driver, asked in ((by_meaning, True), (by_silence, False)):
        opened = next(e for e in driver.effects if isinstance(e, fx.OpenRecognition))
        assert opened.request.hypotheses is asked


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("what time is it", "en-US", Completeness.OPEN),
        ("set a timer for", "en-US", Completeness.UNFINISHED),
        ("I would like to book a table and", "en", Completeness.UNFINISHED),
        ("um", "en-GB", Completeness.UNFINISHED),
        ("can you", "en-US", Completeness.UNFINISHED),
        ("who are you", "en-US", Completeness.OPEN),
        ("thank you", "en-US", Completeness.OPEN),
        ("what is this for", "en-US", Completeness.DANGLING),
        ("you forgot the salad I asked for", "en-US", Completeness.DANGLING),
        ("turn the lights off", "en-US", Completeness.OPEN),
        ("turn the lights on", "en-US", Completeness.DANGLING),
        ("tell me where it is", "en-US", Completeness.DANGLING),
        ("turn off the lights in the hell a", "en-US", Completeness.DANGLING),
        ("my order number is", "en-US", Completeness.UNFINISHED),
        ("what is the weather in", "en-US", Completeness.DANGLING),
        ("yes I think so", "en-US", Completeness.OPEN),
        ("so", "en-US", Completeness.UNFINISHED),
        ("Stelle einen Wecker auf", "de-DE", Completeness.UNFINISHED),
        ("Wie spät ist es", "de-DE", Completeness.OPEN),
        ("quelle heure est-il", "fr-FR", Completeness.OPEN),
        ("quiero un café con", "es-ES", Completeness.UNFINISHED),
        ("kello on", "fi-FI", Completeness.OPEN),
        ("", "en-US", Completeness.OPEN),
    ],
)
def test_completeness_by_the_last_word(text: str, language: str, expected: Completeness) -> None:
    """A phrase whose last word asks for another is unfinished; unknown languages tell nothing."""
    assert completeness(text, whole=None, language=language) is expected


def test_completeness_knowledge_of_the_recogniser_comes_first() -> None:
    """What the recogniser knows of its phrases outweighs the last word."""
    assert completeness("what is this for", whole=True, language="en") is Completeness.WHOLE
    assert completeness("set a timer", whole=False, language="en") is Completeness.UNFINISHED


@pytest.mark.parametrize("eagerness", ["low", "medium", "high"])
def test_turn_that_seldom_ends_so_survives_700_ms_but_not_the_longest_wait(eagerness: str) -> None:
    """A sentence that ends in a preposition is waited for longer than others, not for ever."""
    driver = listening(eagerness)
    assert 704 < pause(driver, 9_000, "what is the weather in") < LONGEST_MS[eagerness]


def test_turn_phrase_that_may_go_on_ends_within_300_ms() -> None:
    """A complete command ends in time also where the recogniser knows longer ones."""
    driver = listening()
    driver.audio(96, voiced=False)
    driver.give(TurnHypothesis(prepared(driver)[0], "what time is it", extendable=True))
    assert not stopped(driver)
    driver.audio(192, voiced=False)
    assert stopped(driver)
