"""An OVOS that runs already, reached by nothing but its address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from conformance.contracts.brain import Answer, asked, opened
from ovos_bridge.brain import SkillsBrain, SkillsSession
from realtime.engine import BrainFailed, BrainFinished, SessionFacts, Volunteered
from tests.ovos_bridge.conftest import running, wait_ready
from tests.ovos_bridge.stock import StockOvos

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

READY_TIMEOUT_S = 90.0
"""Nobody answers a stock core's questions after its surroundings, and it waits for each."""

DEATH_TIMEOUT_S = 10.0


@pytest.fixture(scope="module")
def stock(skills_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockOvos]:
    """The hub and core as OVOS starts them."""
    ovos = StockOvos(tmp_path_factory.mktemp("stock"), skills_python)
    ovos.start("messagebus")
    ovos.start("core")
    yield ovos
    ovos.stop()


@pytest.fixture
async def brain(stock: StockOvos) -> AsyncIterator[SkillsBrain]:
    """A brain at that address."""
    async with running(SkillsBrain(stock.url, max_turns=4)) as ready:
        await wait_ready(ready, READY_TIMEOUT_S)
        yield ready


async def said(session: SkillsSession, question: str, language: str | None = None) -> str:
    """Ask, in a language if it is not the session's, and return the answer."""
    answer = Answer(session, asked(question, language=language))
    reports = await answer.whole()
    assert isinstance(reports[-1], BrainFinished), reports
    return answer.text


async def test_stock_ovos_answers_by_its_address(brain: SkillsBrain) -> None:
    """Several answers, a question with its reply and an event work as with our own core."""
    rung: list[Volunteered] = []
    session = brain.open(SessionFacts(session_id="s"), volunteer=rung.append)
    assert await said(session, "tell me several things") == "first second third"
    assert "color" in await said(session, "ask me something")
    session.playback(playing=True)
    session.playback(playing=False)
    assert await said(session, "blue") == "You said blue"
    assert await said(session, "ring me soon") == "I will ring"
    async with asyncio.timeout(30):
        while len(rung) < 2:
            await asyncio.sleep(0.05)
    assert [each.text for each in rung] == ["ring ring", "that was all"]
    session.close()


async def test_language_of_session_and_of_turn_is_answered(brain: SkillsBrain) -> None:
    """A German question gets a German answer; a client may change language in a session."""
    german = brain.open(SessionFacts(session_id="de", language="de"))
    assert await said(german, "begrüße mich freundlich") == "guten Tag auch"
    german.close()
    english = brain.open(SessionFacts(session_id="en"))
    assert await said(english, "greet me kindly") == "good day to you"
    assert await said(english, "begrüße mich freundlich", "de") == "guten Tag auch"
    assert await said(english, "greet me kindly") == "good day to you"
    english.close()


async def test_blocked_skill_is_out_of_a_session_s_reach(brain: SkillsBrain) -> None:
    """The same words reach the skill in one session and not in the other."""
    skill = "voiceengine-test-skill.test"
    free = brain.open(SessionFacts(session_id="free"))
    blocked = brain.open(SessionFacts(session_id="blocked", blocked_skills=(skill,)))
    for _ in range(2):
        assert await said(free, "greet me kindly") == "good day to you"
        assert "good day" not in await said(blocked, "greet me kindly")
    free.close()
    blocked.close()


async def test_phrases_of_keyword_intents_are_told_by_a_stock_core(brain: SkillsBrain) -> None:
    """The recogniser learns what the bus tells, in its own language, and nothing made up."""
    phrases = set(await brain.phrases())
    assert {"greet me kindly", "tell me several things", "take your time"} <= phrases
    assert "what time is it in tokyo" not in phrases
    assert not any("mich" in phrase for phrase in phrases)


async def test_many_callers_do_not_freeze_a_stock_core(brain: SkillsBrain) -> None:
    """At most so many questions are inside at once; the others wait, and all are answered."""
    sessions = [opened(brain, f"caller{place}") for place in range(8)]
    answers = [Answer(session, asked("take your time")) for session in sessions]
    for answer in answers:
        answer.run.commit()
    inside = 0
    async with asyncio.timeout(60):
        while not all(answer.ended.is_set() for answer in answers):
            inside = max(inside, sum(bool(a.text) and not a.ended.is_set() for a in answers))
            await asyncio.sleep(0.05)
    assert [a.text for a in answers] == ["working on it slow work is done"] * 8
    assert inside <= 4


@pytest.mark.parametrize("victim", ["core", "messagebus"])
async def test_death_of_a_stock_part_is_noticed_and_outlived(
    stock: StockOvos, brain: SkillsBrain, victim: str
) -> None:
    """Nobody tells that core is gone: it is asked. What was open fails, what comes later works."""
    session = opened(brain)
    answer = Answer(session, asked("take your time"))
    answer.run.commit()
    async with asyncio.timeout(30):
        while not answer.text:
            await asyncio.sleep(0.01)
    await asyncio.to_thread(stock.kill, victim)
    await asyncio.wait_for(answer.ended.wait(), DEATH_TIMEOUT_S)
    end = answer.reports[-1]
    assert isinstance(end, BrainFailed)
    assert end.fault.code == "skills_unavailable"
    stock.start(victim)
    await wait_ready(brain, READY_TIMEOUT_S)
    again = Answer(session, asked("greet me kindly", response_id="resp_2"))
    assert isinstance((await again.whole())[-1], BrainFinished)
    assert again.text == "good day to you"
    session.close()
