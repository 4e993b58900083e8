"""The voices of the real worker."""

from __future__ import annotations

import asyncio
import itertools

import numpy as np
import numpy.typing as npt
import pytest

from conformance.contracts.synthesiser import LONG, Speaking
from ovos_bridge.speech.client import SpeechClient
from realtime.engine import SAMPLE_RATE, SpeechFailed, SpeechFinished
from tests.ovos_bridge.speech.workers import Link, Worker

pytestmark = pytest.mark.real

CONTRACT_VOICES = {
    "alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar",
}  # fmt: skip


LEAST_DIFFERENCE = 0.27
"""Between the colours of two voices. The same voice twice differs by at most 0.2 (it is never
quite the same, so that comparing samples says nothing); the closest two by 0.35."""


def colour(audio: bytes) -> npt.NDArray[np.float64]:
    """Return the log of the mean spectrum up to 7 kHz."""
    samples = np.frombuffer(audio, dtype="<i2").astype(np.float64)
    frames = samples[: len(samples) // 1_024 * 1_024].reshape(-1, 1_024) * np.hanning(1_024)
    spectrum = np.abs(np.fft.rfft(frames, axis=1)).mean(axis=0)
    logarithm: npt.NDArray[np.float64] = np.log(spectrum[1:300] + 1.0)
    return logarithm


async def test_voices_of_the_contract_are_all_different(client: SpeechClient) -> None:
    """Each of the contract's ten names sounds like no other."""
    assert set(client.synthesiser.voices()) == CONTRACT_VOICES
    speaking = Speaking(client.synthesiser)
    for voice in CONTRACT_VOICES:
        speaking.say(voice, voice=voice)
    await speaking.whole(len(CONTRACT_VOICES))
    colours = {voice: colour(speaking.audio(voice)) for voice in CONTRACT_VOICES}
    for one, other in itertools.combinations(sorted(CONTRACT_VOICES), 2):
        difference = float(np.sqrt(np.mean((colours[one] - colours[other]) ** 2)))
        assert difference > LEAST_DIFFERENCE, (one, other)
    speaking.session.close()


async def test_speed_changes_the_duration(client: SpeechClient) -> None:
    """Faster is shorter, in about the proportion that was asked for."""
    speaking = Speaking(client.synthesiser)
    for speed in (0.5, 1.0, 1.5):
        speaking.say(str(speed), speed=speed)
    await speaking.whole(3)
    slow, usual, fast = (len(speaking.audio(str(speed))) for speed in (0.5, 1.0, 1.5))
    assert 1.6 < slow / usual < 2.4
    assert 1.3 < usual / fast < 1.7
    speaking.session.close()


async def test_language_of_the_request_is_spoken(client: SpeechClient) -> None:
    """The same text sounds different in another language; one nobody knows is no failure."""
    speaking = Speaking(client.synthesiser)
    for language in ("en-US", "de-DE", "xx-YY"):
        speaking.say(language, language=language)
    await speaking.whole(3)
    assert speaking.audio("de-DE") != speaking.audio("en-US")
    assert speaking.audio("xx-YY")
    speaking.session.close()


@pytest.mark.parametrize(
    ("language", "other"),
    [
        ("zh-CN", "en-US"),
        ("zh-CN", "ja-JP"),
        ("pt-BR", "pt-PT"),
        ("no", "sv-SE"),
        ("es-MX", "es-ES"),
        ("en-GB", "en-US"),
    ],
)
async def test_language_has_a_voice_of_its_own(
    client: SpeechClient, language: str, other: str
) -> None:
    """Tags are found as people write them, with region and without, not only as espeak does."""
    speaking = Speaking(client.synthesiser)
    text = "radio 2026, cinco, gente"
    for place, tag in enumerate((language, other)):
        speaking.say(f"seg_{place}", text, language=tag)
    await speaking.whole(2)
    one, two = speaking.audio("seg_0"), speaking.audio("seg_1")
    difference = float(np.sqrt(np.mean((colour(one) - colour(two)) ** 2)))
    assert difference > LEAST_DIFFERENCE or abs(len(one) - len(two)) > SAMPLE_RATE // 10
    speaking.session.close()


async def test_voices_of_the_operator_speak_by_the_plugin_s_names(worker: Worker) -> None:
    """A name of the API, or a further one, may stand for any voice that the plugin has."""
    voices = {"alloy": "en-gb", "anna": "de+f3", "nobody": "no such voice"}
    link = Link()
    bounds = {"recognition_timeout_s": 10.0, "synthesis_timeout_s": 10.0}
    async with SpeechClient(
        worker.socket, on_change=link.changed, voices=voices, **bounds
    ) as client:
        await link.wait(connected=True)
        assert set(client.synthesiser.voices()) == CONTRACT_VOICES | {"anna", "nobody"}
        speaking = Speaking(client.synthesiser)
        names = ("alloy", "ash", "anna", "nobody")
        for name in names:
            speaking.say(name, "water, father, radio", voice=name)
        await speaking.whole(len(names))
        colours = [colour(speaking.audio(name)) for name in names]
        for one, other in itertools.combinations(colours, 2):
            assert float(np.sqrt(np.mean((one - other) ** 2))) > LEAST_DIFFERENCE
        speaking.session.close()


async def test_long_text_is_heard_before_it_is_spoken(client: SpeechClient) -> None:
    """The first piece is short, and a cancelled text is never spoken to its end."""
    speaking = Speaking(client.synthesiser)
    speaking.say("seg_whole", LONG)
    await speaking.whole()
    whole = len(speaking.audio("seg_whole"))
    assert len(speaking.pieces[0][1]) < SAMPLE_RATE * 2 // 5
    speaking.say("seg_cut", LONG)
    await speaking.until(lambda: bool(speaking.audio("seg_cut")))
    speaking.session.cancel("resp_1")
    await asyncio.sleep(0.5)
    assert len(speaking.audio("seg_cut")) < whole // 2
    speaking.session.close()


async def test_text_that_cannot_be_encoded_fails_alone(client: SpeechClient) -> None:
    """Half a character fails its segment, and the next is spoken."""
    speaking = Speaking(client.synthesiser)
    speaking.say("seg_broken", "half \ud800")
    speaking.say("seg_next")
    await speaking.until(lambda: len(speaking.ends) == 2)
    assert isinstance(speaking.ends[0], SpeechFailed)
    assert speaking.ends[1] == SpeechFinished("seg_next")
    speaking.session.close()
