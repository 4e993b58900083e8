"""The pace of what a caller hears."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, cast

import pytest
from aiortc.rtp import RtpPacket
from av.packet import Packet

from gateway.ingress.webrtc.leg import WebRtcLeg
from gateway.sessions.leg import LegSession

PACKET_TICKS = 960
SECOND = bytes(48_000)


async def speaking() -> WebRtcLeg:
    """Return a leg with a second to say, which has begun."""
    leg = WebRtcLeg()
    leg.track.use("audio/opus")
    leg.plays = True
    leg.play("resp", "item", SECOND)
    return leg


def at_once(packet: Coroutine[Any, Any, Packet]) -> Packet:
    """Return what a coroutine has without waiting for anything."""
    with pytest.raises(StopIteration) as ended:
        packet.send(None)
    value: Packet = ended.value.value
    return value


async def test_busy_moment_is_caught_up_with() -> None:
    """Packets that a busy loop made late leave at once, and the next is on time again."""
    leg = await speaking()
    first = await leg.track.recv()
    began_s = asyncio.get_running_loop().time()
    time.sleep(0.07)  # noqa: ASYNC251 -- the loop is busy
    late = [at_once(leg.track.recv()) for _ in range(3)]
    late += [await leg.track.recv() for _ in range(3)]
    took_s = asyncio.get_running_loop().time() - began_s
    assert [one.pts - first.pts for one in late] == [PACKET_TICKS * n for n in range(1, 7)]
    assert took_s >= 0.11
    leg.close()


async def test_pause_is_not_caught_up_with() -> None:
    """What comes after silence begins when it comes, and media time knows of the silence."""
    leg = WebRtcLeg()
    leg.track.use("audio/opus")
    leg.plays = True
    leg.play("resp", "item", SECOND[:960])
    first = await leg.track.recv()
    waiting = asyncio.create_task(leg.track.recv())
    await asyncio.sleep(0.3)
    leg.play("resp", "item", SECOND[:1920])
    second, third = await waiting, await leg.track.recv()
    assert second.pts - first.pts >= 14 * PACKET_TICKS
    assert third.pts - second.pts == PACKET_TICKS
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
        packet = RtpPacket(payload_type=0, sequence_number=number, timestamp=number * 160)
        packet.payload = sound
        leg.packet("audio/PCMU", packet)
    assert len(session.heard) >= 4 * 960
    leg.close()
