"""Recognition by the real worker: what counts as a phrase, and who waits for whom."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from bench.corpus.sentences import FOLDER, Sentence, sentences
from conformance.contracts.recogniser import Hearing
from ovos_bridge.speech.client import SpeechClient
from realtime.engine import TranscriptFinal, TurnHypothesis
from tests.ovos_bridge.speech.workers import (
    PHRASES,
    QUESTION_TEXT,
    Worker,
    linked,
    recording,
    silence,
)

pytestmark = pytest.mark.real

MISHEARD = "how do you spell necessary"
"""A sentence of the corpus that the full model gets wrong."""


def spoken(text: str) -> bytes:
    """Return the recording of a sentence of the corpus."""
    (found,) = [s for s in sentences("held_out") if s.text == text]
    return recording(found.path(FOLDER))


async def heard(client: SpeechClient, audio: bytes) -> str:
    """Return the transcript of a recording."""
    hearing = Hearing(client.recogniser)
    hearing.stream.feed(audio)
    return await hearing.text()


async def test_grammar_replaced_at_run_time_is_used_at_once(client: SpeechClient) -> None:
    """A phrase counts from the moment it was taught, until other phrases replace it."""
    audio = spoken(MISHEARD)
    assert await heard(client, audio) != MISHEARD
    await client.teach([*PHRASES, MISHEARD])
    assert await heard(client, audio) == MISHEARD
    await client.teach(PHRASES)
    assert await heard(client, audio) != MISHEARD


async def test_phrase_begun_only_does_not_count(client: SpeechClient, question: bytes) -> None:
    """What was said is not completed to the phrase it begins."""
    await client.teach(["what time is it in london"])
    assert await heard(client, question) == QUESTION_TEXT


@pytest.mark.parametrize(
    "sentence",
    [s for s in sentences("held_out") if s.group == "unknown"][:6],
    ids=lambda sentence: sentence.name,
)
async def test_sentence_outside_the_grammar_is_not_forced_into_it(
    client: SpeechClient, sentence: Sentence
) -> None:
    """What no skill knows is never taken for a phrase that one knows."""
    text = await heard(client, recording(sentence.path(FOLDER)))
    assert text
    assert text not in PHRASES


async def test_silence_is_no_phrase(client: SpeechClient) -> None:
    """Silence is not taken for a phrase."""
    assert await heard(client, silence(2_000)) not in PHRASES


@pytest.mark.parametrize("phrases", [[], ["zxqv blorptang"], ["", "  ", "?!"]])
async def test_grammar_without_usable_phrases_leaves_the_full_model(
    client: SpeechClient, question: bytes, phrases: list[str]
) -> None:
    """Phrases that nobody can pronounce do no harm."""
    await client.teach(phrases)
    assert await heard(client, question) == QUESTION_TEXT


async def test_callers_who_never_commit_do_not_stop_the_others(
    client: SpeechClient, question: bytes
) -> None:
    """An utterance that is open for long costs other callers nothing."""
    idle = [Hearing(client.recogniser, f"item_idle_{n}") for n in range(8)]
    try:
        for hearing in idle:
            hearing.stream.feed(question)
        assert await heard(client, question) == QUESTION_TEXT
    finally:
        for hearing in idle:
            hearing.stream.close()
        # Leaves the shared worker as it was found: its slots are free once they see the end.
        await asyncio.wait_for(client.probe(), 30)


async def test_closed_utterances_free_their_slots(own_worker: Worker, question: bytes) -> None:
    """What nobody wants any more is not decoded while others wait."""
    async with linked(own_worker.socket) as (client, link):
        await link.wait(connected=True)
        for number in range(8):
            hearing = Hearing(client.recogniser, f"item_{number}")
            hearing.stream.feed(question * 30)
            hearing.stream.commit()
            await asyncio.sleep(0.05)
            hearing.stream.close()
        assert await heard(client, question) == QUESTION_TEXT


async def test_words_do_not_depend_on_what_was_heard_before(client: SpeechClient) -> None:
    """The same audio gives the same words after louder, softer and other voices."""
    audio = spoken("i want to return the shoes i bought last week")
    first = await heard(client, audio)
    for other in (silence(500) + scaled(audio, 0.05), spoken("good morning"), scaled(audio, 2.0)):
        # Every recogniser of the worker hears it.
        await asyncio.gather(*(heard(client, other) for _ in range(2)))
        assert await heard(client, audio) == first


async def test_soft_voice_is_understood(client: SpeechClient, question: bytes) -> None:
    """A caller whose microphone is 20 dB down is heard like others."""
    assert await heard(client, scaled(question, 0.1)) == QUESTION_TEXT


def scaled(audio: bytes, gain: float) -> bytes:
    """Return audio at another loudness, cut at full scale."""
    samples = np.frombuffer(audio, dtype="<i2") * gain
    return np.clip(samples, -32_768, 32_767).astype("<i2").tobytes()


async def understood(client: SpeechClient, audio: bytes) -> TurnHypothesis:
    """Return what was understood at a pause after this audio."""
    hearing = Hearing(client.recogniser, hypotheses=True)
    hearing.stream.feed(audio)
    hearing.stream.prepare()
    async with asyncio.timeout(30):
        while not hearing.hypotheses:
            await asyncio.sleep(0.01)
    hearing.stream.close()
    return hearing.hypotheses[0]


async def test_command_at_a_pause_is_whole(client: SpeechClient, question: bytes) -> None:
    """A phrase that nothing can follow is whole; one that may go on is extendable."""
    await client.teach(PHRASES)
    found = await understood(client, question)
    assert (found.text, found.whole, found.extendable) == (QUESTION_TEXT, True, False)
    await client.teach([*PHRASES, f"{QUESTION_TEXT} in london"])
    found = await understood(client, question)
    assert (found.text, found.whole, found.extendable) == (QUESTION_TEXT, None, True)


async def test_beginning_of_a_phrase_is_not_whole(client: SpeechClient, question: bytes) -> None:
    """Words that only begin a known phrase wait for the rest of it."""
    await client.teach(["what time is it in london"])
    found = await understood(client, question)
    assert (found.text, found.whole) == (QUESTION_TEXT, False)


async def test_sentence_no_skill_knows_is_neither(client: SpeechClient) -> None:
    """What the grammar does not have is told as it was heard, without a judgement."""
    found = await understood(client, spoken("i lost my credit card yesterday"))
    assert found.text == "i lost my credit card yesterday"
    assert found.whole is None
    assert not found.extendable


async def test_log_probabilities_tell_sure_words_from_others(
    client: SpeechClient, question: bytes
) -> None:
    """What was heard well has more of them than what was heard wrong."""
    hearing = Hearing(client.recogniser, logprobs=True)
    hearing.stream.feed(spoken("the washing machine makes a strange noise"))
    await hearing.text()
    final = hearing.reports[-1]
    assert isinstance(final, TranscriptFinal)
    chances = {each.token.strip(): each.logprob for each in final.logprobs}
    assert chances["washing"] > -0.5
    assert min(chances.values()) < -0.5
