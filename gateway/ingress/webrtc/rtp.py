"""RTP packets as calls need them (RFC 3550, section 5.1): taken apart and made, and no more."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Protocol

HEADER_BYTES: Final = 12
VERSION: Final = 0x80
PADDED: Final = 0x20
EXTENDED: Final = 0x10
SOURCES: Final = 0x0F
MARKER: Final = 0x80
RTCP_TYPES: Final = range(192, 224)
"""The second byte of what is RTCP on a port that both share (RFC 5761, section 4)."""

_HEADER: Final = struct.Struct("!BBHL")
_WHOLE: Final = struct.Struct("!BBHLL")
_EXTENSION: Final = struct.Struct("!HH")


class Arrived(Protocol):
    """A packet that came, our own or the library's."""

    @property
    def sequence_number(self) -> int:
        """Its place in the order, modulo 2**16."""

    @property
    def timestamp(self) -> int:
        """Its media time by the codec's clock, modulo 2**32."""

    @property
    def payload(self) -> bytes:
        """The codec's packet."""


@dataclass(slots=True)
class Received:
    """A packet, as far as anybody looks at it; not frozen, which would take twice the time."""

    sequence_number: int
    timestamp: int
    payload: bytes


def received(data: bytes) -> Received | None:
    """Take a packet apart; None for what is shorter than it says."""
    size = len(data)
    if size < HEADER_BYTES:
        return None
    first, _, sequence, timestamp = _HEADER.unpack_from(data)
    begin = HEADER_BYTES
    if first & (EXTENDED | SOURCES | PADDED):
        begin += 4 * (first & SOURCES)
        if first & EXTENDED:
            if size < begin + _EXTENSION.size:
                return None
            begin += _EXTENSION.size + 4 * _EXTENSION.unpack_from(data, begin)[1]
        if first & PADDED:
            padding = data[-1]
            if not padding or padding > size - begin:
                return None
            size -= padding
        if begin > size:
            return None
    return Received(sequence, timestamp, data[begin:size])


class Header:
    """What is alike in all packets of a stream that we send."""

    def __init__(self, *, payload_type: int, ssrc: int, extension: tuple[int, bytes]) -> None:
        """`extension` is its profile and its bytes, a multiple of four; empty for none."""
        profile, value = extension
        self._first = VERSION | (EXTENDED if value else 0)
        self._type = payload_type
        self._ssrc = ssrc
        self._extension = _EXTENSION.pack(profile, len(value) // 4) + value if value else b""

    def packet(self, payload: bytes, sequence: int, timestamp: int, *, marked: bool) -> bytes:
        """Return the packet."""
        second = self._type | MARKER if marked else self._type
        head = _WHOLE.pack(self._first, second, sequence, timestamp, self._ssrc)
        return head + self._extension + payload
