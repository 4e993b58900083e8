"""WAV files of canonical audio, and audio of other rates made canonical as it arrives."""

from __future__ import annotations

import struct

from realtime.engine import BYTES_PER_SAMPLE, SAMPLE_RATE
from realtime.media.resample import Resampler

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_FORMAT = struct.Struct("<HHIIHH")
_CHUNK = struct.Struct("<4sI")
_PCM, _EXTENSIBLE = 1, 0xFFFE
_MOST_HEAD_BYTES = 64 * 1024
_COMPRESSED = (b"ID3", b"OggS", b"fLaC")
"""Without such a mark compressed audio cannot be told from loud samples."""

_UNKNOWN_SIZES = (0, 0x7FFFFFFF, 0xFFFFFFFF)
"""What a header says that was written before its audio was made."""


def wav_of(audio: bytes | bytearray) -> bytes:
    """Return canonical audio as a WAV file."""
    rate, width = SAMPLE_RATE, BYTES_PER_SAMPLE
    head = _HEADER.pack(
        b"RIFF", _HEADER.size - 8 + len(audio), b"WAVE",
        b"fmt ", _FORMAT.size, _PCM, 1, rate, rate * width, width, 8 * width,
        b"data", len(audio),
    )  # fmt: skip
    return head + bytes(audio)


class CanonicalReader:
    """Takes 16-bit mono audio as it arrives, raw or as a WAV file; returns it canonical.

    Raises:
        ValueError: it is a compressed or otherwise foreign format.
    """

    def __init__(self, rate: int) -> None:
        """`rate` is that of raw audio, in Hz; a WAV file says its own."""
        self._rate = rate
        self._head: bytearray | None = bytearray()
        self._rest = b""
        self._left: int | None = None
        self._resampler: Resampler | None = None

    def feed(self, data: bytes) -> bytes:
        """Return what can be told so far, in whole samples."""
        if self._head is None:
            return self._convert(data)
        self._head += data
        begin = self._begin(self._head)
        if begin is None:
            if len(self._head) > _MOST_HEAD_BYTES:
                raise ValueError("a header without end")
            return b""
        audio, self._head = bytes(self._head[begin:]), None
        if self._rate != SAMPLE_RATE:
            self._resampler = Resampler(self._rate, SAMPLE_RATE)
        return self._convert(audio)

    def finish(self) -> bytes:
        """Return the rest."""
        short = self._head
        if short is not None:
            if short[:4] == b"RIFF" or len(short) < BYTES_PER_SAMPLE:
                return b""
            self._head = None
            return self._convert(bytes(short))
        return self._resampler.flush() if self._resampler is not None else b""

    def _convert(self, data: bytes) -> bytes:
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        data = self._rest + data if self._rest else data
        whole = len(data) // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE
        data, self._rest = data[:whole], data[whole:]
        return data if self._resampler is None else self._resampler.process(data)

    def _begin(self, head: bytearray) -> int | None:
        """Return where the samples begin, None where that cannot be told yet."""
        if len(head) < 12:
            return None
        if head.startswith(_COMPRESSED):
            raise ValueError("compressed audio")
        if head[:4] != b"RIFF":
            return 0
        place = 12
        while len(head) >= place + _CHUNK.size:
            name, size = _CHUNK.unpack_from(head, place)
            place += _CHUNK.size
            if name == b"data":
                self._left = None if size in _UNKNOWN_SIZES else size
                return place
            if name == b"fmt " and len(head) >= place + _FORMAT.size:
                self._take_format(head, place)
            place += size + size % 2
        return None

    def _take_format(self, head: bytearray, place: int) -> None:
        kind, channels, rate, _, _, bits = _FORMAT.unpack_from(head, place)
        if kind not in (_PCM, _EXTENSIBLE) or (channels, bits) != (1, 16):
            raise ValueError("not 16-bit mono audio")
        if not 4_000 <= rate <= 192_000:
            raise ValueError("an impossible rate")
        self._rate = rate
