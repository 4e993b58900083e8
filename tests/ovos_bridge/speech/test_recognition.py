"""Recognition by the real worker: what counts as a phrase, and who waits for whom."""

from __future__ import annotations

import asyncio

import pytest

from bench.corpus.sentences import FOLDER, Sentence, sentences
from conformance.contracts.recogniser import Hearing
from ovos_bridge.speech.client import SpeechClient
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
        await asyncio.wait_for(client.probe(), 10)


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
