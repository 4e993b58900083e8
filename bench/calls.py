"""Calls: CPU of one that talks both ways, memory, set-up, and the delay that is added.

Callers send packets that were encoded before, and decode nothing but the one
that delay is measured with, so that the generator is no bottleneck.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
import wave
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from av import Packet

from bench.messages import cpu_s, memory_kib
from gateway.ingress.webrtc.opus import FRAME_SAMPLES, OpusDecoder, OpusEncoder
from gateway.ingress.webrtc.rtp import Arrived
from gateway.ingress.webrtc.tuned import tap
from tests.functional.caller import Caller
from tests.functional.client import QUESTION
from tests.functional.server import ROOT, Server

CALLS = 8
IDLE = 20
SET_UPS = 20
PACKET_S = 0.02
SETTLE_S = 1.5
BYTES_PER_S = 48_000
"""Of what a caller says, as it is kept."""
LOUD = 1_000.0
LEAST_SENT = 0.97
PERIOD = 100
"""Packets from mark to mark: two seconds of which half a second is silent."""
QUIET = 25

Answer = Callable[[str], Awaitable[str]]


def recording() -> list[bytes]:
    """Return two seconds of packets, silence and then speech that begins with a mark."""
    with wave.open(str(QUESTION)) as file:
        said = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    said = np.resize(said, (PERIOD - QUIET) * FRAME_SAMPLES)
    said[:FRAME_SAMPLES] = 12_000 * np.sin(np.arange(FRAME_SAMPLES) * 0.25)
    audio = np.concatenate([np.zeros(QUIET * FRAME_SAMPLES, "<i2"), said]).astype("<i2")
    encoder = OpusEncoder()
    return [encoder.encode(frame.tobytes()) for frame in audio.reshape(-1, FRAME_SAMPLES)]


class Mouth(MediaStreamTrack):
    """Sends what was encoded before."""

    kind = "audio"

    def __init__(self, packets: list[bytes]) -> None:
        super().__init__()
        self._packets, self._sent, self._began_s = packets, 0, 0.0
        self.marks_s: list[float] = []
        """When the packet with the mark was sent."""

    async def recv(self) -> Any:
        loop = asyncio.get_running_loop()
        self._began_s = self._began_s or loop.time()
        await asyncio.sleep(max(self._began_s + self._sent * PACKET_S - loop.time(), 0))
        place = self._sent % PERIOD
        if place == QUIET:
            self.marks_s.append(loop.time())
        packet: Packet[Any] = Packet(self._packets[place])
        packet.pts, packet.time_base = self._sent * 960, Fraction(1, 48_000)
        self._sent += 1
        return packet


@dataclass
class Ear:
    """Counts packets; one that listens finds marks."""

    listening: bool
    packets: int = 0
    marks_s: list[float] = field(default_factory=list)
    _quiet: int = 0
    _decoder: OpusDecoder = field(default_factory=OpusDecoder)

    def packet(self, _mime_type: str, packet: Arrived) -> None:
        self.packets += 1
        if not self.listening:
            return
        at_s = asyncio.get_running_loop().time()
        heard = np.frombuffer(self._decoder.decode(packet.payload), "<i2").astype(float)
        if np.sqrt(np.mean(heard**2)) < LOUD:
            self._quiet += 1
            return
        if self._quiet >= QUIET // 2:
            self.marks_s.append(at_s)
        self._quiet = 0


class Talker:
    """A call to one of the echoes."""

    def __init__(self, packets: list[bytes], *, listening: bool) -> None:
        self.mouth, self.ear = Mouth(packets), Ear(listening)
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.addTrack(self.mouth)
        tap(self.connection.getReceivers()[0], self.ear.packet)

    async def dial(self, answer: Answer) -> None:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        described = await answer(self.connection.localDescription.sdp)
        await self.connection.setRemoteDescription(RTCSessionDescription(described, "answer"))

    def delays_ms(self) -> list[float]:
        """Return how long marks took, there and back."""
        found: list[float] = []
        for heard_s in self.ear.marks_s:
            sent = [mark_s for mark_s in self.mouth.marks_s if mark_s <= heard_s]
            if sent:
                found.append((heard_s - sent[-1]) * 1000)
        return found


async def echo(which: str, *, seconds: float) -> dict[str, float]:
    """Measure one of the echoes with calls that talk both ways."""
    packets = recording()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.echoing", which],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    loop = asyncio.get_running_loop()

    async def answer(offer: str) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps({"offer": offer}), file=process.stdin, flush=True)
        line = await loop.run_in_executor(None, process.stdout.readline)
        return str(json.loads(line)["answer"])

    talkers = [Talker(packets, listening=number == 0) for number in range(CALLS)]
    try:
        for talker in talkers:
            await talker.dial(answer)
        await asyncio.sleep(SETTLE_S)
        found = await _cpu(process.pid, [talker.ear for talker in talkers], seconds)
        delays = talkers[0].delays_ms()
    finally:
        for talker in talkers:
            await talker.connection.close()
        process.kill()
        process.wait()
    return {**found, "delay_ms": statistics.median(delays)}


async def _cpu(pid: int, ears: list[Ear], seconds: float) -> dict[str, float]:
    before, heard = cpu_s(pid), sum(ear.packets for ear in ears)
    own, began = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    took, own = time.monotonic() - began, time.process_time() - own
    cpu, heard = cpu_s(pid) - before, sum(ear.packets for ear in ears) - heard
    each = cpu / took / len(ears)
    return {
        "core_percent_per_call": each * 100,
        "calls_per_core": 1 / each,
        "packets_per_s": heard / took / len(ears),
        "of_planned": heard / took / len(ears) * PACKET_S,
        "generator_core": own / took,
    }


async def gateway(server: Server, *, seconds: float) -> dict[str, float]:
    """Measure the gateway with its echo engine: talking, idle, set-up."""
    packets, pid = recording(), server.process.pid
    session = {"type": "realtime", "model": "echo", "audio": {"input": {"turn_detection": None}}}

    async def call() -> tuple[Caller, Ear]:
        caller, ear = Caller(server), Ear(listening=False)
        caller.connection.getSenders()[0].replaceTrack(Mouth(packets))
        tap(caller.connection.getReceivers()[0], ear.packet)
        answer = await caller.dial(session)
        assert answer.status_code == 201, answer.text
        await caller.until("session.created")
        return caller, ear

    for _ in range(3):
        await (await call())[0].close()
    await asyncio.sleep(SETTLE_S)
    memory, cpu = memory_kib(pid), cpu_s(pid)
    began = time.monotonic()
    made: list[tuple[Caller, Ear]] = []
    begun: list[float] = []
    for _ in range(SET_UPS):
        made.append(await call())
        begun.append(time.monotonic())
    # While they are set up the first ones talk already: what that costs is taken off below.
    set_up, spoken_s = cpu_s(pid) - cpu, (time.monotonic() - began) * SET_UPS / 2
    await asyncio.sleep(SETTLE_S)
    idle_kib = (memory_kib(pid) - memory) / SET_UPS
    # It waits in the input buffer, since nobody finds turns here.
    said_kib = (time.monotonic() - statistics.mean(begun)) * BYTES_PER_S / 1024
    cpu = cpu_s(pid)
    await asyncio.sleep(seconds)
    listening = (cpu_s(pid) - cpu) / seconds / SET_UPS
    for caller, _ in made[CALLS:]:
        await caller.close()
    talking = made[:CALLS]
    for caller, _ in talking:
        caller.ask(f"tone:{int(seconds * 1000) + 8000}")
    await asyncio.sleep(SETTLE_S)
    found = await _cpu(pid, [ear for _, ear in talking], seconds)
    for caller, _ in talking:
        await caller.close()
    return {
        **found,
        "call_kib": idle_kib,
        "said_kib": said_kib,
        "set_up_ms": (set_up - listening * spoken_s) / SET_UPS * 1000,
        "listening_calls_per_core": 1 / listening,
    }


def show(found: dict[str, dict[str, float]]) -> None:
    """Print what was found; CPU by packet, so that a side that sent fewer is not the better one."""
    for name, each in found.items():
        slow = each["of_planned"] < LEAST_SENT
        print(
            f"calls      {name:8} {each['core_percent_per_call']:.1f} % of a core per call "
            f"({each['calls_per_core']:.0f} per core), {each['packets_per_s']:.0f} packets/s"
            + (" (VOID: it did not keep up)" if slow else "")
        )
    for name in ("ours", "aiortc"):
        each = found[name]
        print(f"calls      {name:8} {each['delay_ms']:.0f} ms there and back (median)")
    each = found["gateway"]
    by_packet = {
        name: each["core_percent_per_call"] / each["packets_per_s"] for name, each in found.items()
    }
    print(
        f"calls      aiortc / ours {by_packet['aiortc'] / by_packet['ours']:.2f} by packet; "
        f"{each['call_kib']:.0f} KiB a call, {each['said_kib']:.0f} of them what it said, "
        f"set up for {each['set_up_ms']:.0f} ms of CPU, "
        f"{each['listening_calls_per_core']:.0f} calls per core that only listen"
    )
