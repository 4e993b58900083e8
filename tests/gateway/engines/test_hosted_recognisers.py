"""Recognisers at endpoints against real servers that do what each scenario says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from conformance.contracts.recogniser import QUIET_S, Hearing, check_recogniser
from gateway.engines.hosted import deepgram
from gateway.engines.hosted.deepgram import ListenEndpoint, ListenRecogniser
from gateway.engines.hosted.transcriptions import TranscriptionEndpoint, TranscriptionRecogniser
from realtime.engine import RecognitionFailed, TranscriptFinal, TranscriptPartial
from tests.servers import speech
from tests.servers.speech import KEY, SpeechServer
from tests.servers.tones import WORD_BYTES, WORDS, said

TEXT = " ".join(WORDS)
AUDIO = said(TEXT)
HALF = len(AUDIO) // 2
PATIENT_S = 15.0
"""Longest wait for what is not about time, on a machine that is busy."""


@pytest.fixture(scope="module")
def server() -> Iterator[SpeechServer]:
    """A server of its own process."""
    with speech.running() as running:
        yield running


Make = Callable[..., Any]


@pytest.fixture
async def uploading(server: SpeechServer) -> AsyncIterator[Make]:
    """Makes recognisers that upload; closes them."""
    made: list[TranscriptionRecogniser] = []

    def make(model: str = "words", **more: Any) -> TranscriptionRecogniser:
        endpoint = TranscriptionEndpoint(base_url=server.url, model=model, api_key=KEY, **more)
        made.append(TranscriptionRecogniser(endpoint))
        return made[-1]

    yield make
    for recogniser in made:
        await recogniser.close()


async def uploads(server: SpeechServer, count: int) -> None:
    """Wait until the server was asked so often."""
    async with asyncio.timeout(PATIENT_S):
        while len(server.asked("transcription")) < count:
            await asyncio.sleep(0.01)


@pytest.fixture
async def listening(server: SpeechServer) -> AsyncIterator[Make]:
    """Makes recognisers that stream; closes them."""
    made: list[ListenRecogniser] = []

    def make(model: str = "words", **more: Any) -> ListenRecogniser:
        endpoint = ListenEndpoint(
            **{"url": server.listen_url, "model": model, "api_key": KEY, **more}
        )
        made.append(ListenRecogniser(endpoint))
        return made[-1]

    yield make
    for recogniser in made:
        await recogniser.close()


async def heard(recogniser: Any, **wishes: Any) -> Hearing:
    """Say the text, to its end."""
    hearing = Hearing(recogniser, **wishes)
    hearing.stream.feed(AUDIO)
    await hearing.end()
    return hearing


async def fault(recogniser: Any) -> str:
    """Say the text; return the fault's code."""
    last = (await heard(recogniser)).reports[-1]
    assert isinstance(last, RecognitionFailed), last
    assert "internal" not in last.fault.message
    return last.fault.code


class TestUploading:
    """`/audio/transcriptions`."""

    @pytest.mark.parametrize(
        "how",
        [
            {},
            {"stream": True},
            {"logprobs": True},
            {"stream": True, "logprobs": True},
            {"response_format": "verbose_json"},
            {"model": "whole", "stream": True},
            {"slots": 1},
        ],
        ids=str,
    )
    async def test_recogniser_keeps_the_contract(self, uploading: Make, how: Any) -> None:
        """What every recogniser must do, in each form of the answer."""
        await check_recogniser(uploading(**how), AUDIO, TEXT)

    async def test_request_says_what_the_session_says(
        self, uploading: Make, server: SpeechServer
    ) -> None:
        """Language as the endpoint names it, prompt, format and the operator's own fields."""
        recogniser = uploading("words", logprobs=True, options={"temperature": 0})
        await heard(recogniser, language="de-AT", prompt="Ortsnamen", logprobs=True)
        asked = server.asked("transcription")[-1]
        assert asked["bytes"] == len(AUDIO)
        found = {name: asked[name] for name in ("language", "prompt", "response_format")}
        assert found == {"language": "de", "prompt": "Ortsnamen", "response_format": "json"}
        assert (asked["temperature"], asked["include[]"]) == ("0", "logprobs")
        await heard(recogniser, keywords=("Wien", "Graz"))
        assert server.asked("transcription")[-1]["prompt"] == "Wien, Graz"
        assert "include[]" not in server.asked("transcription")[-1]

    async def test_words_come_as_the_endpoint_finds_them(self, uploading: Make) -> None:
        """A server that streams makes deltas where they are wanted; log probabilities are kept."""
        hearing = await heard(uploading(stream=True, logprobs=True), partials=True, logprobs=True)
        deltas = [r.delta for r in hearing.reports if isinstance(r, TranscriptPartial)]
        assert len(deltas) == len(WORDS)
        assert "".join(deltas) == TEXT
        last = hearing.reports[-1]
        assert isinstance(last, TranscriptFinal)
        assert len(last.logprobs) == len(WORDS)

    async def test_early_upload_is_used_when_nothing_more_is_said(
        self, uploading: Make, server: SpeechServer
    ) -> None:
        """One request serves the pause and the commit, silence after the pause included."""
        before = len(server.asked("transcription"))
        hearing = Hearing(uploading(), hypotheses=True)
        hearing.stream.feed(AUDIO)
        hearing.stream.prepare()
        async with asyncio.timeout(30):
            while not hearing.hypotheses:
                await asyncio.sleep(0.01)
        hearing.stream.feed(bytes(9_600))
        assert await hearing.text() == TEXT
        assert hearing.hypotheses[0].text == TEXT
        assert len(server.asked("transcription")) == before + 1

    async def test_abandoned_upload_is_thrown_away(
        self, uploading: Make, server: SpeechServer
    ) -> None:
        """Speech that goes on is uploaded whole, and the half of it is given up."""
        before = len(server.asked("transcription"))
        hearing = Hearing(uploading("slow"))
        hearing.stream.feed(AUDIO[:HALF])
        hearing.stream.prepare()
        await uploads(server, before + 1)
        hearing.stream.abandon()
        hearing.stream.feed(AUDIO[HALF:])
        assert await hearing.text() == TEXT
        sizes = [asked["bytes"] for asked in server.asked("transcription")[before:]]
        assert sizes == [HALF, len(AUDIO)]

    async def test_early_upload_leaves_slots_to_those_who_wait(
        self, uploading: Make, server: SpeechServer
    ) -> None:
        """Where every slot is taken nothing is uploaded early."""
        recogniser = uploading("slow", slots=1)
        first, second = Hearing(recogniser, "item_1"), Hearing(recogniser, "item_2")
        for hearing in (first, second):
            hearing.stream.feed(AUDIO)
        before = len(server.asked("transcription"))
        first.stream.commit()
        await uploads(server, before + 1)
        second.stream.prepare()
        await asyncio.wait_for(first.ended.wait(), PATIENT_S)
        assert len(server.asked("transcription")) == before + 1
        assert await second.text() == TEXT

    async def test_early_fault_is_not_the_utterance_s(self, uploading: Make) -> None:
        """What nobody asked for yet may fail; the commit asks again."""
        recogniser = uploading("busy-once")
        hearing = Hearing(recogniser)
        hearing.stream.feed(AUDIO)
        hearing.stream.prepare()
        await asyncio.sleep(QUIET_S)
        assert await hearing.text() == TEXT

    @pytest.mark.parametrize(
        ("scenario", "code"),
        [
            ("400", "speech_refused_request"),
            ("401", "speech_refused_key"),
            ("404", "speech_unknown_model"),
            ("413", "speech_too_long"),
            ("429", "rate_limit_exceeded"),
            ("500", "speech_unavailable"),
            ("garbage", "speech_answer_invalid"),
            ("huge", "speech_answer_invalid"),
            ("hangs", "speech_timeout"),
        ],
    )
    async def test_fault_of_the_endpoint_is_told_in_our_words(
        self, uploading: Make, scenario: str, code: str
    ) -> None:
        """Each fault fails the utterance with its code, and the next one is heard."""
        recogniser = uploading(scenario, timeout_s=PATIENT_S if scenario != "hangs" else 0.5)
        assert await fault(recogniser) == code

    async def test_stream_that_breaks_fails_the_utterance(self, uploading: Make) -> None:
        """Words that were told stay, and the failure follows them."""
        for scenario, timeout_s in (("drops", PATIENT_S), ("hangs-late", 1.0)):
            recogniser = uploading(scenario, stream=True, timeout_s=timeout_s)
            hearing = await heard(recogniser, partials=True)
            assert isinstance(hearing.reports[0], TranscriptPartial)
            last = hearing.reports[-1]
            assert isinstance(last, RecognitionFailed)
            assert last.fault.code == "speech_connection_lost"

    async def test_nobody_there_is_a_fault(self, uploading: Make) -> None:
        """A refused connection ends in time."""
        recogniser = TranscriptionRecogniser(
            TranscriptionEndpoint(base_url="http://127.0.0.1:9/v1", model="x", timeout_s=5.0)
        )
        assert await fault(recogniser) == "speech_unavailable"
        await recogniser.close()

    async def test_audio_beyond_the_bound_fails_and_15_mib_do_not(self, uploading: Make) -> None:
        """A file that endpoints refuse is not sent; what a client may append at once is."""
        recogniser = uploading()
        hearing = Hearing(recogniser)
        hearing.stream.feed(AUDIO + bytes(15 * 1024 * 1024))
        assert await hearing.text() == TEXT
        hearing = Hearing(recogniser)
        for _ in range(2):
            hearing.stream.feed(bytes(15 * 1024 * 1024))
        await hearing.end()
        last = hearing.reports[-1]
        assert isinstance(last, RecognitionFailed)
        assert last.fault.code == "speech_too_long"


class TestListening:
    """The listen socket."""

    async def test_recogniser_keeps_the_contract(self, listening: Make) -> None:
        """What every recogniser must do."""
        await check_recogniser(listening(), AUDIO, TEXT)

    async def test_interim_words_are_told_to_nobody(self, listening: Make) -> None:
        """Words that the service may take back are no part of any report."""
        recogniser = listening("interim", options={"interim_results": "true"})
        hearing = await heard(recogniser, partials=True)
        deltas = [r.delta for r in hearing.reports if isinstance(r, TranscriptPartial)]
        assert "".join(deltas) == TEXT
        assert len(deltas) > 1

    async def test_connection_says_what_the_session_says(
        self, listening: Make, server: SpeechServer
    ) -> None:
        """Model, language, keywords; endpointing is off, turns are ours to end."""
        await heard(listening(options={"smart_format": "true"}), language="en-GB", keywords=("Ae",))
        asked = server.asked("listen")[-1]
        names = ("model", "language", "keyterm", "endpointing", "smart_format", "channels")
        assert [asked[name] for name in names] == ["words", "en-GB", "Ae", "false", "true", "1"]
        assert asked["messages"] == ["CloseStream"]

    async def test_transcript_that_was_finalised_is_there_at_once(
        self, listening: Make, server: SpeechServer
    ) -> None:
        """After an answered pause the commit asks nothing more."""
        hearing = Hearing(listening(), hypotheses=True)
        hearing.stream.feed(AUDIO[: WORD_BYTES * 3])
        hearing.stream.prepare()
        async with asyncio.timeout(30):
            while not hearing.hypotheses:
                await asyncio.sleep(0.01)
        assert await hearing.text() == " ".join(WORDS[:3])
        assert server.asked("listen")[-1]["messages"] == ["Finalize"]

    async def test_silence_keeps_the_connection(
        self, listening: Make, server: SpeechServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While nothing is said the service is told that somebody is there."""
        monkeypatch.setattr(deepgram, "KEEP_ALIVE_S", 0.05)
        hearing = Hearing(listening())
        hearing.stream.feed(AUDIO)
        async with asyncio.timeout(30):
            while "KeepAlive" not in server.asked("listen")[-1]["messages"]:
                await asyncio.sleep(0.02)
        assert await hearing.text() == TEXT

    async def test_busy_service_is_asked_again(self, listening: Make) -> None:
        """A 429 is waited out as long as the service says."""
        assert await Hearing(listening("words")).text() == ""
        assert isinstance((await heard(listening("busy-once"))).reports[-1], TranscriptFinal)

    @pytest.mark.parametrize(
        ("scenario", "code"),
        [
            ("401", "speech_refused_key"),
            ("400", "speech_refused_request"),
            ("429", "rate_limit_exceeded"),
            ("500", "speech_unavailable"),
            ("drops", "speech_connection_lost"),
            ("garbage", "speech_answer_invalid"),
            ("huge", "speech_connection_lost"),
            ("hangs", "speech_timeout"),
        ],
    )
    async def test_fault_of_the_service_is_told_in_our_words(
        self, listening: Make, scenario: str, code: str
    ) -> None:
        """Each fault fails the utterance with its code, once it is committed."""
        timeout_s = 1.0 if scenario == "hangs" else PATIENT_S
        assert await fault(listening(scenario, timeout_s=timeout_s)) == code

    async def test_audio_beyond_the_bound_fails_and_15_mib_do_not(self, listening: Make) -> None:
        """What a client may append at once is sent; more than the ring holds is not kept."""
        recogniser = listening()
        hearing = Hearing(recogniser)
        hearing.stream.feed(AUDIO + bytes(15 * 1024 * 1024))
        assert await hearing.text() == TEXT
        hearing = Hearing(recogniser)
        for _ in range(3):
            hearing.stream.feed(bytes(15 * 1024 * 1024))
        await hearing.end()
        last = hearing.reports[-1]
        assert isinstance(last, RecognitionFailed)
        assert last.fault.code == "speech_too_long"
