"""Which sound and which copies a packet of ours holds."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.ingress.webrtc.opus import FRAME_SAMPLES, OpusDecoder, OpusEncoder, packet_ms

CELT = 16
"""Configurations from here on have no copies (RFC 6716, section 3.1)."""
COUNT = 50


def sound() -> list[bytes]:
    """Return a second of something loud that changes."""
    place = np.arange(COUNT * FRAME_SAMPLES) / 24_000
    wave = 9_000 * np.sin(2 * np.pi * (200 + 300 * place) * place) * (0.6 + 0.4 * np.sin(9 * place))
    return [frame.tobytes() for frame in wave.astype("<i2").reshape(COUNT, FRAME_SAMPLES)]


def test_packets_have_copies_only_for_who_loses_some() -> None:
    """From the beginning, and again whenever it is said; the stream goes on as it is."""
    encoder, decoder = OpusEncoder(), OpusDecoder()
    kinds: list[bool] = []
    for lossy in (True, False, True):
        encoder.expect_loss(10 if lossy else 0)
        packets = [encoder.encode(frame) for frame in sound()]
        assert all(len(decoder.decode(one)) == 2 * FRAME_SAMPLES for one in packets)
        # Two packets lead from one kind to the other.
        kinds += [one[0] >> 3 < CELT for one in packets[3:]]
    assert kinds == [True] * (COUNT - 3) + [False] * (COUNT - 3) + [True] * (COUNT - 3)
    encoder.close()
    decoder.close()


@pytest.mark.parametrize(
    ("first", "rest", "ms"),
    [
        (0 << 3, b"", 10), (3 << 3, b"", 60), (9 << 3, b"", 20), (13 << 3, b"", 20),
        (28 << 3, b"", 3), (27 << 3, b"", 20), (9 << 3 | 1, b"", 40), (9 << 3 | 2, b"", 40),
        (9 << 3 | 3, b"\x03", 60), (9 << 3 | 3, b"", 20), (9 << 3 | 3, b"\x00", 20),
        (11 << 3 | 3, b"\x30", 120),
    ],
)  # fmt: skip
def test_length_of_a_packet_is_read_from_its_first_bytes(first: int, rest: bytes, ms: int) -> None:
    """By configuration and number of frames, at most 120 ms."""
    assert packet_ms(bytes((first,)) + rest) == ms
