"""What a caller hears: packets on time while there is something to say, else nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Never, Protocol

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from gateway.ingress.webrtc.codecs import Encoder, encoder, packet_ticks
from gateway.ingress.webrtc.pacer import Pacer
from realtime.media.playout import Playout
from realtime.media.reports import Reports

NEVER: Final = -1


class Wire(Protocol):
    """Where encoded packets go."""

    def send(self, payload: bytes, timestamp: int, *, begins: bool) -> None:
        """Send a packet; `begins` tells the first one after silence."""


class VoiceTrack(MediaStreamTrack):
    """Stands for the voice in the library's descriptions; the voice itself is sent by the pacer."""

    kind = "audio"

    async def recv(self) -> Never:
        """Refuse: nobody reads it."""
        raise MediaStreamError


class Voice:
    """Plays a queue by the pacer's clock."""

    def __init__(self, playout: Playout, pacer: Pacer, drained: Callable[[], None]) -> None:
        """`drained` is called whenever something may have been played to its end."""
        self._playout = playout
        self._pacer = pacer
        self._drained = drained
        self._encoder: Encoder | None = None
        self._mime_type = ""
        self._ticks = 0
        self._wire: Wire | None = None
        self._last = NEVER
        """The place that was said last."""
        self._speaks = False
        """The pacer calls."""
        self._reports = Reports()
        self._waking: asyncio.Handle | None = None
        self.phase = pacer.phase()

    def use(self, mime_type: str) -> None:
        """Speak this codec from now on."""
        if mime_type != self._mime_type:
            self._mime_type = mime_type
            self._drop_encoder()

    def begin(self, wire: Wire) -> None:
        """The caller can be reached from now on, in one way; others are not used."""
        if self._wire is None:
            self._wire = wire
            self.wake()

    def wake(self) -> None:
        """There may be something to say, or to tell."""
        if not self._speaks and self._waking is None:
            # Not at once: whoever gives us something is in the middle of its own work.
            self._waking = asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        self._waking = None
        self._drained()
        if self._wire is None or not self._mime_type or not self._playout.waits:
            return
        if self._encoder is None:
            # Not before: those of callers who only speak would be a tenth of their memory.
            self._encoder = encoder(self._mime_type)
            self._encoder.protect(lossy=self._reports.lossy)
            self._ticks = packet_ticks(self._encoder.clock_hz)
        self._speaks = True
        self._pacer.start(self)
        self.due(self._pacer.place(self.phase))

    def due(self, place: int) -> None:
        """Say the 20 ms of a place."""
        spoken, wire = self._encoder, self._wire
        if place <= self._last or spoken is None or wire is None:
            return
        frame = self._playout.frame()
        if frame is not None:
            begins = place != self._last + 1
            self._last = place
            wire.send(spoken.encode(frame), place * self._ticks, begins=begins)
        if frame is None or not self._playout.waits:
            # Nothing, or a piece of a frame that waits for its rest.
            self._speaks = False
            self._pacer.stop(self)
        self._drained()

    def reported(self, *, fraction_lost: int, highest_sequence: int) -> None:
        """Take the caller's report of how our packets come."""
        before = self._reports.lossy
        self._reports.add(fraction_lost=fraction_lost, highest_sequence=highest_sequence)
        if self._encoder is not None and self._reports.lossy is not before:
            self._encoder.protect(lossy=self._reports.lossy)

    def close(self) -> None:
        """The call is over."""
        self._pacer.stop(self)
        self._speaks = False
        self._wire = None
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        self._drop_encoder()

    def _drop_encoder(self) -> None:
        if self._encoder is not None:
            self._encoder.close()
            self._encoder = None
