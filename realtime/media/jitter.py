"""Puts RTP packets in order and tells what is missing (RFC 3550); pure, driven by instants.

There is no playout clock here: what listens is a recogniser, so packets in
order are released at once, a burst too, and a delay is over when its burst has
come. A gap is waited for `wait_ms` or `wait_packets` later packets, then
released as lost; media time stays gap-free. While nothing comes at all,
`expire` releases silence in real time, so that a turn of somebody who muted
the microphone ends; time that was filled so is not filled again. A sender who
says that it pauses (DTX) is believed after `paused_ms`; where packets of sound
just stop, the network is more likely at fault, and silence in the middle of
words harms more than waiting: `quiet_ms`.

All durations in ticks of the RTP clock unless they say ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

MODULO: Final = 1 << 16
HALF: Final = 1 << 15
TIMESTAMPS: Final = 1 << 32
MOST_CONCEALED: Final = 3
"""Packets in a row that are concealed; beyond them loss is silence."""
RESYNC_PACKETS: Final = 1_000
"""A jump this far is another stream, or an outage that nobody can fill."""
PAUSE_BYTES: Final = 2
"""A packet of Opus this short says that nothing follows for a while (RFC 7587, 3.1.3)."""
MOST_GAP_MS: Final = 2_000
"""Media time without packets that is made up; beyond it the stream is taken to begin anew."""


@dataclass(frozen=True, slots=True)
class Audio:
    """A packet's payload, in its turn."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """A packet that did not come; `following` is the payload after it, which may hold a copy."""

    ticks: int
    following: bytes | None


@dataclass(frozen=True, slots=True)
class Silence:
    """Time in which nothing was said, or nothing was heard."""

    ticks: int


Released: TypeAlias = Audio | Lost | Silence


@dataclass(frozen=True, slots=True)
class _Packet:
    timestamp: int
    payload: bytes
    ticks: int
    came_ms: int


class JitterBuffer:
    """One stream's packets on their way to the decoder."""

    def __init__(
        self,
        *,
        clock_hz: int,
        wait_ms: int = 60,
        wait_packets: int = 3,
        quiet_ms: int = 250,
        paused_ms: int = 60,
        silence_ms: int = 20,
        most_packets: int = 64,
    ) -> None:
        self._hz = clock_hz
        self._wait_ms = wait_ms
        self._wait_packets = wait_packets
        self._quiet_ms = self._patience_ms = quiet_ms
        self._paused_ms = paused_ms
        self._silence_ms = silence_ms
        self._most = most_packets
        self._held: dict[int, _Packet] = {}
        self._next: int | None = None
        """The sequence number that is due."""
        self._timestamp = 0
        """The media time that is due, by the stream's own clock."""
        self._ticks = clock_hz // 50
        """How long the last packet was."""
        self._most_gap = clock_hz * MOST_GAP_MS // 1000
        self._filled = 0
        """Ticks of silence made up since the last packet."""
        self._quiet_since_ms: int | None = None
        self.lost = 0
        self.late = 0

    def passes(
        self, sequence: int, timestamp: int, payload: bytes, ticks: int, now_ms: int
    ) -> bool:
        """Take a packet if it is the one that is due and nothing waits, as nearly all are.

        It goes on as it is; any other is for `put`.
        """
        if sequence != self._next or timestamp != self._timestamp or ticks <= 0 or self._held:
            return False
        self._next = (sequence + 1) % MODULO
        self._quiet_since_ms = now_ms
        self._heard(payload, ticks)
        return True

    def put(
        self, sequence: int, timestamp: int, payload: bytes, ticks: int, now_ms: int
    ) -> list[Released]:
        """Take a packet that is `ticks` long; return what is due now, in order.

        One of no ticks holds nothing: it has its place in the order, and that is all.
        """
        if self._next is None:
            self._begin(sequence, timestamp)
        ahead = (sequence - (self._next or 0)) % MODULO
        if ahead >= HALF:
            if MODULO - ahead < RESYNC_PACKETS:
                self.late += 1
                return []
            self._begin(sequence, timestamp)
        elif ahead > RESYNC_PACKETS:
            self._begin(sequence, timestamp)
        self._held[sequence] = _Packet(timestamp, payload, ticks, now_ms)
        if ticks > 0:
            self._quiet_since_ms = now_ms
        return self._release(now_ms)

    def _begin(self, sequence: int, timestamp: int) -> None:
        self._held.clear()
        self._next = sequence
        self._timestamp = timestamp

    def expire(self, now_ms: int) -> list[Released]:
        """Return what is due by time alone: a gap waited for long enough, or silence."""
        released = self._release(now_ms)
        if self._held or self._quiet_since_ms is None:
            return released
        silent_ms = now_ms - self._quiet_since_ms - self._patience_ms
        due = silent_ms * self._hz // 1000 - self._filled
        if due >= self._silence_ms * self._hz // 1000:
            self._filled += due
            released.append(Silence(due))
        return released

    def deadline_ms(self) -> int | None:
        """Return when `expire` has something to do, None before the first packet."""
        if self._held:
            return min(packet.came_ms for packet in self._held.values()) + self._wait_ms
        if self._quiet_since_ms is None:
            return None
        filled_ms = self._filled * 1000 // self._hz
        return self._quiet_since_ms + self._patience_ms + filled_ms + self._silence_ms

    def _release(self, now_ms: int) -> list[Released]:
        released: list[Released] = []
        while self._held and self._next is not None:
            packet = self._held.pop(self._next, None)
            if packet is not None:
                self._audio(packet, released)
            elif self._waited(now_ms):
                self._give_up(released)
            else:
                break
        return released

    def _audio(self, packet: _Packet, released: list[Released]) -> None:
        self._next = ((self._next or 0) + 1) % MODULO
        if packet.ticks <= 0:
            return
        gap = (packet.timestamp - self._timestamp) % TIMESTAMPS
        if gap < TIMESTAMPS // 2:
            # The sender was silent on purpose (DTX), or the packet before was shorter.
            self._pause(gap, released)
            self._timestamp = packet.timestamp
        self._heard(packet.payload, packet.ticks)
        released.append(Audio(packet.payload))

    def _heard(self, payload: bytes, ticks: int) -> None:
        self._filled = 0
        paused = len(payload) <= PAUSE_BYTES
        self._patience_ms = self._paused_ms if paused else self._quiet_ms
        self._ticks = ticks
        self._timestamp = (self._timestamp + ticks) % TIMESTAMPS

    def _pause(self, ticks: int, released: list[Released]) -> None:
        """Add silence for media time that no packet holds and that was not filled yet."""
        rest = ticks - self._filled
        if 0 < rest <= self._most_gap:
            released.append(Silence(rest))

    def _waited(self, now_ms: int) -> bool:
        oldest = min(packet.came_ms for packet in self._held.values())
        held = len(self._held)
        return held >= min(self._wait_packets, self._most) or now_ms - oldest >= self._wait_ms

    def _give_up(self, released: list[Released]) -> None:
        """Release what is missing before the first packet that is there."""
        due = self._next or 0
        first = min(self._held, key=lambda sequence: (sequence - due) % MODULO)
        missing = (first - due) % MODULO
        self.lost += missing
        concealed = min(missing, MOST_CONCEALED)
        ticks = self._ticks * missing
        after = self._held[first].payload
        unfilled = max(ticks - self._filled, 0)
        concealed = min(concealed, unfilled // self._ticks)
        silent = unfilled - concealed * self._ticks
        if silent > 0:
            released.append(Silence(min(silent, self._most_gap)))
        released.extend(
            Lost(self._ticks, after if place == concealed - 1 else None)
            for place in range(concealed)
        )
        self._filled = max(self._filled - ticks, 0)
        self._timestamp = (self._timestamp + ticks) % TIMESTAMPS
        self._next = first
