"""A caller behind a bad network, who loses nothing more by its own library.

aiortc as it comes neither conceals nor uses copies of lost packets, and one
lost packet costs it 100 ms. Browsers do better; this caller puts packets in
order and conceals as one does, so that what is scored is what was sent.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import websockets
from aiortc import RTCSessionDescription
from av import Packet

from gateway.ingress.webrtc.codecs import OPUS, OpusStream
from gateway.ingress.webrtc.opus import OpusEncoder
from gateway.ingress.webrtc.rtp import Arrived
from gateway.ingress.webrtc.tuned import tap
from realtime.media.jitter import Audio, JitterBuffer, Lost
from tests.functional.caller import FRAME_SAMPLES, HZ, LOUD, Caller, Microphone
from tests.functional.scoring import samples
from tests.functional.server import Server
from tests.servers.impairment import Impairment, impaired

WAIT_S = 30.0


class CopyingMicrophone(Microphone):
    """Speaks as browsers do that were asked to: each packet has a copy of the one before."""

    def __init__(self) -> None:
        super().__init__()
        self._encoder = OpusEncoder(loss_percent=20)

    async def recv(self) -> Any:
        """Return the next packet when it is due."""
        frame = await super().recv()
        packet = Packet(self._encoder.encode(frame.to_ndarray().tobytes()))
        packet.pts, packet.time_base = frame.pts * 2, Fraction(1, 48_000)
        return packet


class Ear:
    """What came by RTP, in order, gaps concealed."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.levels: list[tuple[float, float]] = []
        """When sound came, and how loud."""
        self.pauses = 0
        """How often the sender had nothing to play."""
        self._opus = OpusStream()
        self._jitter = JitterBuffer(clock_hz=self._opus.clock_hz)

    def packet(self, mime_type: str, packet: Arrived) -> None:
        """Take a packet."""
        assert mime_type.lower() == OPUS
        loop, before = asyncio.get_running_loop(), len(self.heard)
        ticks = self._opus.ticks(packet.payload)
        for one in self._jitter.put(
            packet.sequence_number, packet.timestamp, packet.payload, ticks, int(loop.time() * 1000)
        ):
            match one:
                case Audio(payload):
                    self.heard += self._opus.decode(payload)
                case Lost(lost, following):
                    self.heard += self._opus.conceal(lost, following)
                case _:
                    self.pauses += 1
                    self.heard += bytes(one.ticks)  # 48 kHz ticks are bytes of 24 kHz
        came = samples(bytes(self.heard[before:]))
        if len(came):
            self.levels.append((loop.time(), float(np.sqrt(np.mean(came**2)))))

    def loud_s(self) -> list[float]:
        """Return when something was heard."""
        return [at_s for at_s, loud in self.levels if loud > LOUD]


class BadNetworkCaller(Caller):
    """A caller whose packets all pass the relay."""

    def __init__(self, server: Server, relay: Impairment, *, copying: bool) -> None:
        super().__init__(server)
        self.relay = relay
        self.ear = Ear()
        if copying:
            self.microphone = CopyingMicrophone()
            self.connection.getSenders()[0].replaceTrack(self.microphone)
        tap(self.connection.getReceivers()[0], self.ear.packet)

    async def offer(self) -> str:
        """Return an offer that knows the relay only."""
        return self.relay.between(await super().offer())

    def described(self, answer: str) -> RTCSessionDescription:
        """Return an answer that knows the relay only."""
        return RTCSessionDescription(self.relay.answered(answer), "answer")

    async def audio_of(self, item_id: str) -> np.ndarray:
        """Return an item's audio as the gateway has it; a data channel does not bear it."""
        async with self.sideband() as socket:
            await socket.send(
                json.dumps({"type": "conversation.item.retrieve", "item_id": item_id})
            )
            event = await _next(socket, "conversation.item.retrieved")
        return samples(base64.b64decode(event["item"]["content"][0]["audio"]))

    def sideband(self) -> Any:
        """Open a sideband."""
        headers = {"Authorization": f"Bearer {self.key}"}
        url = f"{self.server.ws_url}?call_id={self.call_id}"
        return websockets.connect(url, additional_headers=headers, compression=None, max_size=None)


async def _next(socket: Any, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(WAIT_S):
        while True:
            event = dict(json.loads(await socket.recv()))
            if event["type"] == kind:
                return event


@asynccontextmanager
async def calling_badly(
    server: Server, seed: int, *, copying: bool = True
) -> AsyncIterator[BadNetworkCaller]:
    """Have a caller behind a relay; the weather is fine until it is changed."""
    async with impaired(seed) as relay:
        caller = BadNetworkCaller(server, relay, copying=copying)
        try:
            yield caller
        finally:
            await caller.close()


assert FRAME_SAMPLES * 50 == HZ
