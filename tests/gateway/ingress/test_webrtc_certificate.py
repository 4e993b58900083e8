"""The certificate of calls."""

from __future__ import annotations

from pathlib import Path

from gateway.ingress.webrtc.leg import WebRtcLeg
from gateway.ingress.webrtc.network import Network
from gateway.ingress.webrtc.peer import Peer
from gateway.settings import Settings
from tests.fuzz.offers import OFFERS


async def test_calls_of_a_process_share_a_certificate(tmp_path: Path) -> None:
    """Making one takes CPU, and a server is the same server in every call."""
    settings = Settings(data_dir=tmp_path, rtp_addresses=["127.0.0.1"])  # type: ignore[list-item]
    fingerprints: list[set[str]] = []
    for _ in range(2):
        peer = Peer(WebRtcLeg(), Network(settings))
        answer = await peer.answer(OFFERS[0])
        await peer.close()
        lines = answer.splitlines()
        fingerprints.append({line for line in lines if line.startswith("a=fingerprint:sha-256")})
    assert fingerprints[0] == fingerprints[1]
    assert len(fingerprints[0]) == 1
