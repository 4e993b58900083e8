"""Voices at endpoints against real servers that do what each scenario says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from conformance.contracts.synthesiser import LONG, SENTENCE, Speaking, check_synthesiser
from gateway.engines.hosted import speaking as speaking_module
from gateway.engines.hosted.cartesia import ContextEndpoint, ContextSynthesiser
from gateway.engines.hosted.speaking import HostedSynthesiser
from gateway.engines.hosted.speech import SpeechEndpoint, SpeechEndpointSynthesiser
from realtime.engine import SpeechFailed, SpeechFinished
from tests.servers import speech
from tests.servers.speech import KEY, SpeechServer
from tests.servers.tones import spoken

Make = Callable[..., HostedSynthesiser]


@pytest.fixture(scope="module")
def server() -> Iterator[SpeechServer]:
    """A server of its own process."""
    with speech.running() as running:
        yield running


@pytest.fixture
async def requesting(server: SpeechServer) -> AsyncIterator[Make]:
    """Makes voices that ask by request; closes them."""
    made: list[HostedSynthesiser] = []

    def make(model: str = "words", *, voices: Any = None, **more: Any) -> HostedSynthesiser:
        endpoint = SpeechEndpoint(base_url=server.url, model=model, api_key=KEY, **more)
        made.append(SpeechEndpointSynthesiser(endpoint, voices=voices or {}))
        return made[-1]

    yield make
    for synthesiser in made:
        await synthesiser.close()


@pytest.fixture
async def streaming(server: SpeechServer) -> AsyncIterator[Make]:
    """Makes voices that speak over a socket; closes them."""
    made: list[HostedSynthesiser] = []

    def make(model: str = "words", *, voices: Any = None, **more: Any) -> HostedSynthesiser:
        endpoint = ContextEndpoint(
            **{"url": server.contexts_url, "model": model, "api_key": KEY, **more}
        )
        made.append(ContextSynthesiser(endpoint, voices=voices or {}, default_voice="id-0"))
        return made[-1]

    yield make
    for synthesiser in made:
        await synthesiser.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until the server says so."""
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.02)


async def fault(synthesiser: HostedSynthesiser) -> tuple[str, int]:
    """Speak; return the fault's code and the bytes heard before it."""
    speaking = Speaking(synthesiser)
    speaking.say("seg_1")
    await speaking.until(lambda: bool(speaking.ends))
    (end,) = speaking.ends
    assert isinstance(end, SpeechFailed), end
    assert "internal" not in end.fault.message
    heard = len(speaking.audio("seg_1"))
    speaking.session.close()
    return end.fault.code, heard


class TestRequesting:
    """`/audio/speech`."""

    @pytest.mark.parametrize(
        "how",
        [
            {},
            {"response_format": "wav"},
            {"model": "wav-16000", "response_format": "wav"},
            {"model": "pcm-16000", "rate": 16_000},
            {"slots": 1},
        ],
        ids=str,
    )
    async def test_voice_keeps_the_contract(self, requesting: Make, how: Any) -> None:
        """What every synthesiser must do, in each form of audio."""
        await check_synthesiser(requesting(**how))

    async def test_audio_of_any_form_is_the_same_speech(self, requesting: Make) -> None:
        """Torn samples are put together, headers are no sound, other rates become ours."""
        for how in (
            {},
            {"response_format": "wav"},
            {"model": "wav-16000", "response_format": "wav"},
        ):
            speaking = Speaking(requesting(**how))
            speaking.say("seg_1")
            await speaking.whole()
            audio, wanted = speaking.audio("seg_1"), spoken(SENTENCE)
            speaking.session.close()
            if "model" in how:
                assert abs(len(audio) - len(wanted)) <= 96
            else:
                assert audio == wanted

    async def test_request_says_what_the_session_says(
        self, requesting: Make, server: SpeechServer
    ) -> None:
        """Voices by the operator's map, speed where it is not 1, no instructions."""
        speaking = Speaking(requesting(voices={"alloy": "af_sky"}, options={"lang": "en"}))
        speaking.say("seg_1", speed=1.25)
        speaking.say("seg_2", voice="marin")
        speaking.say("seg_3", voice="nobody")
        await speaking.whole(3)
        speaking.session.close()
        first, second, third = server.asked("speech")[-3:]
        assert [each["voice"] for each in (first, second, third)] == ["af_sky", "marin", "alloy"]
        assert (first["speed"], first["lang"], first["response_format"]) == (1.25, "en", "pcm")
        assert "speed" not in second
        assert "instructions" not in first

    async def test_next_segment_is_asked_for_while_one_is_heard(
        self, requesting: Make, server: SpeechServer
    ) -> None:
        """One ahead and no more, so that a cancelled answer costs little."""
        before = len(server.asked("speech"))
        speaking = Speaking(requesting())
        for number in range(4):
            speaking.say(f"seg_{number}", LONG)
        await speaking.until(lambda: bool(speaking.pieces))
        await until(lambda: len(server.asked("speech")) == before + 2)
        assert not server.asked("speech")[before]["whole"]
        speaking.session.close()

    async def test_cancel_ends_the_request_at_once(
        self, requesting: Make, server: SpeechServer
    ) -> None:
        """The endpoint sees its caller gone before it has spoken to the end."""
        speaking = Speaking(requesting())
        speaking.say("seg_1", LONG)
        await speaking.until(lambda: bool(speaking.pieces))
        speaking.session.cancel("resp_1")
        await until(lambda: server.asked("speech")[-1]["closed"])
        assert not server.asked("speech")[-1]["whole"]
        assert speaking.ends == []
        speaking.session.close()

    async def test_busy_endpoint_is_asked_again(self, requesting: Make) -> None:
        """A 429 is waited out as long as the endpoint says."""
        speaking = Speaking(requesting("busy-once"))
        speaking.say("seg_1")
        await speaking.whole()
        speaking.session.close()

    @pytest.mark.parametrize(
        ("scenario", "code"),
        [
            ("400", "speech_refused_request"),
            ("401", "speech_refused_key"),
            ("429", "rate_limit_exceeded"),
            ("500", "speech_unavailable"),
            ("garbage", "speech_answer_invalid"),
            ("huge", "speech_answer_invalid"),
            ("empty", "speech_answer_invalid"),
            ("drops", "speech_connection_lost"),
            ("hangs", "speech_timeout"),
        ],
    )
    async def test_fault_of_the_endpoint_is_told_in_our_words(
        self, requesting: Make, scenario: str, code: str
    ) -> None:
        """Each fault fails its segment with its code; what was heard before it stays heard."""
        found, heard = await fault(requesting(scenario, timeout_s=2.0))
        assert found == code
        assert bool(heard) == (scenario in {"drops", "hangs"})

    async def test_fault_leaves_the_next_segment_whole(self, requesting: Make) -> None:
        """Segments fail alone, in their place."""
        speaking = Speaking(requesting("500", timeout_s=2.0))
        speaking.say("seg_1")
        speaking.say("seg_2", "...")
        await speaking.until(lambda: len(speaking.ends) == 2)
        assert isinstance(speaking.ends[0], SpeechFailed)
        assert speaking.ends[1] == SpeechFinished("seg_2")
        speaking.session.close()

    async def test_audio_ahead_waits_within_its_bound(
        self, requesting: Make, server: SpeechServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An endpoint is not read while the segment before is heard; nothing of it is lost."""
        monkeypatch.setattr(speaking_module, "MOST_HELD_BYTES", 10_000)
        speaking = Speaking(requesting())
        speaking.say("seg_1", LONG)
        speaking.say("seg_2")
        await speaking.whole(2)
        assert speaking.audio("seg_1") == spoken(LONG)
        assert speaking.audio("seg_2") == spoken(SENTENCE)
        speaking.session.close()

    async def test_segment_without_end_is_ended(
        self, requesting: Make, server: SpeechServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A voice that does not stop is stopped."""
        monkeypatch.setattr(speaking_module, "MOST_SEGMENT_BYTES", 40_000)
        code, heard = await fault(requesting())
        assert code == "speech_too_long"
        assert heard <= 40_000


class TestStreaming:
    """The context socket."""

    @pytest.mark.parametrize("how", [{}, {"rate": 16_000}], ids=str)
    async def test_voice_keeps_the_contract(self, streaming: Make, how: Any) -> None:
        """What every synthesiser must do."""
        await check_synthesiser(streaming(**how))

    async def test_session_speaks_on_one_connection(
        self, streaming: Make, server: SpeechServer
    ) -> None:
        """Segments are contexts with the voice, the language and the form they must have."""
        before = len(server.asked("contexts"))
        speaking = Speaking(streaming(voices={"marin": "id-7"}))
        speaking.say("seg_1", voice="marin", speed=1.5)
        speaking.say("seg_2", language="de-DE")
        await speaking.whole(2)
        assert speaking.audio("seg_1") == spoken(SENTENCE)
        speaking.session.close()
        (line,) = server.asked("contexts")[before:]
        first, second = line["asked"]
        assert (first["voice"], second["voice"]["id"]) == ({"mode": "id", "id": "id-7"}, "id-0")
        assert (first["language"], second["language"]) == ("en", "de")
        assert first["output_format"]["encoding"] == "pcm_s16le"
        assert first["generation_config"] == {"speed": 1.5}
        assert line["cancelled"] == []

    async def test_cancel_ends_the_context_only(
        self, streaming: Make, server: SpeechServer
    ) -> None:
        """The service is told; the connection goes on."""
        speaking = Speaking(streaming())
        speaking.say("seg_1", LONG)
        await speaking.until(lambda: bool(speaking.pieces))
        speaking.session.cancel("resp_1")
        speaking.say("seg_2", response_id="resp_2")
        await speaking.whole()
        line = server.asked("contexts")[-1]
        assert line["cancelled"] == [line["asked"][0]["context_id"]]
        assert len(line["asked"]) == 2
        speaking.session.close()

    async def test_lost_connection_is_made_again(
        self, streaming: Make, server: SpeechServer
    ) -> None:
        """The segment on it fails, the next one finds a new one."""
        before = len(server.asked("contexts"))
        speaking = Speaking(streaming("drops"))
        for number in range(2):
            speaking.say(f"seg_{number}")
            await speaking.until(lambda wanted=number + 1: len(speaking.ends) == wanted)
        assert all(isinstance(end, SpeechFailed) for end in speaking.ends)
        assert len(server.asked("contexts")) == before + 2
        speaking.session.close()

    @pytest.mark.parametrize(
        ("scenario", "code"),
        [
            ("400", "speech_refused_request"),
            ("402", "speech_quota_exceeded"),
            ("429", "rate_limit_exceeded"),
            ("500", "speech_unavailable"),
            ("empty", "speech_answer_invalid"),
            ("garbage", "speech_connection_lost"),
            ("huge", "speech_connection_lost"),
            ("drops", "speech_connection_lost"),
            ("hangs", "speech_timeout"),
        ],
    )
    async def test_fault_of_the_service_is_told_in_our_words(
        self, streaming: Make, scenario: str, code: str
    ) -> None:
        """Each fault fails its segment with its code."""
        found, _ = await fault(streaming(scenario, timeout_s=1.0 if scenario == "hangs" else 15.0))
        assert found == code

    async def test_refused_key_is_told(self, streaming: Make) -> None:
        """The handshake's answer is the fault."""
        assert await fault(streaming(api_key="wrong")) == ("speech_refused_key", 0)
