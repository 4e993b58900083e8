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

_VOIP: Final = 2048
_SET_BITRATE: Final = 4002
_SET_COMPLEXITY: Final = 4010
_SET_INBAND_FEC: Final = 4012
_SET_PACKET_LOSS: Final = 4014
_OK: Final = 0


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
    config, code = payload[0] >> 3, payload[0] & 3
    if config < 12:
        frame_ms = (10, 20, 40, 60)[config & 3]
    elif config < 16:
        frame_ms = (10, 20)[config & 1]
    else:
        frame_ms = (3, 5, 10, 20)[config & 3]
    frames = (1, 2, 2, payload[1] & 63 if len(payload) > 1 else 1)[code]
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
    library.opus_decode.restype = number
    library.opus_decode.argtypes = [
        pointer, ctypes.c_char_p, ctypes.c_int32, pointer, number, number,
    ]  # fmt: skip
    library.opus_encoder_create.restype = pointer
    library.opus_encoder_create.argtypes = [number, number, number, pointer]
    library.opus_encoder_destroy.argtypes = [pointer]
    library.opus_encoder_ctl.restype = number
    library.opus_encode.restype = ctypes.c_int32
    library.opus_encode.argtypes = [
        pointer, ctypes.c_char_p, number, pointer, ctypes.c_int32,
    ]  # fmt: skip
    return library


class OpusDecoder:
    """One stream's decoder."""

    def __init__(self) -> None:
        self._library = _library()
        self._state: int | None = self._library.opus_decoder_create(HZ, 1, None)
        if not self._state:
            raise OpusMissing("libopus made no decoder")
        self._most = HZ * MOST_PACKET_MS // 1000
        self._buffer = ctypes.create_string_buffer(2 * self._most)

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
        return self._buffer.raw[: 2 * made]

    def close(self) -> None:
        """Free it."""
        if self._state:
            self._library.opus_decoder_destroy(self._state)
            self._state = None


class OpusEncoder:
    """One stream's encoder.

    Complexity 1 takes a third of the CPU of 5 and is as like the original: figures.md.
    """

    def __init__(
        self, *, bitrate: int = 32_000, complexity: int = 1, loss_percent: int = 10
    ) -> None:
        self._library = _library()
        self._state: int | None = self._library.opus_encoder_create(HZ, 1, _VOIP, None)
        if not self._state:
            raise OpusMissing("libopus made no encoder")
        for request, value in (
            (_SET_BITRATE, bitrate),
            (_SET_COMPLEXITY, complexity),
            (_SET_INBAND_FEC, 1 if loss_percent else 0),
            (_SET_PACKET_LOSS, loss_percent),
        ):
            number = ctypes.c_int(value)
            if self._library.opus_encoder_ctl(ctypes.c_void_p(self._state), request, number):
                raise OpusFault("libopus refused a setting")
        self._buffer = ctypes.create_string_buffer(MOST_PACKET_BYTES)

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
        return self._buffer.raw[:made]

    def close(self) -> None:
        """Free it."""
        if self._state:
            self._library.opus_encoder_destroy(self._state)
            self._state = None
