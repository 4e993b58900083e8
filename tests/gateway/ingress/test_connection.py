"""A peer connection that ends before anybody came."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.ingress.webrtc.leg import WebRtcLeg
from gateway.ingress.webrtc.network import Network
from gateway.ingress.webrtc.offer import checked_offer
from gateway.ingress.webrtc.peer import Peer
from gateway.settings import Settings
from tests.fuzz.offers import OFFERS
from tests.servers.nat import own_address


async def test_call_that_ends_unconnected_begins_no_handshake() -> None:
    """The end wakes who waits for a way to the caller; it has nobody to shake hands with."""
    before = len(asyncio.all_tasks())
    peer = Peer(WebRtcLeg(), Network(Settings(rtp_addresses=[own_address()])))  # type: ignore[list-item]
    await peer.answer(checked_offer(OFFERS[0]))
    await peer.close()
    async with asyncio.timeout(30):
        while len(asyncio.all_tasks()) > before:
            await asyncio.sleep(0)
    connection: Any = peer._connection
    for transceiver in connection.getTransceivers():
        assert transceiver.receiver.transport._ssl is None
    assert connection.connectionState == "closed"
