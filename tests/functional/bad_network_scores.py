"""What is heard over a bad network, and how much of it must be."""

from __future__ import annotations

import asyncio
import wave
from dataclasses import dataclass

import numpy as np

from gateway.ingress.webrtc.opus import FRAME_SAMPLES, OpusDecoder, OpusEncoder
from tests.conftest import ROOT
from tests.functional.bad_network import BadNetworkCaller, calling_badly
from tests.functional.scoring import Score, samples, score
from tests.functional.server import Server
from tests.servers.impairment import FINE, Weather

QUESTION = ROOT / "conformance" / "audio" / "what_time_is_it.wav"
ECHO = {"type": "realtime", "model": "echo", "audio": {"input": {"turn_detection": None}}}

WEATHERS = {
    "fine": FINE,
    "loss of 1 %": Weather(loss=0.01),
    "loss of 5 %": Weather(loss=0.05),
    "loss of 10 %": Weather(loss=0.10),
    "jitter of 50 ms": Weather(jitter_ms=50),
    "reordering": Weather(reordering=0.10),
    "duplication": Weather(duplication=0.10),
    "five of six forged": Weather(forged=5),
    "all at once": Weather(loss=0.05, jitter_ms=50, reordering=0.05, duplication=0.05),
}

FINE_HEARD = {True: 0.90, False: 0.95}
"""What is heard in fine weather, with copies and without: mono at 32 kb/s, as browsers
send, is less like the original than aiortc's 96 kb/s (0.94 and 1.0 were measured)."""
HARM = {True: 1.0, False: 2.0}
"""Frames that a lost packet may spoil: its own, and the next, whose decoder began elsewhere.
A copy saves most of the first; 0.2 and 0.7 were measured."""
DRIFT_MS = 4.0
"""Every lost packet is replaced by as much sound: nothing moves but by codec delays."""
BUSY_S = 0.2
"""A caller that was later than this by itself measured nothing: silence is put into the gap."""
ATTEMPTS = 5
SETTLED_S = 0.3
"""Nothing more comes after so long in which nothing came."""


@dataclass(frozen=True)
class Heard:
    """What one call made of one weather."""

    score: Score
    lost: float
    """The part of the packets that was really lost."""
    copying: bool

    def check(self, name: str) -> None:
        """Hold it to what is promised."""
        least = FINE_HEARD[self.copying] - self.lost * HARM[self.copying]
        assert (self.lost > 0) == (WEATHERS[name].loss > 0), name
        assert self.score.heard >= least, (name, least, self)
        assert abs(self.score.drift_ms) <= DRIFT_MS, (name, self)


def said(times: int) -> np.ndarray:
    """Return what the caller says."""
    with wave.open(str(QUESTION)) as recording:
        return np.tile(samples(recording.readframes(recording.getnframes())), times)


def as_sent(audio: np.ndarray) -> np.ndarray:
    """Return what is left of audio when our encoder had it, and the network did nothing."""
    encoder, decoder = OpusEncoder(), OpusDecoder()
    frames = audio[: len(audio) // FRAME_SAMPLES * FRAME_SAMPLES].astype("<i2")
    packets = [encoder.encode(frame.tobytes()) for frame in frames.reshape(-1, FRAME_SAMPLES)]
    return samples(b"".join(decoder.decode(packet) for packet in packets))


async def begun(caller: BadNetworkCaller, session: dict[str, object]) -> None:
    """Dial in fine weather."""
    answer = await caller.dial(session)
    assert answer.status_code == 201, answer.text
    await caller.until("session.created")


async def say(caller: BadNetworkCaller, *, times: int, settle_s: float = 0.3) -> np.ndarray:
    """Say the question, so often; return what the gateway had heard a moment later."""
    caller.microphone.late_s = 0.0
    caller.microphone.say(QUESTION, times=times)
    while not caller.microphone.silent:
        await asyncio.sleep(0.01)
    await asyncio.sleep(settle_s)
    caller.relay.both(FINE)
    after = len(caller.events)
    caller.send("input_audio_buffer.commit")
    item = await caller.until("conversation.item.added", after=after)
    return await caller.audio_of(item["item"]["id"])


async def spoken(
    server: Server, weather: Weather, *, copying: bool, seed: int, times: int
) -> Heard:
    """Speak in this weather; return what the gateway heard."""
    for _ in range(ATTEMPTS):
        async with calling_badly(server, seed, copying=copying) as caller:
            await begun(caller, ECHO)
            up = caller.relay.up
            passed, lost = up.passed, up.lost
            caller.relay.both(weather)
            heard = await say(caller, times=times)
            lost, passed = up.lost - lost, up.passed - passed
        if caller.microphone.late_s < BUSY_S:
            break
    return Heard(score(heard, said(times)), lost / (lost + passed), copying)


@dataclass(frozen=True)
class Turn:
    """A question and its answer."""

    transcript: str
    answer: Heard


async def asked(server: Server, weather: Weather, *, seed: int) -> Turn:
    """Ask a question in this weather; return its words, and how its answer was heard."""
    for _ in range(ATTEMPTS):
        async with calling_badly(server, seed) as caller:
            turn = await _asked(caller, weather)
        if not caller.ear.pauses:  # else the voice came late, which is no network's fault
            break
    return turn


async def _asked(caller: BadNetworkCaller, weather: Weather) -> Turn:
    audio = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
    await begun(caller, {"type": "realtime", "model": "gpt-realtime", "audio": audio})
    down = caller.relay.down
    passed, lost = down.passed, down.lost
    caller.relay.both(weather)
    caller.microphone.say(QUESTION)
    words = await caller.until("conversation.item.input_audio_transcription.completed")
    await caller.until("output_audio_buffer.stopped")
    heard = -1
    while len(caller.ear.heard) > heard:  # a busy process has not read all of it yet
        heard = len(caller.ear.heard)
        await asyncio.sleep(SETTLED_S)
    caller.relay.both(FINE)
    lost, passed = down.lost - lost, down.passed - passed
    done = await caller.until("response.done")
    answer = await caller.audio_of(done["response"]["output"][0]["id"])
    found = score(samples(bytes(caller.ear.heard)), as_sent(answer))
    return Turn(str(words["transcript"]), Heard(found, lost / (lost + passed), copying=True))
