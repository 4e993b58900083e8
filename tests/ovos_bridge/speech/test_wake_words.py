"""Voice activity behind a wake word, by the plugin whose models come with its package."""

from __future__ import annotations

import asyncio

import pytest

from conformance.contracts.synthesiser import Speaking
from conformance.contracts.voice_activity import Watching, check_voice_activity
from ovos_bridge.speech.client import SpeechClient
from ovos_bridge.speech.wake_word import PATIENCE_SAMPLES, WakeWordStream
from realtime.engine import DetectionLost
from realtime.ports import VoiceActivityDetector
from tests.ovos_bridge.speech.workers import silence

pytestmark = pytest.mark.real

WORD, SAID = "okay_nabu", "okay nabu"
HEARD_TIMEOUT_S = 10.0


async def spoken(client: SpeechClient, text: str) -> bytes:
    """Return a text as the voice speaks it that the models know best, with silence around it."""
    speaking = Speaking(client.synthesiser)
    speaking.say("seg_1", text, voice="ballad")
    await speaking.whole()
    speaking.session.close()
    return silence(500) + speaking.audio("seg_1") + silence(500)


class Caller:
    """Somebody who listens behind a wake word."""

    def __init__(self, detector: VoiceActivityDetector) -> None:
        self.watching = Watching(detector)
        assert isinstance(self.watching.stream, WakeWordStream)
        self.stream = self.watching.stream

    async def loudest(self, audio: bytes) -> float:
        """Feed audio, wait until it is judged, return the highest probability of it."""
        before = len(self.watching.found)
        self.watching.feed(audio)
        await self.watching.judged()
        return max(report.probability for report in self.watching.found[before:])

    async def woken(self) -> None:
        """Wait until the word was heard."""
        async with asyncio.timeout(HEARD_TIMEOUT_S):
            while not self.stream.awake:
                await asyncio.sleep(0.02)


async def test_speech_counts_after_the_wake_word_until_the_turn_ends(
    client: SpeechClient, question: bytes
) -> None:
    """A question is not heard before the word, is heard after it, and not in the next turn."""
    word = await spoken(client, SAID)
    caller = Caller(client.detector_behind(WORD))
    assert await caller.loudest(question) == 0.0
    await caller.loudest(word)
    await caller.woken()
    assert await caller.loudest(question) > 0.5
    caller.stream.turn_ended()
    assert await caller.loudest(question) == 0.0
    await caller.loudest(word)
    await caller.woken()
    caller.stream.close()


async def test_word_without_speech_after_it_is_forgotten(
    client: SpeechClient, question: bytes
) -> None:
    """Who says the word and no more has to say it again."""
    caller = Caller(client.detector_behind(WORD))
    await caller.loudest(await spoken(client, SAID))
    await caller.woken()
    await caller.loudest(silence(1_000 + 1_000 * PATIENCE_SAMPLES // 24_000))
    assert await caller.loudest(question) == 0.0
    caller.stream.close()


async def test_other_words_wake_nobody(client: SpeechClient, question: bytes) -> None:
    """Each caller has his own word, and speech without it is not one."""
    other, nabu = (
        Caller(client.detector_behind("alexa")),
        Caller(client.detector_behind(WORD)),
    )
    word = await spoken(client, SAID)
    for audio in (question, await spoken(client, "good morning everybody")):
        assert await nabu.loudest(audio) == 0.0
    await other.loudest(word)
    await nabu.loudest(word)
    await nabu.woken()
    assert not other.stream.awake
    other.stream.close()
    nabu.stream.close()


async def test_word_that_nobody_knows_is_a_reported_loss(
    client: SpeechClient, question: bytes
) -> None:
    """Nobody waits for ever for a word that cannot be listened for."""
    caller = Caller(client.detector_behind("never_named"))
    assert await caller.loudest(question) == 0.0
    lost = [r.fault.code for r in caller.watching.reports if isinstance(r, DetectionLost)]
    assert lost == ["wake_word_failed"]
    caller.stream.close()


class AlwaysAwake:
    """A detector behind a wake word that was just said."""

    def __init__(self, detector: VoiceActivityDetector) -> None:
        self._detector = detector

    def open(self, *, at_sample: int, sink: object) -> WakeWordStream:
        """Start a stream, awake."""
        stream = self._detector.open(at_sample=at_sample, sink=sink)  # type: ignore[arg-type]
        assert isinstance(stream, WakeWordStream)
        stream.wake(at_sample)
        return stream


async def test_detector_behind_a_wake_word_keeps_the_contract(
    client: SpeechClient, question: bytes
) -> None:
    """Awake, it is a detector like any other."""
    await check_voice_activity(AlwaysAwake(client.detector_behind(WORD)), question)
