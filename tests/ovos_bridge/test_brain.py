"""The brain against recorded orders of core's messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from conformance.contracts.brain import Answer, asked, check_brain, opened
from ovos_bridge import readiness, wording
from ovos_bridge.brain import SkillsBrain
from ovos_bridge.runs import Patience
from realtime.engine import BrainFailed, BrainFinished, BrainText, Volunteered
from tests.ovos_bridge.conftest import running, wait_ready
from tests.ovos_bridge.fake_hub import HANDLED, SKILL, UTTERANCE, FakeHub, fake_hub, speak

pytestmark = pytest.mark.timeout(60)

SHORT = Patience(answer_s=0.4, settle_s=0.1)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readiness takes its waits for skills that never answer from constants."""
    monkeypatch.setattr(readiness, "PONG_WAIT_S", 0.02)
    monkeypatch.setattr(readiness, "SETTLE_S", 0.02)
    monkeypatch.setattr(readiness, "POLL_S", 0.02)
    monkeypatch.setattr(readiness, "REPLY_TIMEOUT_S", 0.2)


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    """A hub with a scripted core."""
    async with fake_hub() as running_hub:
        yield running_hub


@pytest.fixture
async def brain(hub: FakeHub) -> AsyncIterator[SkillsBrain]:
    """A brain that is ready."""
    async with running(SkillsBrain(hub.url, patience=SHORT)) as ready_brain:
        await wait_ready(ready_brain)
        yield ready_brain


async def reports_of(brain: SkillsBrain, words: str) -> list[str]:
    """Ask in a new session; return the texts and the end's name."""
    session = opened(brain)
    reports = await Answer(session, asked(words)).whole()
    session.close()
    return [r.text if isinstance(r, BrainText) else type(r).__name__ for r in reports]


async def test_fake_core_keeps_the_contract(brain: SkillsBrain) -> None:
    """The brain obeys its contract whatever core is behind the bus."""
    await check_brain(brain, "match")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("match", ["It is noon."]),
        ("several", ["one", " two", " three"]),
        ("fallback", ["I do not know."]),
        ("nothing", [wording.NOT_UNDERSTOOD]),
        ("error", ["An error occurred."]),
        ("silent", []),
        ("cancelled", []),
        ("ask", ["Which one?"]),
        ("stop the music", []),
    ],
)
async def test_recorded_order_makes_the_answer(
    brain: SkillsBrain, words: str, expected: list[str]
) -> None:
    """Each order of messages that core is known for ends the answer with its words."""
    assert await reports_of(brain, words) == [*expected, "BrainFinished"]


class TestConversation:
    """What is remembered between turns."""

    async def test_reply_carries_the_session_of_the_question(
        self, brain: SkillsBrain, hub: FakeHub
    ) -> None:
        """The words after a question go out with the waiting skill still in the session."""
        session = opened(brain)
        await Answer(session, asked("ask")).whole()
        reply = Answer(session, asked("this one"))
        await reply.whole()
        assert reply.text == "That one, then."
        assert hub.utterances()[-1]["context"]["session"]["active_skills"] == [[SKILL, 1.0]]
        await Answer(session, asked("match")).whole()
        assert not hub.utterances()[-1]["context"]["session"]["utterance_states"]

    async def test_silent_skills_do_not_stay_active(self, brain: SkillsBrain, hub: FakeHub) -> None:
        """Skills that never converse are not asked again, and "stop" reaches nobody else."""
        session = opened(brain)
        for _ in range(2):
            await Answer(session, asked("match")).whole()
        sent = hub.utterances()[-1]["context"]["session"]
        assert sent["active_skills"] == []
        assert sent["pipeline"] == ["converse", "padatious_high", "fallback_low"]

    async def test_conversing_skill_stays_active(self, brain: SkillsBrain, hub: FakeHub) -> None:
        """A skill that has answered a converse ping is asked again."""
        hub.emit("skill.converse.pong", {"skill_id": SKILL, "can_handle": False}, {})
        session = opened(brain)
        for _ in range(2):
            await Answer(session, asked("match")).whole()
        sent = hub.utterances()[-1]["context"]["session"]
        assert sent["active_skills"] == [[SKILL, 1.0]]
        assert "stop_high" in sent["pipeline"]

    async def test_aside_uses_a_session_of_its_own(self, brain: SkillsBrain, hub: FakeHub) -> None:
        """An out-of-band response neither sees nor changes the caller's session."""
        session = opened(brain)
        await Answer(session, asked("ask")).whole()
        await Answer(session, asked("match", in_conversation=False)).whole()
        caller, aside = (m["context"]["session"]["session_id"] for m in hub.utterances())
        assert caller != aside
        reply = Answer(session, asked("this one"))
        await reply.whole()
        assert reply.text == "That one, then."

    async def test_stop_without_anything_to_stop_stays_here(
        self, brain: SkillsBrain, hub: FakeHub
    ) -> None:
        """A bare "stop" is silence; core would stop every caller's skills."""
        assert await reports_of(brain, "Stop!") == ["BrainFinished"]
        assert hub.utterances() == []


class TestUnasked:
    """What skills say when nobody asked."""

    async def test_words_after_the_answer_are_volunteered(
        self, brain: SkillsBrain, hub: FakeHub
    ) -> None:
        """A `speak` of a turn that is over is no part of any answer and is confirmed as heard."""
        unasked: list[Volunteered] = []
        session = opened(brain, volunteer=unasked.append)
        await Answer(session, asked("match")).whole()
        context = hub.utterances()[-1]["context"]
        hub.received.clear()
        hub.emit("speak", {"utterance": " Ring! ", "lang": "de-DE"}, context)
        await hub.wait_for("recognizer_loop:audio_output_end")
        assert unasked == [Volunteered("Ring!", "de-DE")]
        session.close()
        hub.emit("speak", {"utterance": "Too late."}, context)
        await asyncio.sleep(0.1)
        assert len(unasked) == 1

    async def test_words_of_a_skill_that_lost_the_session_find_their_caller(
        self, brain: SkillsBrain, hub: FakeHub
    ) -> None:
        """A timer that rings in core's own session is told to whoever set it, and to nobody else."""
        unasked: list[Volunteered] = []
        others: list[Volunteered] = []
        bystander = opened(brain, "other", volunteer=others.append)
        session = opened(brain, volunteer=unasked.append)
        await Answer(bystander, asked("match")).whole()
        await Answer(session, asked("match")).whole()
        context = dict(hub.utterances()[-1]["context"]) | {"session": {"session_id": "default"}}
        hub.emit("speak", {"utterance": "Ring!"}, context)
        hub.emit("speak", {"utterance": "No one's."}, {"session": {"session_id": "default"}})
        await Answer(session, asked("match", response_id="resp_2")).whole()
        assert unasked == [Volunteered("Ring!")]
        assert others == []
        assert hub.utterances()[-1]["context"]["session"]["session_id"] != "default"

    async def test_words_during_another_turn_are_volunteered(
        self, brain: SkillsBrain, hub: FakeHub
    ) -> None:
        """A timer of an earlier turn that rings inside an answer is not mixed into it."""
        unasked: list[Volunteered] = []
        session = opened(brain, volunteer=unasked.append)
        await Answer(session, asked("match")).whole()
        earlier = hub.utterances()[-1]["context"]
        hub.orders["waits"] = (speak("one"),)
        answer = Answer(session, asked("waits", response_id="resp_2"))
        answer.run.commit()
        await hub.wait_for(UTTERANCE, 3)
        hub.emit("speak", {"utterance": "Ring!"}, earlier)
        hub.emit(*HANDLED, hub.utterances()[-1]["context"])
        await asyncio.wait_for(answer.ended.wait(), 30)
        assert answer.text == "one"
        assert unasked == [Volunteered("Ring!")]

    async def test_rest_of_an_answer_that_was_cut_off_is_not_volunteered(
        self, brain: SkillsBrain, hub: FakeHub
    ) -> None:
        """After barge-in the turn's late words are void until core has ended it; then no more."""
        unasked: list[Volunteered] = []
        session = opened(brain, volunteer=unasked.append)
        hub.orders["waits"] = (speak("one"),)
        answer = Answer(session, asked("waits"))
        answer.run.commit()
        async with asyncio.timeout(30):
            while not answer.text:
                await asyncio.sleep(0.005)
        cut = hub.utterances()[-1]["context"]
        answer.run.cancel()
        hub.emit("speak", {"utterance": "two"}, cut)
        await Answer(session, asked("match", response_id="resp_2")).whole()
        hub.emit("speak", {"utterance": "three"}, cut)
        hub.emit(*HANDLED, cut)
        hub.emit("speak", {"utterance": "Ring!"}, cut)
        async with asyncio.timeout(30):
            while not unasked:
                await asyncio.sleep(0.005)
        assert unasked == [Volunteered("Ring!")]

    async def test_words_after_the_patience_is_over_are_volunteered(
        self, brain: SkillsBrain, hub: FakeHub
    ) -> None:
        """An answer that pauses too long ends with what was said; the rest comes by itself."""
        unasked: list[Volunteered] = []
        session = opened(brain, volunteer=unasked.append)
        hub.orders["waits"] = (speak("one"),)
        reports = await Answer(session, asked("waits")).whole()
        assert isinstance(reports[-1], BrainFinished)
        hub.emit("speak", {"utterance": "two"}, hub.utterances()[-1]["context"])
        async with asyncio.timeout(30):
            while not unasked:
                await asyncio.sleep(0.005)
        assert unasked == [Volunteered("two")]


class TestPlayback:
    """Skills wait until what they said was heard."""

    async def test_speech_is_confirmed_at_once(self, brain: SkillsBrain, hub: FakeHub) -> None:
        """A skill that waits for the end of its speech is not kept waiting."""
        hub.orders["waits"] = (speak("patience"),)
        session = opened(brain)
        answer = Answer(session, asked("waits"))
        answer.run.commit()
        await hub.wait_for("recognizer_loop:audio_output_end")
        ended = hub.of_type("recognizer_loop:audio_output_end")[0]
        sent = hub.utterances()[0]["context"]["session"]["session_id"]
        assert ended["context"]["session"]["session_id"] == sent

    async def test_question_is_confirmed_when_heard(self, brain: SkillsBrain, hub: FakeHub) -> None:
        """The time to reply runs from the end of the question's playback."""
        session = opened(brain)
        await Answer(session, asked("ask")).whole()
        session.playback(playing=True)
        await hub.wait_for("recognizer_loop:audio_output_start")
        assert hub.of_type("recognizer_loop:audio_output_end") == []
        session.playback(playing=False)
        await hub.wait_for("recognizer_loop:audio_output_end")

    async def test_cancelled_answer_is_confirmed(self, brain: SkillsBrain, hub: FakeHub) -> None:
        """A barge-in releases the skill that is still speaking."""
        hub.orders["waits"] = (speak("patience"),)
        session = opened(brain)
        answer = Answer(session, asked("waits"))
        answer.run.commit()
        async with asyncio.timeout(30):
            while not answer.reports:
                await asyncio.sleep(0.005)
        answer.run.cancel()
        await hub.wait_for("recognizer_loop:audio_output_end")


class TestFaults:
    """Core, bus and skills that let us down."""

    async def test_core_that_never_answers_fails_in_time(
        self, brain: SkillsBrain, hub: FakeHub
    ) -> None:
        """Without any message for the given time the answer fails."""
        hub.orders["hang"] = ()
        session = opened(brain)
        end = (await Answer(session, asked("hang")).whole())[-1]
        assert isinstance(end, BrainFailed)
        assert end.fault.code == "skills_timeout"

    async def test_core_that_falls_silent_midway_ends_the_answer(
        self, brain: SkillsBrain, hub: FakeHub
    ) -> None:
        """What was said before core fell silent stands as the answer."""
        hub.orders["half"] = (speak("half an answer"),)
        assert await reports_of(brain, "half") == ["half an answer", "BrainFinished"]

    async def test_lost_bus_fails_the_answer_at_once(self) -> None:
        """A bus that goes away fails every answer, and the same session works afterwards."""
        async with fake_hub() as hub:
            hub.orders["hang"] = (speak("wait"),)
            port = hub.port
            brain = SkillsBrain(hub.url, patience=Patience(answer_s=20))
            async with running(brain):
                await wait_ready(brain)
                session = opened(brain)
                answer = Answer(session, asked("hang"))
                answer.run.commit()
                await hub.wait_for("recognizer_loop:utterance", 2)
                assert hub.server is not None
                hub.server.close()
                await hub.server.wait_closed()
                await asyncio.wait_for(answer.ended.wait(), 30)
                assert isinstance(answer.reports[-1], BrainFailed)
                assert answer.reports[-1].fault.code == "skills_unavailable"
                async with fake_hub(port):
                    await wait_ready(brain)
                    again = Answer(session, asked("match"))
                    assert isinstance((await again.whole())[-1], BrainFinished)

    async def test_dead_core_behind_a_live_hub_is_noticed(self, hub: FakeHub) -> None:
        """A foreign hub that outlives its core tells nothing; the pulse does."""
        readiness.ALIVE_BUSY_S, before = 0.05, readiness.ALIVE_BUSY_S
        try:
            brain = SkillsBrain(hub.url, patience=Patience(answer_s=20))
            async with running(brain):
                await wait_ready(brain)
                hub.alive = False
                end = (await Answer(opened(brain), asked("match")).whole())[-1]
                assert isinstance(end, BrainFailed)
                assert not brain.ready
        finally:
            readiness.ALIVE_BUSY_S = before

    async def test_supervisor_s_word_fails_the_answer_at_once(
        self, brain: SkillsBrain, hub: FakeHub
    ) -> None:
        """`core_lost` ends what is under way without waiting for a pulse."""
        hub.orders["hang"] = ()
        answer = Answer(opened(brain), asked("hang"))
        answer.run.commit()
        await hub.wait_for("recognizer_loop:utterance", 2)
        brain.core_lost()
        assert isinstance(answer.reports[-1], BrainFailed)
        await wait_ready(brain)

    async def test_not_ready_brain_refuses_at_once(self) -> None:
        """Without a bus an answer fails instead of waiting."""
        brain = SkillsBrain("ws://127.0.0.1:9/core")
        end = (await Answer(opened(brain), asked("match")).whole())[-1]
        assert isinstance(end, BrainFailed)
        assert end.fault.code == "skills_unavailable"

    async def test_foreign_and_broken_frames_are_ignored(
        self, brain: SkillsBrain, hub: FakeHub
    ) -> None:
        """Other callers' messages, and what is no message, concern nobody here."""
        session = opened(brain)
        answer = Answer(session, asked("match"))
        assert hub.server is not None
        for frame in ("{", "[]", '{"type": 5}', '{"type": "speak"}', f'"{brain.bus.prefix}"'):
            for connection in hub.server.connections:
                await connection.send(frame)
        hub.emit("speak", {"utterance": "foreign"}, {"session": {"session_id": "default"}})
        assert [type(r) for r in await answer.whole()] == [BrainText, BrainFinished]


class TestReadiness:
    """When skills count as ready."""

    async def test_training_is_waited_for(self, hub: FakeHub) -> None:
        """No probe is sent while core trains, since it may crash core."""
        hub.ready = False
        async with running(SkillsBrain(hub.url)) as brain:
            await hub.wait_for("mycroft.skills.is_ready")
            hub.emit("mycroft.skills.train", {}, {})
            hub.ready = True
            async with asyncio.timeout(30):
                while brain.state.stage != "training":
                    await asyncio.sleep(0.005)
            assert hub.of_type("recognizer_loop:utterance") == []
            hub.emit("mycroft.skills.trained", {}, {})
            await wait_ready(brain)
            assert brain.state.skills == (SKILL,)

    async def test_unanswered_probe_is_repeated(
        self, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Core may say that it is ready and still lose the first utterances."""
        monkeypatch.setattr(readiness, "PROBE_TIMEOUT_S", 0.1)
        answer = hub.orders.pop("what time is it")
        hub.orders["what time is it"] = ()
        async with running(SkillsBrain(hub.url)) as brain:
            await hub.wait_for("recognizer_loop:utterance", 2)
            assert not brain.ready
            hub.orders["what time is it"] = answer
            await wait_ready(brain)

    async def test_states_are_told(self, hub: FakeHub) -> None:
        """Each stage is told once, in order, and has a sentence."""
        stages: list[str] = []
        brain = SkillsBrain(hub.url, on_state=lambda state: stages.append(state.stage))
        async with running(brain):
            await wait_ready(brain)
            assert stages[-2:] == ["probing", "ready"]
            assert brain.state.sentence() == "The skills are ready."
            assert brain.state.facts() == {"stage": "ready", "skills": [SKILL]}
        assert not brain.ready


async def test_turns_beyond_the_bound_wait_their_turn(hub: FakeHub) -> None:
    """At most so many utterances are inside core; the others follow in order."""
    hub.orders["hold"] = (speak("held"),)
    async with running(SkillsBrain(hub.url, patience=SHORT, max_turns=1)) as brain:
        await wait_ready(brain)
        first = Answer(opened(brain, "a"), asked("hold"))
        second = Answer(opened(brain, "b"), asked("match"))
        first.run.commit()
        second.run.commit()
        await hub.wait_for("recognizer_loop:utterance", 2)
        await asyncio.sleep(0)
        assert len(hub.utterances()) == 1
        first.run.cancel()
        await asyncio.wait_for(second.ended.wait(), 30)
        assert second.text == "It is noon."
