"""libopus by its own interface: mono at 24 kHz, loss concealed, copies of lost packets used.

PyAV, which aiortc needs, brings the library; through PyAV itself there is
neither concealment nor in-band FEC, and 48 kHz stereo costs twice the CPU.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import cache
from pathlib import Path
from typing import Any, Final

import av

HZ: Final = 24_000
FRAME_SAMPLES: Final = HZ // 50
MOST_PACKET_MS: Final = 120
"""RFC 6716: the longest packet."""
MS_OF_EMPTY: Final = 20
MOST_PACKET_BYTES: Final = 1_500
COPIED_LOSS_PERCENT: Final = 10
COPYING_BITRATE: Final = 32_000
WHOLE_BITRATE: Final = 40_000

_AUDIO: Final = 2049
"""Lets the encoder choose by its bit rate and by loss; for speech alone it would always take
the codec that can hold copies, at twice the work and half the band width."""
_SET_BITRATE: Final = 4002
_SET_COMPLEXITY: Final = 4010
_SET_INBAND_FEC: Final = 4012
_SET_PACKET_LOSS: Final = 4014
_FRAME_MS: Final = (10, 20, 40, 60) * 3 + (10, 20) * 2 + (3, 5, 10, 20) * 4
"""By a packet's configuration."""
_ANY_NUMBER: Final = 3
"""The code of a packet that counts its frames."""


class OpusMissing(RuntimeError):
    """No libopus can be loaded."""


class OpusFault(ValueError):
    """A packet is no Opus, or the encoder refused."""


def packet_ms(payload: bytes) -> int:
    """Return how long a packet is by its first bytes (RFC 6716, section 3.1), at most 120 ms.

    Frames of 2.5 ms are counted as 3.
    """
    if not payload:
        return MS_OF_EMPTY
    first = payload[0]
    frame_ms, code = _FRAME_MS[first >> 3], first & 3
    if code == 0:
        return frame_ms
    frames = 2 if code < _ANY_NUMBER else payload[1] & 63 if len(payload) > 1 else 1
    return min(frame_ms * max(frames, 1), MOST_PACKET_MS)


@cache
def _library() -> Any:
    bundled = Path(av.__file__).parent.parent / "av.libs"
    places = [*map(str, sorted(bundled.glob("libopus-*"))), ctypes.util.find_library("opus")]
    for place in places:
        if place:
            return _declared(ctypes.CDLL(place))
    raise OpusMissing("libopus is missing: neither PyAV's nor the system's was found")


def _declared(library: Any) -> Any:
    pointer, number = ctypes.c_void_p, ctypes.c_int
    library.opus_decoder_create.restype = pointer
    library.opus_decoder_create.argtypes = [number, number, pointer]
    library.opus_decoder_destroy.argtypes = [pointer]
    # Fifty times a second these two are called with the right types: not checked again.
    library.opus_decode.restype = number
    library.opus_encoder_create.restype = pointer
    library.opus_encoder_create.argtypes = [number, number, number, pointer]
    library.opus_encoder_destroy.argtypes = [pointer]
    library.opus_encoder_ctl.restype = number
    library.opus_encode.restype = number
    return library


class OpusDecoder:
    """One stream's decoder."""

    def __init__(self) -> None:
        self._library = _library()
        made = self._library.opus_decoder_create(HZ, 1, None)
        self._state: ctypes.c_void_p | None = ctypes.c_void_p(made)
        if not self._state:
            raise OpusMissing("libopus made no decoder")
        self._most = HZ * MOST_PACKET_MS // 1000
        self._buffer: Any = ctypes.create_string_buffer(2 * self._most)

    def decode(self, payload: bytes) -> bytes:
        """Return a packet's audio.

        Raises:
            OpusFault: it is no Opus packet.
        """
        return self._run(payload, self._most, fec=False)

    def conceal(self, samples: int, following: bytes | None) -> bytes:
        """Return audio for a lost packet: its copy in the following one, or a guess."""
        return self._run(following, min(samples, self._most), fec=following is not None)

    def _run(self, payload: bytes | None, samples: int, *, fec: bool) -> bytes:
        size = len(payload) if payload is not None else 0
        made = self._library.opus_decode(
            self._state, payload, size, self._buffer, samples, int(fec)
        )
        if made < 0:
            raise OpusFault(f"libopus refused a packet ({made})")
        return bytes(self._buffer[: 2 * made])

    def close(self) -> None:
        """Free it."""
        if self._state:
            self._library.opus_decoder_destroy(self._state)
            self._state = None


class OpusEncoder:
    """One stream's encoder; it begins with copies for who loses packets.

    Complexity 1 takes a third of the CPU of 5 and is as like the original: figures.md.
    """

    def __init__(self, *, complexity: int = 1, loss_percent: int = COPIED_LOSS_PERCENT) -> None:
        self._library = _library()
        made = self._library.opus_encoder_create(HZ, 1, _AUDIO, None)
        self._state: ctypes.c_void_p | None = ctypes.c_void_p(made)
        if not self._state:
            raise OpusMissing("libopus made no encoder")
        self._set(_SET_COMPLEXITY, complexity)
        self._set(_SET_INBAND_FEC, 1)
        self.expect_loss(loss_percent)
        self._buffer: Any = ctypes.create_string_buffer(MOST_PACKET_BYTES)

    def expect_loss(self, percent: int) -> None:
        """Send copies for this loss; for none, better sound by a codec that has none."""
        self._set(_SET_PACKET_LOSS, percent)
        self._set(_SET_BITRATE, COPYING_BITRATE if percent else WHOLE_BITRATE)

    def _set(self, request: int, value: int) -> None:
        number = ctypes.c_int(value)
        if self._library.opus_encoder_ctl(self._state, request, number):
            raise OpusFault("libopus refused a setting")

    def encode(self, frame: bytes) -> bytes:
        """Return the packet of 20 ms.

        Raises:
            OpusFault: the frame has another length.
        """
        made = self._library.opus_encode(
            self._state, frame, len(frame) // 2, self._buffer, MOST_PACKET_BYTES
        )
        if made < 0:
            raise OpusFault(f"libopus refused a frame ({made})")
        return bytes(self._buffer[:made])

    def close(self) -> None:
        """Free it."""
        if self._state:
            self._library.opus_encoder_destroy(self._state)
            self._state = None
