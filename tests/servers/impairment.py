"""A bad network between a WebRTC caller and the gateway: a UDP relay in user space.

It stands in the only candidate that either side is told of, so that all of a
call's packets pass: STUN, DTLS, RTP and the data channel. Each direction has
its own weather, and chance is seeded: the same seed draws the same fates.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

MEDIA = 128
"""SRTP and SRTCP begin with a byte from here on (RFC 7983)."""
Address = tuple[str, int]

_CANDIDATE = re.compile(
    r"a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host.*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What happens to the packets of one direction."""

    loss: float = 0.0
    """The part that is lost."""
    jitter_ms: float = 0.0
    """Each packet is late by up to so much; order is kept, as a queue keeps it."""
    reordering: float = 0.0
    """The part that is overtaken."""
    overtaken_ms: float = 30.0
    """How late an overtaken packet is."""
    duplication: float = 0.0
    """The part that comes twice."""
    forged: int = 0
    """Packets before each one of media that look like it, from its address, under other keys."""


FINE = Weather()


class Direction(asyncio.DatagramProtocol):
    """Takes packets on one socket and hands them to the other, as the weather is."""

    def __init__(self, seed: int) -> None:
        self.weather = FINE
        self.target: Address | None = None
        self.source: Address | None = None
        """Where packets came from last."""
        self.passed = self.lost = 0
        self._choose = random.Random(seed)
        self._transport: asyncio.DatagramTransport | None = None
        self.other: Direction | None = None
        self._out = False
        self._held: list[bytes] | None = None
        self._last_s = 0.0

    @property
    def address(self) -> Address:
        """Where this side listens."""
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")[:2]
        return host, port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Pass a packet on, late, twice, or never."""
        self.source = addr[0], addr[1]
        choose, weather = self._choose, self.weather
        lost, late = choose.random() < weather.loss, choose.random() * weather.jitter_ms
        overtaken, twice = choose.random(), choose.random()
        if self._out or lost:
            self.lost += 1
            return
        if self._held is not None:
            self._held.append(data)
            return
        loop = asyncio.get_running_loop()
        due_s = loop.time() + late / 1000
        if overtaken < weather.reordering:
            loop.call_at(due_s + weather.overtaken_ms / 1000, self._send, data)
        else:
            self._last_s = due_s = max(self._last_s, due_s)
            loop.call_at(due_s, self._send, data)
        if twice < weather.duplication:
            loop.call_at(due_s + 0.01, self._send, data)

    def error_received(self, _exc: Exception) -> None:
        """The other end is gone; so be it."""

    def _send(self, data: bytes) -> None:
        other = self.other
        if other is None or other._transport is None or other._transport.is_closing():
            return
        target = other.source or self.target
        if target is not None:
            self.passed += 1
            if data[0] >= MEDIA:
                for number in range(self.weather.forged):
                    other._transport.sendto(_forged(data, number + 1), target)
            other._transport.sendto(data, target)

    async def outage(self, seconds: float) -> None:
        """Lose everything for so long."""
        self._out = True
        await asyncio.sleep(seconds)
        self._out = False

    async def stall(self, seconds: float) -> None:
        """Hold everything back for so long, then let it go at once."""
        self._held = []
        await asyncio.sleep(seconds)
        held, self._held = self._held, None
        for data in held:
            self._send(data)

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()


class Impairment:
    """The relay of one call."""

    def __init__(self, seed: int) -> None:
        self.up = Direction(seed)
        """From the caller to the gateway; listens to the caller."""
        self.down = Direction(seed + 1)
        """From the gateway to the caller; listens to the gateway."""
        self.up.other, self.down.other = self.down, self.up

    def between(self, offer: str) -> str:
        """Return an offer that knows the relay only."""
        self.down.target = _host(offer)
        return _rewritten(offer, self.down.address)

    def answered(self, answer: str) -> str:
        """Return an answer that knows the relay only."""
        self.up.target = _host(answer)
        return _rewritten(answer, self.up.address)

    def both(self, weather: Weather) -> None:
        """Have the same weather both ways."""
        self.up.weather = self.down.weather = weather


@asynccontextmanager
async def impaired(seed: int) -> AsyncIterator[Impairment]:
    """Run a relay for one call."""
    relay = Impairment(seed)
    loop = asyncio.get_running_loop()
    try:
        for side in (relay.up, relay.down):
            await loop.create_datagram_endpoint(lambda side=side: side, ("0.0.0.0", 0))  # type: ignore[misc]  # noqa: S104
        yield relay
    finally:
        relay.up.close()
        relay.down.close()


def _forged(packet: bytes, ahead: int) -> bytes:
    """Return what a stranger would send in place of a later packet of RTP or RTCP."""
    sequence = (int.from_bytes(packet[2:4]) + ahead) % (1 << 16)
    return packet[:2] + sequence.to_bytes(2) + packet[4:-1] + bytes([packet[-1] ^ 1])


def _host(sdp: str) -> Address:
    found = _CANDIDATE.search(sdp)
    assert found is not None, "no IPv4 host candidate"
    return found[1], int(found[2])


def _rewritten(sdp: str, relay: Address) -> str:
    """Put the relay in place of the first candidate of each section; leave the others out."""
    host = _host(sdp)[0]
    lines: list[str] = []
    for line in sdp.splitlines():
        if line.startswith("a=candidate:"):
            if not lines[-1].startswith("a=candidate:"):
                lines.append(f"a=candidate:1 1 udp 2130706431 {host} {relay[1]} typ host")
        else:
            lines.append(line)
    return "\r\n".join(lines) + "\r\n"
