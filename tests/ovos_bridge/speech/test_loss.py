"""What becomes of open work when the worker dies, hangs or was never there."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from conformance.contracts.recogniser import Hearing
from conformance.contracts.synthesiser import Speaking
from conformance.contracts.voice_activity import MOST_PENDING_SAMPLES, Watching
from ovos_bridge.speech.client import LOST, SLOW
from realtime.engine import DetectionLost, RecognitionFailed, SpeechFailed, SpeechProbability
from tests.ovos_bridge.speech.test_recognition import MISHEARD, heard, spoken
from tests.ovos_bridge.speech.workers import QUESTION_TEXT, Worker, linked, silence

pytestmark = pytest.mark.real


async def test_killed_worker_fails_what_is_open_and_works_again(
    own_worker: Worker, question: bytes
) -> None:
    """Each open part fails once and says so; detection, grammar and speech come back."""
    async with linked(own_worker.socket) as (client, link):
        await link.wait(connected=True)
        await client.teach([MISHEARD])
        watching = Watching(client.detector)
        watching.feed(silence(500))
        await watching.judged()
        waiting, ended = Hearing(client.recogniser, "item_1"), Hearing(client.recogniser, "item_2")
        speaking = Speaking(client.synthesiser)
        own_worker.signal(signal.SIGSTOP)  # so that nothing is answered before it dies
        waiting.stream.feed(question)
        ended.stream.feed(question)
        ended.stream.commit()
        speaking.say("seg_1")
        await asyncio.sleep(0)
        own_worker.kill()
        await link.wait(connected=False)

        assert ended.reports == [RecognitionFailed("item_2", LOST)]
        assert speaking.ends == [SpeechFailed("seg_1", LOST)]
        assert DetectionLost(LOST) in watching.reports
        assert waiting.reports == []
        await waiting.end()
        assert waiting.reports == [RecognitionFailed("item_1", LOST)]

        own_worker.start()
        await link.wait(connected=True)
        before = len(watching.reports)
        watching.feed(question)
        await watching.judged()
        back = [r for r in watching.reports[before:] if isinstance(r, SpeechProbability)]
        assert back[0].at_sample > watching.end - len(question) // 2
        assert max(report.probability for report in back) > 0.5
        assert await heard(client, spoken(MISHEARD)) == MISHEARD
        speaking.say("seg_2")
        await speaking.until(lambda: len(speaking.ends) == 2)
        assert speaking.audio("seg_2")


async def test_worker_that_is_not_there_fails_work_and_passes_audio(
    tmp_path: Path, question: bytes
) -> None:
    """Nothing waits for a worker that never came, and nothing is reported from inside a call."""
    async with linked(str(tmp_path / "nobody")) as (client, _link):
        hearing, speaking = Hearing(client.recogniser), Speaking(client.synthesiser)
        watching = Watching(client.detector)
        hearing.stream.feed(question)
        watching.feed(question)
        speaking.say("seg_1")
        await hearing.end()
        await speaking.until(lambda: bool(speaking.ends))
        await watching.judged()
        assert hearing.reports == [RecognitionFailed("item_contract", LOST)]
        assert speaking.ends == [SpeechFailed("seg_1", LOST)]
        assert watching.loudest == 0.0
        with pytest.raises(ConnectionError):
            await client.probe()


async def test_worker_that_comes_late_is_used(own_worker: Worker, question: bytes) -> None:
    """A stream opened before the worker was there works once it is."""
    own_worker.kill()
    async with linked(own_worker.socket) as (client, link):
        watching = Watching(client.detector)
        watching.feed(silence(100))
        own_worker.start()
        await link.wait(connected=True)
        watching.feed(question)
        await watching.judged()
        assert watching.loudest > 0.5
        assert await heard(client, question) == QUESTION_TEXT


async def test_worker_that_hangs_is_given_up_in_time(own_worker: Worker, question: bytes) -> None:
    """A worker that lives and says nothing costs a turn its bound, not for ever."""
    bounds = {"recognition_timeout_s": 0.3, "synthesis_timeout_s": 0.3}
    async with linked(own_worker.socket, **bounds) as (client, link):
        await link.wait(connected=True)
        own_worker.signal(signal.SIGSTOP)
        hearing, speaking = Hearing(client.recogniser), Speaking(client.synthesiser)
        hearing.stream.feed(question)
        speaking.say("seg_1")
        await hearing.end()
        await speaking.until(lambda: bool(speaking.ends))
        assert hearing.reports == [RecognitionFailed("item_contract", SLOW)]
        assert speaking.ends == [SpeechFailed("seg_1", SLOW)]
        own_worker.signal(signal.SIGCONT)
        await asyncio.sleep(1)
        assert len(hearing.reports) == 1  # the late answers are nobody's
        assert len(speaking.ends) == 1
        assert speaking.pieces == []


async def test_utterance_closed_after_failing_is_silent(tmp_path: Path) -> None:
    """Nothing is reported after `close`, also of an utterance that had failed before."""
    async with linked(str(tmp_path / "nobody")) as (client, _link):
        hearing = Hearing(client.recogniser)
        hearing.stream.commit()
        hearing.stream.close()
        await asyncio.sleep(0.05)
        assert hearing.reports == []


async def test_overflow_of_detection_keeps_positions_true(
    own_worker: Worker, question: bytes
) -> None:
    """Where audio had to be dropped, later audio is still judged at its own position."""
    async with linked(own_worker.socket) as (client, link):
        await link.wait(connected=True)
        watching = Watching(client.detector, 0)
        own_worker.signal(signal.SIGSTOP)
        for _ in range(500):
            watching.feed(silence(1_000))
            await asyncio.sleep(0)
        own_worker.signal(signal.SIGCONT)
        own_end = watching.end
        deadline = time.monotonic() + 10
        while not watching.found and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        watching.feed(question)
        await asyncio.sleep(2)
        assert watching.found[-1].at_sample > own_end - MOST_PENDING_SAMPLES


async def test_teaching_a_worker_that_dies_fails_at_once(own_worker: Worker) -> None:
    """Whoever waits for the worker's answer hears at once that none will come."""
    async with linked(own_worker.socket) as (client, link):
        await link.wait(connected=True)
        own_worker.signal(signal.SIGSTOP)
        teaching = asyncio.create_task(client.teach(["what time is it"]))
        await asyncio.sleep(0.05)
        own_worker.kill()
        await link.wait(connected=False)
        done, _ = await asyncio.wait([teaching], timeout=2)
        teaching.cancel()
        assert done
        assert isinstance(teaching.exception(), ConnectionError)
