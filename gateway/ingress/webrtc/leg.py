"""The media leg of a WebRTC call: RTP in, RTP out, 20 ms at a time (DECISIONS 1.6, 1.12)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

from gateway.ingress.webrtc.codecs import Decoder, decoder
from gateway.ingress.webrtc.pacer import Pacer
from gateway.ingress.webrtc.rtp import Arrived
from gateway.ingress.webrtc.voice import Voice, VoiceTrack
from gateway.sessions.deadline import Deadline
from gateway.sessions.leg import LegSession
from gateway.telemetry import metrics
from realtime.engine import BYTES_PER_SAMPLE, SAMPLE_RATE
from realtime.media.jitter import Audio, JitterBuffer, Lost, Released
from realtime.media.playout import Playout
from realtime.session.inputs import Drained

LAG_MS: Final = 2_000
"""Recognition may be this far behind before incoming audio is dropped (DECISIONS 3.6)."""

BUSY_MS: Final = 20
READING_MS: Final = 5
"""A timer that is later than the one lets sockets be read for the other before it judges."""

MOST_AHEAD_MS: Final = 10 * 60 * 1_000
"""Audio that may wait to be played; who asks on and on hears no more."""


class WebRtcLeg:
    """Hears RTP packets and plays answers; serves one session."""

    def __init__(self, pacer: Pacer | None = None) -> None:
        """`pacer` is the process's; one of its own is for who is alone."""
        self._loop = asyncio.get_running_loop()
        self._session: LegSession | None = None
        self._playout = Playout()
        self.track = VoiceTrack()
        self.voice = Voice(self._playout, pacer or Pacer(), self._report_drained)
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

    def packet(self, mime_type: str, packet: Arrived) -> None:
        """Take an RTP packet."""
        if mime_type != self._mime_type:
            self._switch(mime_type)
        jitter, spoken = self._jitter, self._decoder
        if jitter is None or spoken is None:
            return
        payload = packet.payload
        place = packet.sequence_number, packet.timestamp, payload
        ticks, now = spoken.ticks(payload), self._now()
        if jitter.passes(*place, ticks, now):
            if self._listens(1):
                self._say(self._decoded(payload, spoken))
        else:
            lost, late = jitter.lost, jitter.late
            self._hear(jitter.put(*place, ticks, now))
            metrics.RTP_LOST.inc(jitter.lost - lost)
            metrics.RTP_LATE.inc(jitter.late - late)
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
        spoken = self._decoder
        if spoken is not None and released and self._listens(len(released)):
            self._say(b"".join(self._audio(one, spoken) for one in released))

    def _listens(self, count: int) -> bool:
        """Say whether as much is heard; what is not is counted."""
        if self._session is None:
            return False
        if self._session.overloaded(lag_ms=LAG_MS):
            metrics.RTP_DROPPED.inc(count)
            return False
        return True

    def _say(self, heard: bytes) -> None:
        if heard and self._session is not None:
            self._session.hear(heard)

    def _audio(self, one: Released, spoken: Decoder) -> bytes:
        match one:
            case Audio(payload):
                return self._decoded(payload, spoken)
            case Lost(ticks, following):
                try:
                    return spoken.conceal(ticks, following)
                except ValueError:
                    metrics.RTP_INVALID.inc()
        return _silence(one.ticks, spoken)

    def _decoded(self, payload: bytes, spoken: Decoder) -> bytes:
        try:
            return spoken.decode(payload) if payload else b""
        except ValueError:  # no packet of this codec
            metrics.RTP_INVALID.inc()
            return _silence(spoken.ticks(payload), spoken)

    # --- what the caller hears ---

    def play(self, response_id: str, item_id: str, audio: bytes) -> None:
        """Queue audio; what nobody hears, or what is too far ahead, is dropped."""
        if not self.plays:
            return
        if self._playout.waiting_ms > MOST_AHEAD_MS:
            metrics.PLAYOUT_DROPPED.inc()
            return
        self._playout.add(response_id, item_id, audio)
        self.voice.wake()

    @property
    def waits(self) -> bool:
        """Something is still to be played."""
        return self._playout.waits

    def finish(self, response_id: str) -> None:
        """No more audio of the response comes."""
        if not self.plays and self._session is not None:
            self._session.post(Drained(response_id))
            return
        self._playout.finish(response_id)
        self.voice.wake()

    def clear(self, response_ids: Collection[str]) -> dict[str, dict[str, int]]:
        """Fall silent."""
        return self._playout.clear(response_ids)

    def _report_drained(self) -> None:
        for response_id in self._playout.drained():
            if self._session is not None:
                self._session.post(Drained(response_id))

    def close(self) -> None:
        """The call is over."""
        self._deadline.move(None)
        self._session = None
        self._jitter = None
        self.voice.close()
        self.track.stop()
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None


def _silence(ticks: int, spoken: Decoder) -> bytes:
    return bytes(ticks * SAMPLE_RATE // spoken.clock_hz * BYTES_PER_SAMPLE)
