"""RTP packets taken apart and made as the library does it."""

from __future__ import annotations

import random

import pytest
from aiortc.rtp import RtpPacket

from gateway.ingress.webrtc.rtp import Header, received

SEED = 5


def library(data: bytes) -> tuple[int, int, bytes] | None:
    """Return what the library makes of a packet."""
    try:
        packet = RtpPacket.parse(data)
    except ValueError:
        return None
    return packet.sequence_number, packet.timestamp, packet.payload


def test_packets_are_taken_apart_as_the_library_does() -> None:
    """Sources, extensions and padding are skipped; what is shorter than it says is none."""
    chance = random.Random(SEED)
    whole = 0
    for _ in range(5_000):
        first = 0x80 | chance.choice((0, 0, 0x10, 0x20, 0x30)) | chance.choice((0, 0, 1, 15))
        data = bytes((first, chance.randrange(256))) + chance.randbytes(chance.randrange(80))
        if chance.random() < 0.5 and len(data) > 16:  # an extension of a likely length
            data = data[:14] + bytes((0, chance.randrange(4))) + data[16:]
        if chance.random() < 0.5:
            data = data[:-1] + bytes((chance.randrange(8),))
        ours, theirs = received(data), library(data)
        if theirs is None:
            assert ours is None
            continue
        assert ours is not None
        assert (ours.sequence_number, ours.timestamp, ours.payload) == theirs
        whole += 1
    assert whole > 1_000


@pytest.mark.parametrize("extension", [(0xBEDE, b""), (0xBEDE, b"\x10\x30\x00\x00")])
@pytest.mark.parametrize("marked", [True, False])
def test_packets_are_made_as_the_library_reads_them(
    extension: tuple[int, bytes], *, marked: bool
) -> None:
    """Header, extension and payload."""
    header = Header(payload_type=111, ssrc=0xDEADBEEF, extension=extension)
    packet = RtpPacket.parse(header.packet(b"sound", 65_535, 0xFFFF_FFFF, marked=marked))
    assert (packet.payload_type, packet.ssrc, packet.marker) == (111, 0xDEADBEEF, int(marked))
    assert (packet.sequence_number, packet.timestamp) == (65_535, 0xFFFF_FFFF)
    assert packet.payload == b"sound"
