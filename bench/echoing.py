"""Answers offers and sends back what it hears: `python -m bench.echoing ours|aiortc`.

`ours` is the gateway's media path without a session, `aiortc` the library as it
comes. One JSON line in per offer, one out per answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)

from gateway.ingress.webrtc.leg import WebRtcLeg
from gateway.ingress.webrtc.network import Network
from gateway.ingress.webrtc.peer import Peer
from gateway.settings import Settings
from realtime.session.inputs import Input

MOST_WAITING_MS = 40
kept: list[object] = []


class Echo:
    """A session that says what it hears."""

    def __init__(self, leg: WebRtcLeg) -> None:
        self._leg = leg

    def post(self, given: Input) -> None:
        """Nothing is drained: the answer has no end."""

    def hear(self, audio: bytes) -> None:
        # What came in a heap while the call was set up would delay all that follows.
        if self._leg._playout.waiting_ms < MOST_WAITING_MS:  # noqa: SLF001
            self._leg.play("resp", "item", audio)

    def overloaded(self, *, lag_ms: int) -> bool:
        return False


async def ours(offer: str) -> str:
    leg = WebRtcLeg()
    leg.attach(Echo(leg))
    peer = Peer(leg, Network(Settings(data_dir=Path(tempfile.gettempdir()))))
    kept.append(peer)
    return await peer.answer(offer)


async def theirs(offer: str) -> str:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    kept.append(peer)

    def echo(track: MediaStreamTrack) -> None:
        peer.addTrack(track)

    peer.on("track", echo)
    await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    return str(peer.localDescription.sdp)


async def main() -> None:
    answer = ours if sys.argv[1] == "ours" else theirs
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps({"answer": await answer(json.loads(line)["offer"])}), flush=True)


if __name__ == "__main__":
    if sys.platform == "linux":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())
