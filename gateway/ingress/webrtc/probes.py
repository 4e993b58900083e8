"""Asks where media came from whether the caller is there: few at a time, each twice at most.

Sources can be forged: then whoever is asked never heard of us. A flood from
everywhere makes us send a handful of packets and keeps nobody out who moved: a
stream that was heard before is likely the caller's, and has places of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from gateway.ingress.webrtc.sealed import is_srtp, sender
from gateway.ingress.webrtc.sockets import MediaSocket

MOST_PROBES: Final = 4
"""Addresses that are asked at once; each takes 1.5 s at most."""
MOST_UNKNOWN: Final = 2
"""Of these for streams that were never heard, and for DTLS."""
MOST_STREAMS: Final = 8
"""Of a call, the last heard; sound has one."""
RETRIES: Final = 1
LEAST_DTLS_BYTES: Final = 13
LEAST_SRTP_BYTES: Final = 16
"""A header and the shortest tag."""

Address = tuple[str, int]
Way = tuple[MediaSocket, Address]


def is_media(packet: bytes) -> bool:
    """Say whether a packet can be DTLS, SRTP or SRTCP (RFC 7983)."""
    if 20 <= packet[0] <= 63:
        return len(packet) >= LEAST_DTLS_BYTES
    return 128 <= packet[0] <= 191 and len(packet) >= LEAST_SRTP_BYTES


class Probes:
    """The questions of one call."""

    def __init__(self, ask: Callable[[MediaSocket, Address], Coroutine[Any, Any, None]]) -> None:
        self._ask = ask
        self._asked: dict[Way, asyncio.Task[None]] = {}
        self._unknown: set[Way] = set()
        self._streams: dict[bytes, None] = {}
        self._last = b""

    def heard(self, packet: bytes) -> None:
        """Remember a stream of the caller's."""
        stream = _stream(packet)
        if stream is None or stream == self._last:
            return
        self._last = stream
        self._streams.pop(stream, None)
        self._streams[stream] = None
        if len(self._streams) > MOST_STREAMS:
            del self._streams[next(iter(self._streams))]

    def ask(self, way: Way, packet: bytes) -> None:
        """Ask where a packet came from, unless that is being done or there is no place."""
        if way in self._asked or len(self._asked) >= MOST_PROBES:
            return
        if _stream(packet) not in self._streams:
            if len(self._unknown) >= MOST_UNKNOWN:
                return
            self._unknown.add(way)
        task = self._asked[way] = asyncio.create_task(self._ask(*way))
        task.add_done_callback(lambda _: self._ended(way))

    def _ended(self, way: Way) -> None:
        self._asked.pop(way, None)
        self._unknown.discard(way)

    async def close(self) -> None:
        """Ask no more."""
        running = list(self._asked.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)


def _stream(packet: bytes) -> bytes | None:
    """Return who sends an SRTP or SRTCP packet (SSRC), which both say in the clear."""
    return sender(packet) if is_srtp(packet) else None
