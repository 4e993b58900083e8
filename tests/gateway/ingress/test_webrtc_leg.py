"""The pace of what a caller hears."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from itertools import pairwise
from typing import cast

import pytest

from gateway.ingress.webrtc.leg import WebRtcLeg
from gateway.ingress.webrtc.pacer import PHASES, Pacer
from gateway.ingress.webrtc.rtp import Received
from gateway.sessions.leg import LegSession
from realtime.session.inputs import Drained, Input

PACKET_TICKS = 960
SECOND = bytes(48_000)


class Line:
    """Where packets go: in which turn of the loop they left, and their media time."""

    def __init__(self) -> None:
        self.packets: list[tuple[int, int, bool]] = []
        self._turn = 0

    def send(self, payload: bytes, timestamp: int, *, begins: bool) -> None:
        """Note a packet, and which ones left together."""
        assert payload
        asyncio.get_running_loop().call_soon(self._over)
        self.packets.append((self._turn, timestamp, begins))

    def _over(self) -> None:
        self._turn = len(self.packets)

    async def sent(self, count: int) -> None:
        """Wait until as many packets have left."""
        async with asyncio.timeout(30):
            while len(self.packets) < count:
                await asyncio.sleep(0.001)

    @property
    def places(self) -> list[int]:
        """Return the packets' places in media time, from the first."""
        return [(one - self.packets[0][1]) // PACKET_TICKS for _, one, _ in self.packets]


def speaking(audio: bytes, pacer: Pacer | None = None) -> tuple[WebRtcLeg, Line]:
    """Return a leg with something to say, whose caller can be reached."""
    leg, line = WebRtcLeg(pacer), Line()
    leg.voice.use("audio/opus")
    leg.plays = True
    leg.voice.begin(line)
    leg.play("resp", "item", audio)
    return leg, line


def steps(line: Line) -> list[int]:
    """Return how much media time is between packets, in places."""
    places = line.places
    return [after - before for before, after in pairwise(places)]


async def test_busy_moment_is_caught_up_with() -> None:
    """Packets that a busy loop made late leave at once, and no media time is lost."""
    leg, line = speaking(SECOND)
    await line.sent(2)
    time.sleep(0.07)  # noqa: ASYNC251 -- the loop is busy
    await line.sent(8)
    assert steps(line).count(1) >= 5
    assert [begins for *_, begins in line.packets] == [True, *(one > 1 for one in steps(line))]
    assert max(Counter(turn for turn, *_ in line.packets).values()) >= 3
    leg.close()


async def test_long_stop_is_a_pause() -> None:
    """What a loop that stood for long could not say is said later, not in a heap."""
    leg, line = speaking(SECOND)
    await line.sent(2)
    time.sleep(0.4)  # noqa: ASYNC251 -- the loop stands
    await line.sent(8)
    assert max(steps(line)) >= 15
    assert max(Counter(turn for turn, *_ in line.packets).values()) <= 6
    leg.close()


async def test_pause_is_not_caught_up_with() -> None:
    """What comes after silence begins when it comes, and media time knows of the silence."""
    leg, line = speaking(SECOND[:960])
    await line.sent(1)
    await asyncio.sleep(0.3)
    leg.play("resp", "item", SECOND[:1920])
    await line.sent(3)
    assert steps(line)[0] >= 14
    assert [begins for *_, begins in line.packets[:2]] == [True, True]
    leg.close()


async def test_one_clock_serves_many_calls() -> None:
    """All calls of a process wait for one timer, and each gets all of its places."""
    pacer = Pacer()
    calls = [speaking(SECOND[:19_200], pacer) for _ in range(12)]
    for _, line in calls:
        await line.sent(20)
    assert all(len(line.packets) == 20 for _, line in calls)
    assert len({leg.voice.phase for leg, _ in calls}) == PHASES
    for leg, _ in calls:
        leg.close()


async def test_fault_of_one_voice_leaves_the_others_alone() -> None:
    """The clock is everybody's."""
    pacer = Pacer()

    class Broken(Line):
        def send(self, payload: bytes, timestamp: int, *, begins: bool) -> None:
            raise RuntimeError

    broken, other = WebRtcLeg(pacer), WebRtcLeg(pacer)
    line = Line()
    for leg, wire in ((broken, Broken()), (other, line)):
        leg.voice.use("audio/opus")
        leg.plays = True
        leg.play("resp", "item", SECOND[:9_600])
        leg.voice.begin(wire)
    await line.sent(10)
    broken.close()
    other.close()


class Session:
    """A session that is told what was played."""

    def __init__(self) -> None:
        self.told: list[Input] = []

    def post(self, given: Input) -> None:
        """Keep it."""
        self.told.append(given)


@pytest.mark.parametrize("size", [0, 10, 960, 970])
async def test_end_of_an_answer_is_told_whatever_is_left_of_it(size: int) -> None:
    """Nothing at all, or less than a millisecond after the last packet: it was played."""
    leg, session = WebRtcLeg(), Session()
    leg.attach(cast("LegSession", session))
    leg.voice.use("audio/opus")
    leg.plays = True
    leg.voice.begin(Line())
    if size:
        leg.play("resp", "item", bytes(size))
    leg.finish("resp")
    async with asyncio.timeout(30):
        while not session.told:
            await asyncio.sleep(0.001)
    assert session.told == [Drained("resp")]
    leg.close()


class Hearing:
    """A session that only hears."""

    def __init__(self) -> None:
        self.heard = b""

    def overloaded(self, *, lag_ms: int) -> bool:
        """Never."""
        return lag_ms < 0

    def hear(self, audio: bytes) -> None:
        """Keep it."""
        self.heard += audio


async def test_empty_packets_of_g711_do_not_end_the_call() -> None:
    """They are lawful RTP, whatever is lost after them; the next words are heard."""
    leg, session = WebRtcLeg(), Hearing()
    leg.attach(cast("LegSession", session))
    sounds = [b"\x80" * 160, b"", b"\x80" * 160, b"\x80" * 160, b"\x80" * 160]
    for number, sound in zip((1, 2, 5, 6, 7), sounds, strict=True):
        leg.packet("audio/PCMU", Received(number, number * 160, sound))
    assert len(session.heard) >= 4 * 960
    leg.close()
