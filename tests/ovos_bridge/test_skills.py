"""The brain against real hub, core and skills."""

from __future__ import annotations

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from conformance.contracts.brain import Answer, asked, check_brain, opened
from ovos_bridge.brain import SkillsBrain, SkillsSession
from ovos_bridge.grammar import COMMON
from ovos_bridge.messages import BusMessage
from realtime.engine import BrainFailed, BrainFinished, BrainText, SessionFacts, Volunteered
from tests.ovos_bridge.conftest import running, wait_ready
from tests.ovos_bridge.processes import OvosProcesses

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

RECOVERY_S = 60.0
"""Longer than this is stuck: a loaded machine takes about 20 s to load skills again."""


async def said(session: SkillsSession, question: str, response_id: str = "resp_1") -> str:
    """Ask and return the whole answer."""
    answer = Answer(session, asked(question, response_id=response_id))
    reports = await answer.whole()
    assert isinstance(reports[-1], BrainFinished), reports
    return answer.text


async def until_text(answer: Answer) -> None:
    """Wait until something was said."""
    async with asyncio.timeout(30):
        while not answer.text:
            await asyncio.sleep(0.01)


async def test_brain_of_skills_keeps_the_contract(skills: SkillsBrain) -> None:
    """Skills obey the contract of a brain."""
    await check_brain(skills, "what time is it")


async def test_time_asked_twice_is_the_caller_s_own(skills: SkillsBrain) -> None:
    """The time is told in the session's time zone, or else the configured one."""
    spoken = {}
    for name, zone in (("a", None), ("b", "America/New_York"), ("c", "Pacific/Auckland")):
        session = skills.open(SessionFacts(session_id=name, timezone=zone))
        spoken[name] = await said(session, "what day is it")
        session.close()
        day = datetime.now(ZoneInfo(zone or "Asia/Tokyo"))
        assert str(day.day) in spoken[name] or day.strftime("%A").lower() in spoken[name].lower()


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("spell banana", "B; A; N; A; N; A"),
        ("hello world", "ello"),
        ("flip a coin", ""),
        ("who are you", "I"),
        ("frobnicate the gibberish", ""),
    ],
)
async def test_offline_skill_answers(skills: SkillsBrain, question: str, expected: str) -> None:
    """Skills answer without any network, and what none knows is owned up to."""
    session = skills.open(SessionFacts(session_id="offline"))
    answer = await said(session, question)
    assert answer
    assert expected in answer
    session.close()


@pytest.mark.parametrize("question", COMMON)
async def test_common_wording_is_answered_by_a_skill(skills: SkillsBrain, question: str) -> None:
    """What the grammar adds to the skills' own phrases is understood by a skill."""
    reply = await skills.bus.request(
        "intent.service.intent.get",
        "intent.service.intent.reply",
        timeout_s=5.0,
        data={"utterance": question, "lang": "en-US"},
    )
    assert "date-time" in reply.data["intent"]["skill_id"]


async def test_several_speaks_make_one_answer(skills: SkillsBrain) -> None:
    """Everything a skill says belongs to the answer, in order, and none blocks the skill."""
    session = skills.open(SessionFacts(session_id="several"))
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await said(session, "tell me several things") == "first second third"
    assert loop.time() - began < 10  # not when the answer would have timed out
    session.close()


async def test_first_words_of_an_answer_do_not_wait_for_the_last(skills: SkillsBrain) -> None:
    """Each `speak` is passed on as it comes; the end comes after the latest."""
    session = skills.open(SessionFacts(session_id="streams"))
    answer = Answer(session, asked("take your time"))
    answer.run.commit()
    await until_text(answer)
    assert answer.text == "working on it"
    assert not answer.ended.is_set()
    await asyncio.wait_for(answer.ended.wait(), 30)
    assert answer.text == "working on it slow work is done"
    session.close()


async def test_what_a_skill_says_unasked_is_volunteered(skills: SkillsBrain) -> None:
    """A timer that rings speaks in the session that set it, also between and after turns."""
    rung: list[Volunteered] = []
    other: list[Volunteered] = []
    session = skills.open(SessionFacts(session_id="rings"), volunteer=rung.append)
    bystander = skills.open(SessionFacts(session_id="hears nothing"), volunteer=other.append)
    assert await said(bystander, "flip a coin")
    assert await said(session, "ring me soon") == "I will ring"
    assert await said(session, "flip a coin", "resp_2")
    async with asyncio.timeout(30):
        while len(rung) < 2:
            await asyncio.sleep(0.02)
    assert [each.text for each in rung] == ["ring ring", "that was all"]
    assert rung[0].language == "en-US"
    assert other == []
    assert await said(session, "flip a coin", "resp_3")
    session.close()
    bystander.close()


async def test_timer_rings_in_the_session_that_set_it(skills: SkillsBrain) -> None:
    """The alerts skill speaks when the time has come, to whoever set the timer."""
    rung: list[Volunteered] = []
    other: list[Volunteered] = []
    session = skills.open(SessionFacts(session_id="timer"), volunteer=rung.append)
    bystander = skills.open(SessionFacts(session_id="no timer"), volunteer=other.append)
    assert await said(bystander, "flip a coin")
    assert "starting now" in await said(session, "set a timer for two seconds")
    async with asyncio.timeout(30):
        while not rung:
            await asyncio.sleep(0.02)
    assert "timer is up" in rung[0].text
    assert other == []
    session.close()
    bystander.close()


async def test_question_of_a_skill_takes_the_reply(skills: SkillsBrain) -> None:
    """A question ends the answer, and the next words are its reply."""
    session = skills.open(SessionFacts(session_id="asks"))
    assert "color" in await said(session, "ask me something", "resp_1")
    session.playback(playing=True)
    session.playback(playing=False)
    assert await said(session, "blue", "resp_2") == "You said blue"
    assert "color" not in await said(session, "flip a coin", "resp_3")
    session.close()


async def test_question_shown_as_text_takes_the_reply(skills: SkillsBrain) -> None:
    """A question that nobody hears is not waited for."""
    session = skills.open(SessionFacts(session_id="asks_in_writing"))
    first = Answer(session, asked("ask me something", spoken=False))
    await first.whole()
    second = Answer(session, asked("green", response_id="resp_2", spoken=False))
    await second.whole()
    assert second.text == "You said green"
    session.close()


async def test_failing_skill_still_ends_the_answer(skills: SkillsBrain) -> None:
    """A skill that raises says so and the answer ends."""
    session = skills.open(SessionFacts(session_id="fails"))
    assert "error" in (await said(session, "break something")).lower()
    session.close()


async def test_silent_skill_ends_without_words(skills: SkillsBrain) -> None:
    """A skill may handle an utterance and say nothing."""
    session = skills.open(SessionFacts(session_id="silent"))
    assert await said(session, "say nothing at all") == ""
    session.close()


async def test_barge_in_keeps_late_words_out_of_the_next_answer(skills: SkillsBrain) -> None:
    """What a cancelled answer still says is not heard in the next one."""
    session = skills.open(SessionFacts(session_id="barges"))
    slow = Answer(session, asked("take your time"))
    slow.run.commit()
    await until_text(slow)
    slow.run.cancel()
    assert "slow" not in await said(session, "tell me several things", "resp_2")
    await asyncio.sleep(3)
    assert slow.text == "working on it"
    session.close()


async def test_ten_callers_at_once_stay_separate(skills: SkillsBrain) -> None:
    """Ten callers in the same skill's question each get their own reply."""
    colors = [f"color number {name}" for name in ["one", "two", "three", "four", "five", "six"]]
    colors += ["red", "green", "blue", "black"]

    async def caller(place: int, color: str) -> str:
        session = skills.open(SessionFacts(session_id=f"caller{place}"))
        await said(session, "ask me something", "resp_1")
        session.playback(playing=True)
        session.playback(playing=False)
        heard = await said(session, color, "resp_2")
        session.close()
        return heard

    heard = await asyncio.gather(*(caller(place, color) for place, color in enumerate(colors)))
    assert heard == [f"You said {color}" for color in colors]


async def test_stop_of_one_caller_spares_the_others(skills: SkillsBrain) -> None:
    """A caller who says stop stops nobody else's skill."""
    stops: list[BusMessage] = []
    skills.bus.watch("mycroft.stop", stops.append)
    busy = skills.open(SessionFacts(session_id="busy"))
    answer = Answer(busy, asked("take your time"))
    answer.run.commit()
    await until_text(answer)
    stopper = skills.open(SessionFacts(session_id="stopper"))
    assert await said(stopper, "stop") == ""
    await asyncio.wait_for(answer.ended.wait(), 30)
    assert answer.text == "working on it slow work is done"
    assert stops == []
    busy.close()
    stopper.close()


async def test_no_way_out_of_the_machine(skills: SkillsBrain) -> None:
    """No skill opens a connection, sends a datagram, looks up a name or starts a child."""
    session = skills.open(SessionFacts(session_id="leaves"))
    told = await said(session, "call home")
    assert told == ", ".join(
        f"{way} NetworkDenied" for way in ("connection", "datagram", "name", "child")
    )
    session.close()


async def test_place_name_is_answered_without_a_geocoder(
    skills: SkillsBrain, ovos: OvosProcesses
) -> None:
    """The date-time skill's geocoder is denied, and it answers from its own tables."""
    session = skills.open(SessionFacts(session_id="tokyo"))
    assert await said(session, "what time is it in tokyo")
    log = (ovos.state_dir / "state" / "core.log").read_text()
    assert "denied socket.getaddrinfo" in log
    session.close()


async def test_sum_is_not_taken_for_a_place(skills: SkillsBrain) -> None:
    """A slot between strange words is not filled: two plus two is no town."""
    reply = await skills.bus.request(
        "intent.service.intent.get",
        "intent.service.intent.reply",
        timeout_s=5.0,
        data={"utterance": "what is two plus two", "lang": "en-US"},
    )
    assert "date-time" not in str(reply.data["intent"]["skill_id"])


async def test_phrases_come_from_the_loaded_skills(skills: SkillsBrain) -> None:
    """The grammar holds what people ask, in plain words, within its bound."""
    phrases = await skills.phrases()
    wanted = {"what time is it", "what is the date today", "spell banana", "flip a coin"}
    assert wanted | {"count to five", "hello world", "call home"} <= set(phrases)
    assert len(phrases) <= 5_000
    assert len(await skills.phrases(50)) == 50


async def test_probe_names_the_loaded_skills(skills: SkillsBrain) -> None:
    """The probe asks a real question and tells which skills there are."""
    facts = await skills.probe()
    assert {"ovos-skill-date-time.openvoiceos", "voiceengine-test-skill.test"} <= set(
        facts["skills"]
    )


@pytest.mark.parametrize("victim", ["core", "hub"])
async def test_killed_part_fails_the_answer_and_the_next_one_works(
    ovos: OvosProcesses, victim: str
) -> None:
    """kill -9 in the middle of an answer fails it at once; after a restart skills answer."""
    loop = asyncio.get_running_loop()
    async with running(SkillsBrain(ovos.url)) as brain:
        await wait_ready(brain)
        session = opened(brain)
        answer = Answer(session, asked("take your time"))
        answer.run.commit()
        await until_text(answer)
        began = loop.time()
        await asyncio.to_thread(ovos.kill, victim)
        await asyncio.wait_for(answer.ended.wait(), 30)
        end = answer.reports[-1]
        assert isinstance(end, BrainFailed)
        assert end.fault.code == "skills_unavailable"
        assert loop.time() - began < 10  # not when its answer would have timed out
        ovos.start(victim)
        refused = Answer(session, asked("flip a coin", response_id="resp_2"))
        assert isinstance((await refused.whole())[-1], BrainFailed)
        await wait_ready(brain, RECOVERY_S)
        again = Answer(session, asked("flip a coin", response_id="resp_3"))
        reports = await again.whole()
        assert [type(report) for report in reports] == [BrainText, BrainFinished]
        assert loop.time() - began < RECOVERY_S
        session.close()
