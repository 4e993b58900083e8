"""The media leg of a WebRTC call: RTP in, RTP out, 20 ms at a time (DECISIONS 1.6, 1.12)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from fractions import Fraction
from typing import Any, Final

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket
from av import Packet

from gateway.ingress.webrtc.codecs import Decoder, Encoder, decoder, encoder, packet_ticks
from gateway.sessions.deadline import Deadline
from gateway.sessions.leg import LegSession
from gateway.telemetry import metrics
from realtime.engine import BYTES_PER_SAMPLE, SAMPLE_RATE
from realtime.media.jitter import Audio, JitterBuffer, Lost, Released
from realtime.media.playout import FRAME_MS, Playout
from realtime.session.inputs import Drained

LAG_MS: Final = 2_000
"""Recognition may be this far behind before incoming audio is dropped (DECISIONS 3.6)."""

BUSY_MS: Final = 20
READING_MS: Final = 5
"""A timer that is later than the one lets sockets be read for the other before it judges."""

CATCH_UP_MS: Final = 100
"""What a busy loop made late is sent at once up to here, else every such moment would add to
the delay of an answer that has no end; beyond it the time is taken as a pause."""

MOST_AHEAD_MS: Final = 10 * 60 * 1_000
"""Audio that may wait to be played; who asks on and on hears no more."""


class VoiceTrack(MediaStreamTrack):
    """What the caller hears: packets on time while there is something to say, else nothing."""

    kind = "audio"

    def __init__(self, playout: Playout, leg: WebRtcLeg) -> None:
        super().__init__()
        self._playout = playout
        self._leg = leg
        self._encoder: Encoder | None = None
        self._mime_type = ""
        self._began_s = 0.0
        self._sent = 0
        """20 ms places that passed since the beginning, silent ones too."""
        self._paused = True
        """Nothing was there to be played."""
        self._wake = asyncio.Event()

    def use(self, mime_type: str) -> None:
        """Speak this codec from now on."""
        if mime_type != self._mime_type:
            self._mime_type = mime_type
            self._encoder = encoder(mime_type)

    def wake(self) -> None:
        """There may be something to say."""
        self._wake.set()

    async def recv(self) -> Packet[Any]:
        """Return the next packet when it is due."""
        loop = asyncio.get_running_loop()
        while self.readyState == "live":
            self._leg.report_drained()
            self._wake.clear()
            if self._encoder is None or not self._playout.waiting_ms:
                await self._more()
                continue
            now = loop.time()
            if not self._sent:
                self._began_s = now
            due = self._began_s + self._sent * FRAME_MS / 1000
            if now - due > (FRAME_MS if self._paused else CATCH_UP_MS) / 1000:
                # Silence, or a loop that was busy for long: go on from here.
                self._sent = int((now - self._began_s) * 1000 / FRAME_MS)
            elif due > now:
                await asyncio.sleep(due - now)
            frame = self._playout.frame()
            if frame is None:  # a piece of a frame waits for its rest
                await self._more()
                continue
            self._paused = False
            return self._packet(frame, self._encoder)
        raise MediaStreamError

    async def _more(self) -> None:
        self._paused = True
        await self._wake.wait()

    def _packet(self, frame: bytes, voice: Encoder) -> Packet[Any]:
        packet = Packet(voice.encode(frame))
        packet.pts = self._sent * packet_ticks(voice.clock_hz)
        packet.time_base = Fraction(1, voice.clock_hz)
        self._sent += 1
        return packet

    def stop(self) -> None:
        """The call is over."""
        super().stop()
        if self._encoder is not None:
            self._encoder.close()
            self._encoder = None
        self._wake.set()


class WebRtcLeg:
    """Hears RTP packets and plays answers; serves one session."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._session: LegSession | None = None
        self._playout = Playout()
        self.track = VoiceTrack(self._playout, self)
        self._decoder: Decoder | None = None
        self._mime_type = ""
        self._jitter: JitterBuffer | None = None
        self._deadline = Deadline(self._loop, self._expire)
        self._armed = False
        self._read_first = False
        self.plays = False
        """The caller takes our audio."""

    def attach(self, session: LegSession) -> None:
        """Serve this session."""
        self._session = session

    # --- what the caller says ---

    def packet(self, mime_type: str, packet: RtpPacket) -> None:
        """Take an RTP packet."""
        if mime_type != self._mime_type:
            self._switch(mime_type)
        if self._jitter is None or self._decoder is None:
            return
        lost, late = self._jitter.lost, self._jitter.late
        ticks = self._decoder.ticks(packet.payload)
        self._hear(
            self._jitter.put(
                packet.sequence_number, packet.timestamp, packet.payload, ticks, self._now()
            )
        )
        if self._jitter.lost > lost:
            metrics.RTP_LOST.inc(self._jitter.lost - lost)
        if self._jitter.late > late:
            metrics.RTP_LATE.inc(self._jitter.late - late)
        if not self._armed:
            self._arm()

    def _switch(self, mime_type: str) -> None:
        if self._decoder is not None:
            self._decoder.close()
        self._mime_type = mime_type
        self._decoder = decoder(mime_type)
        spoken = self._decoder
        self._jitter = None if spoken is None else JitterBuffer(clock_hz=spoken.clock_hz)

    def _now(self) -> int:
        return int(self._loop.time() * 1000)

    def _arm(self) -> None:
        # Not moved by every packet: whoever wakes too early looks again.
        due = None if self._jitter is None else self._jitter.deadline_ms()
        self._armed = due is not None
        self._deadline.move(due)

    def _expire(self) -> None:
        self._armed = False
        if self._jitter is None:
            return
        now, due = self._now(), self._jitter.deadline_ms()
        if due is not None and now - due > BUSY_MS and not self._read_first:
            # We were busy, and what seems to be missing waits in the socket.
            self._read_first = self._armed = True
            self._deadline.move(now + READING_MS)
            return
        self._read_first = False
        self._hear(self._jitter.expire(now))
        self._arm()

    def _hear(self, released: list[Released]) -> None:
        session, spoken = self._session, self._decoder
        if session is None or spoken is None or not released:
            return
        if session.overloaded(lag_ms=LAG_MS):
            metrics.RTP_DROPPED.inc(len(released))
            return
        heard = b"".join(self._audio(one, spoken) for one in released)
        if heard:
            session.hear(heard)

    def _audio(self, one: Released, spoken: Decoder) -> bytes:
        try:
            match one:
                case Audio(payload):
                    return spoken.decode(payload) if payload else b""
                case Lost(ticks, following):
                    return spoken.conceal(ticks, following)
        except ValueError:  # no packet of this codec
            metrics.RTP_INVALID.inc()
        ticks = spoken.ticks(one.payload) if isinstance(one, Audio) else one.ticks
        return bytes(ticks * SAMPLE_RATE // spoken.clock_hz * BYTES_PER_SAMPLE)

    # --- what the caller hears ---

    def play(self, response_id: str, item_id: str, audio: bytes) -> None:
        """Queue audio; what nobody hears, or what is too far ahead, is dropped."""
        if not self.plays:
            return
        if self._playout.waiting_ms > MOST_AHEAD_MS:
            metrics.PLAYOUT_DROPPED.inc()
            return
        self._playout.add(response_id, item_id, audio)
        self.track.wake()

    @property
    def waits(self) -> bool:
        """Something is still to be played."""
        return bool(self._playout.waiting_ms)

    def finish(self, response_id: str) -> None:
        """No more audio of the response comes."""
        if not self.plays and self._session is not None:
            self._session.post(Drained(response_id))
            return
        self._playout.finish(response_id)
        self.track.wake()

    def clear(self, response_ids: Collection[str]) -> dict[str, dict[str, int]]:
        """Fall silent."""
        return self._playout.clear(response_ids)

    def report_drained(self) -> None:
        """Tell the session what was played to its end."""
        for response_id in self._playout.drained():
            if self._session is not None:
                self._session.post(Drained(response_id))

    def close(self) -> None:
        """The call is over."""
        self._deadline.move(None)
        self._session = None
        self._jitter = None
        self.track.stop()
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None
