"""Media that the caller did not send: it takes no place, ends no call, and moves nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RtcpByePacket, RtpPacket

from gateway.ingress.webrtc.ice import MOST_DTLS, MOST_QUEUED, IceConnection
from gateway.ingress.webrtc.leg import WebRtcLeg
from gateway.ingress.webrtc.network import Network
from gateway.ingress.webrtc.offer import checked_offer
from gateway.ingress.webrtc.peer import Peer
from gateway.ingress.webrtc.sealed import MOST_EARLY, MOST_SENDERS, MOST_SRTP_BYTES, Seal
from gateway.settings import Settings
from gateway.telemetry import metrics
from tests.functional.caller import Microphone
from tests.gateway.ingress.test_ice import until
from tests.servers.nat import Address, own_address

FLOOD = 4 * MOST_QUEUED
"""Forged packets for each genuine one, more than there is room for."""
STRANGER = ("192.0.2.77", 5_000)
SOON_S = 30.0


class Call:
    """A call between our peer and the library's, whose packets a test makes."""

    def __init__(self) -> None:
        self.leg = WebRtcLeg()
        self.peer = Peer(self.leg, Network(Settings(rtp_addresses=[own_address()])))  # type: ignore[list-item]
        self.caller = RTCPeerConnection()
        self.heard: list[int] = []
        """Sequence numbers of what reached the leg."""
        self._sequence = 0
        self.leg.packet = self._packet  # type: ignore[method-assign]

    def _packet(self, _mime_type: str, packet: RtpPacket) -> None:
        self.heard.append(packet.sequence_number)

    async def begin(self) -> None:
        """Connect, and say nothing."""
        silent = Microphone()
        silent.recv = asyncio.Event().wait  # type: ignore[assignment, method-assign]
        self.caller.addTrack(silent)
        self.caller.createDataChannel("oai-events")
        await self.caller.setLocalDescription(await self.caller.createOffer())
        answer = await self.peer.answer(checked_offer(self.caller.localDescription.sdp))
        await self.caller.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: "connected" == self.caller.connectionState == self.ours.connectionState)

    @property
    def ours(self) -> Any:
        """Our connection."""
        return self.peer._connection

    @property
    def way(self) -> IceConnection:
        """Our ICE agent."""
        way: IceConnection = self.ours._ways[0]
        return way

    @property
    def dtls(self) -> Any:
        """The caller's side of the keys."""
        return self.caller.getTransceivers()[0].sender.transport

    @property
    def address(self) -> Address:
        """Where the caller's packets come from."""
        assert self.way._selected is not None
        return self.way._selected[1]

    def genuine(self, ssrc: int = 7) -> bytes:
        """Return a sealed packet of the caller's."""
        self._sequence += 1
        plain = RtpPacket(payload_type=96, sequence_number=self._sequence, ssrc=ssrc)
        codec = self.ours.getTransceivers()[0]._codecs[0]
        plain.payload_type, plain.payload = codec.payloadType, b"\xf8" + bytes(60)
        return bytes(self.dtls._tx_srtp.protect(plain.serialize()))

    def comes(self, packet: bytes, address: Address | None = None) -> None:
        """Have a packet come out of our socket."""
        media: Any = self.way._protocols[0]
        media.datagram_received(packet, address or self.address)

    async def close(self) -> None:
        """End it."""
        await self.caller.close()
        await self.peer.close()


@pytest.fixture
async def call() -> AsyncIterator[Call]:
    """A connected call."""
    made = Call()
    try:
        await made.begin()
        yield made
    finally:
        await made.close()


def forged(genuine: bytes) -> bytes:
    """Return a packet that differs from a genuine one in its tag only."""
    return genuine[:-1] + bytes([genuine[-1] ^ 1])


def refused() -> float:
    """Return how many packets were found to be forged."""
    found = metrics.RTP_FORGED._value.get()
    return float(found)


@pytest.mark.parametrize("stranger", [False, True], ids=["the caller's address", "another"])
async def test_forged_packets_crowd_out_no_genuine_ones(call: Call, *, stranger: bool) -> None:
    """Only what the keys open takes a place, however much comes between two turns of the loop."""
    before, source = refused(), STRANGER if stranger else call.address
    for _ in range(3):
        genuine = call.genuine()
        for _ in range(FLOOD):
            call.comes(forged(genuine), source)
        call.comes(genuine)
        assert call.way._queue.qsize() <= 3
    await until(lambda: call.heard == [1, 2, 3])
    assert refused() - before == 3 * FLOOD


async def test_forged_dtls_leaves_room_for_media(call: Call) -> None:
    """It is opened later, so it has fewer places."""
    for _ in range(FLOOD):
        call.comes(b"\x17\xfe\xfd" + bytes(60))
    assert call.way._queue.qsize() == MOST_DTLS
    call.comes(call.genuine())
    await until(lambda: call.heard == [1])
    assert call.ours.connectionState == "connected"


@pytest.mark.parametrize("first_byte", [b"\x80\x6f", b"\x80\xc8"], ids=["RTP", "RTCP"])
async def test_packet_longer_than_any_does_not_end_the_call(call: Call, first_byte: bytes) -> None:
    """The library's binding raises an error for it that nobody expects."""
    before = refused()
    call.comes(first_byte + bytes(MOST_SRTP_BYTES), STRANGER)
    call.comes(call.genuine())
    await until(lambda: call.heard == [1])
    assert refused() == before + 1
    assert call.ours.connectionState == "connected"


async def test_forged_packet_is_no_sign_of_the_caller(call: Call) -> None:
    """Else who forges an address keeps a caller who moved from being followed."""
    call.way._heard_s = 0
    call.comes(forged(call.genuine()))
    assert call.way._heard_s == 0
    call.comes(call.genuine())
    assert call.way._heard_s > 0


async def test_forged_packet_asks_nobody(call: Call) -> None:
    """Only what the caller sealed is worth a question where it comes from now."""
    call.way._heard_s = 0
    genuine = call.genuine()
    call.comes(forged(genuine), STRANGER)
    assert not call.way._probes._asked
    call.comes(genuine, STRANGER)
    assert [way[1] for way in call.way._probes._asked] == [STRANGER]


async def test_packet_that_comes_twice_is_heard_once(call: Call) -> None:
    """Who listens on the way cannot say it again, from wherever."""
    genuine = call.genuine()
    call.comes(genuine)
    call.comes(genuine)
    call.comes(genuine, STRANGER)
    call.comes(call.genuine())
    await until(lambda: call.heard == [1, 2])
    await asyncio.sleep(0)
    assert call.heard == [1, 2]


async def test_control_packet_of_the_caller_is_opened(call: Call) -> None:
    """SRTCP has keys of its own, and reaches the library as before."""
    before = refused()
    bye = RtcpByePacket(sources=[7])
    call.comes(bytes(call.dtls._tx_srtp.protect_rtcp(bytes(bye))))
    assert refused() == before
    assert call.way._queue.qsize() == 1


async def test_senders_of_a_call_are_bounded(call: Call) -> None:
    """Each is a state in libsrtp that every packet looks through, and each packet may name one."""
    for ssrc in range(1, 4 * MOST_SENDERS):
        call.comes(call.genuine(ssrc))
    await until(lambda: len(call.heard) == MOST_SENDERS)
    call.comes(call.genuine(ssrc=1))
    await until(lambda: len(call.heard) == MOST_SENDERS + 1)


class TestBeforeTheKeys:
    async def test_packet_that_overtakes_the_handshake_is_heard(self) -> None:
        """The caller has the keys a moment before us."""
        call = Call()
        try:
            keys: list[Any] = []
            Seal.keys, made = lambda _, opener: keys.append(opener), Seal.keys  # type: ignore[method-assign]
            try:
                await call.begin()
            finally:
                Seal.keys = made  # type: ignore[method-assign]
            seal = call.way.seal
            assert seal is not None
            for _ in range(MOST_EARLY):
                call.comes(call.genuine())
                call.comes(call.genuine(), STRANGER)
            assert call.way._queue.empty()
            seal.keys(keys[0])
            await until(lambda: call.heard == list(range(1, 2 * MOST_EARLY, 2)))
        finally:
            await call.close()

    async def test_handshake_of_a_stranger_is_not_read(self) -> None:
        """A handshake believes an alert in the clear; it is taken from where checks came only."""
        call = Call()
        try:
            alert = b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28"
            begun = asyncio.create_task(call.begin())
            while not begun.done():
                if call.ours._ways and call.way._protocols:
                    call.comes(alert, STRANGER)
                await asyncio.sleep(0)
            await begun
            assert call.ours.connectionState == "connected"
        finally:
            await call.close()
