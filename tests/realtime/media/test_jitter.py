"""Packets in order, at once; what is missing is told; media time has no gap."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from realtime.media.jitter import Audio, JitterBuffer, Lost, Released, Silence

TICKS = 960
FRAME_MS = 20


class Stream:
    """A buffer and what it released; packet `n` is spoken at `n * 20` ms."""

    def __init__(self, first: int = 65_530, origin: int = 2**32 - 5 * TICKS) -> None:
        self.buffer = JitterBuffer(clock_hz=48_000)
        self.first, self.origin = first, origin
        self.released: list[Released] = []

    def packet(self, n: int, *, at_ms: int | None = None, more: bytes = b"") -> None:
        """Let packet `n` come."""
        self.released += self.buffer.put(
            (self.first + n) % 65_536,
            (self.origin + n * TICKS) % 2**32,
            bytes([n % 256]) + more,
            TICKS,
            n * FRAME_MS if at_ms is None else at_ms,
        )

    def wait(self, until_ms: int) -> None:
        """Let time pass."""
        while (due := self.buffer.deadline_ms()) is not None and due <= until_ms:
            self.released += self.buffer.expire(due)

    def heard(self) -> list[int]:
        """Return the packets that were released."""
        return [one.payload[0] for one in self.released if isinstance(one, Audio)]

    def ticks(self) -> int:
        """Return the media time that was released."""
        return sum(TICKS if isinstance(one, Audio) else one.ticks for one in self.released)


def test_packet_in_order_is_released_at_once() -> None:
    """No delay is added; sequence numbers and timestamps wrap."""
    stream = Stream()
    for n in range(20):
        stream.packet(n)
        assert stream.heard() == list(range(n + 1))
    assert stream.released == [Audio(bytes([n])) for n in range(20)]


def test_packets_out_of_order_are_put_in_order() -> None:
    """Two places are waited for."""
    stream = Stream()
    for n in (0, 2, 1, 3, 5, 6, 4, 7):
        stream.packet(n)
    assert stream.heard() == list(range(8))
    assert stream.buffer.lost == 0


@pytest.mark.parametrize("again", [0, 3])
def test_packet_that_comes_twice_or_too_late_is_dropped(again: int) -> None:
    """Nothing is heard twice."""
    stream = Stream()
    for n in range(4):
        stream.packet(n)
    stream.packet(again, at_ms=90)
    assert stream.heard() == [0, 1, 2, 3]
    assert stream.buffer.late == 1


def test_lost_packet_is_told_after_three_later_ones() -> None:
    """The payload that follows goes with it: it may hold a copy (RFC 6716, in-band FEC)."""
    stream = Stream()
    for n in (0, 2, 3):
        stream.packet(n)
    assert stream.heard() == [0]
    stream.packet(4)
    assert stream.released[1] == Lost(TICKS, bytes([2]))
    assert stream.heard() == [0, 2, 3, 4]


def test_lost_packet_is_told_after_60_ms() -> None:
    """A gap at the end of what came does not wait for more."""
    stream = Stream()
    stream.packet(0)
    stream.packet(2, at_ms=40)
    stream.wait(99)
    assert stream.heard() == [0]
    stream.wait(100)
    assert stream.heard() == [0, 2]


def test_long_gap_is_silence_with_its_end_concealed() -> None:
    """At most three packets are concealed; media time is whole."""
    stream = Stream()
    stream.packet(0)
    for n in (20, 21, 22):
        stream.packet(n)
    assert stream.released[1] == Silence(16 * TICKS)
    assert stream.released[2:5] == [Lost(TICKS, None), Lost(TICKS, None), Lost(TICKS, bytes([20]))]
    assert stream.ticks() == 23 * TICKS


def test_sender_that_pauses_is_heard_as_silence() -> None:
    """From 60 ms after a packet that says so (DTX), in real time, so that turns end."""
    stream = Stream()
    stream.packet(0)
    stream.wait(1_000)
    silent = sum(one.ticks for one in stream.released if isinstance(one, Silence))
    assert 900 * 48 <= silent <= 940 * 48


def test_sound_that_just_stops_is_waited_for() -> None:
    """A network that holds words back puts no silence into them before 250 ms are over."""
    stream = Stream()
    stream.packet(0, more=bytes(40))
    stream.wait(240)
    assert len(stream.released) == 1
    stream.packet(1, at_ms=240, more=bytes(40))
    stream.wait(480)
    assert [type(one) for one in stream.released] == [Audio, Audio]
    stream.wait(1_240)
    silent = sum(one.ticks for one in stream.released if isinstance(one, Silence))
    assert 710 * 48 <= silent <= 750 * 48


def test_silence_that_was_filled_is_not_filled_again() -> None:
    """After silence on purpose (DTX) the timestamp jumps, the sequence does not."""
    stream = Stream()
    stream.packet(0)
    stream.wait(1_000)
    stream.released += stream.buffer.put(
        (stream.first + 1) % 65_536, (stream.origin + 50 * TICKS) % 2**32, b"\x01", TICKS, 1_000
    )
    assert stream.ticks() == 51 * TICKS


def test_burst_after_an_outage_loses_nothing() -> None:
    """What was held up on the way is heard, at once."""
    stream = Stream()
    for n in range(10):
        stream.packet(n)
    stream.wait(2_180)
    for n in range(10, 110):
        stream.packet(n, at_ms=2_190)
    assert stream.heard() == list(range(110))
    assert stream.buffer.lost == 0


def test_another_stream_is_taken_up() -> None:
    """A far jump begins anew, forwards and backwards."""
    stream = Stream()
    stream.packet(0)
    for jump in (5_000, -20_000):
        stream.released += stream.buffer.put(
            (stream.first + jump) % 65_536, 77, b"\xff", TICKS, 1_000
        )
    assert stream.heard() == [0, 255, 255]


@pytest.mark.parametrize("length_ms", [10, 20, 40, 60])
def test_packets_of_any_length_follow_without_a_gap(length_ms: int) -> None:
    """How long a packet is, it says itself."""
    buffer, ticks = JitterBuffer(clock_hz=48_000), length_ms * 48
    released = [
        one for n in range(10) for one in buffer.put(n, n * ticks, bytes([n]), ticks, n * length_ms)
    ]
    assert released == [Audio(bytes([n])) for n in range(10)]


@pytest.mark.parametrize("jump", [3 * 48_000, 2**31 - 1, 2**31 + 5])
def test_jump_in_time_makes_no_endless_silence(jump: int) -> None:
    """A timestamp may be anything; what is made up is bounded."""
    stream = Stream()
    stream.packet(0)
    stream.released += stream.buffer.put(
        (stream.first + 1) % 65_536, (stream.origin + jump) % 2**32, b"\x01", TICKS, 20
    )
    assert stream.heard() == [0, 1]
    assert stream.ticks() <= 2 * TICKS + 2 * 48_000


@pytest.mark.parametrize("seed", range(20))
def test_media_time_is_whole_under_loss_and_jitter(seed: int) -> None:
    """Whatever is lost or late, what is released lasts as long as what was sent."""
    chance = random.Random(seed)
    stream = Stream(first=chance.randrange(65_536), origin=chance.randrange(2**32))
    sent = 400
    arrivals = sorted(
        (n * FRAME_MS + chance.uniform(0, 50), n)
        for n in range(sent)
        if n in {0, sent - 1} or chance.random() > 0.1
    )
    for at_ms, n in arrivals:
        stream.wait(int(at_ms))
        stream.packet(n, at_ms=int(at_ms))
    stream.wait(int(arrivals[-1][0]) + 90)
    heard = stream.heard()
    steps = {(after - before) % 256 for before, after in pairwise(heard)}
    assert max(steps) < 64  # none twice, none back
    assert min(steps) > 0
    assert abs(stream.ticks() - sent * TICKS) <= 6 * TICKS
    assert len(heard) + stream.buffer.late == len(arrivals)


def test_packet_without_sound_does_not_change_how_long_a_lost_one_is() -> None:
    """An empty one takes its place in the order and no time (G.711; padding alone)."""
    buffer = JitterBuffer(clock_hz=8_000)
    sound = bytes(160)
    released = buffer.put(1, 0, sound, 160, 0)
    released += buffer.put(2, 160, b"", 0, 20)
    for n in (4, 5, 6):
        released += buffer.put(n, n * 160 - 320, sound, 160, n * 20)
    assert released == [
        Audio(sound), Lost(160, sound), *[Audio(sound)] * 3,
    ]  # fmt: skip


@pytest.mark.parametrize("first", [0, 1])
def test_packets_without_sound_alone_have_no_end_to_wait_for(first: int) -> None:
    """A gap before, between and after them is no reason to stop."""
    buffer = JitterBuffer(clock_hz=8_000)
    for n in (first, 5, 9, 14, 15, 16, 30):
        buffer.put(n, 0, b"", 0, n * 20)
    for _ in range(10):
        due = buffer.deadline_ms()
        if due is not None:
            buffer.expire(due)
    assert Audio(b"x" * 160) in buffer.put(31, 0, b"x" * 160, 160, 900)


def test_packet_that_is_due_passes_and_any_other_does_not() -> None:
    """What passes is as if it was put and released; the next one is waited for then."""
    buffer = JitterBuffer(clock_hz=48_000)
    assert not buffer.passes(7, 960, b"first", 960, 0)
    assert buffer.put(7, 960, b"first", 960, 0) == [Audio(b"first")]
    assert buffer.passes(8, 1_920, b"next", 960, 20)
    assert not buffer.passes(8, 1_920, b"again", 960, 21)
    assert not buffer.passes(10, 3_840, b"later", 960, 40)
    assert buffer.put(10, 3_840, b"later", 960, 40) == []
    assert not buffer.passes(9, 2_880, b"missing", 960, 41), "one that waits comes after it"
    assert buffer.put(9, 2_880, b"missing", 960, 41) == [Audio(b"missing"), Audio(b"later")]
    assert not buffer.passes(11, 9_600, b"after a pause", 960, 60)
    assert not buffer.passes(11, 4_800, b"", 0, 60)
