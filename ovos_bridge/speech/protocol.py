"""Frames between the gateway and the speech worker, over one Unix socket.

A frame is a header (payload length, kind, stream number) and a payload. Audio
is canonical: 16-bit little-endian mono PCM at 24 kHz. Standard library only:
both environments read this file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

HEADER = struct.Struct("<IBI")
POSITION = struct.Struct("<q")
PROBABILITY = struct.Struct("<qf")
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024


class Ask(IntEnum):
    """What the gateway sends."""

    VAD_OPEN = 1  # POSITION of the first sample; of an open stream: its audio goes on there
    VAD_AUDIO = 2
    VAD_CLOSE = 3
    STT_OPEN = 10  # JSON {language, recogniser, wishes}
    STT_AUDIO = 11
    STT_PREPARE = 12
    STT_ABANDON = 13
    STT_COMMIT = 14
    STT_CLOSE = 15
    TTS_SPEAK = 20  # JSON {text, voice, speed, language}
    TTS_CANCEL = 21
    GRAMMAR = 30  # JSON list of phrases; answered with PONG once it is in use
    PING = 40
    WAKE_OPEN = 50  # JSON {wake_word, at_sample}; of an open stream: it begins anew
    WAKE_AUDIO = 51
    WAKE_CLOSE = 52


class Tell(IntEnum):
    """What the worker sends."""

    VAD_PROBABILITIES = 1  # PROBABILITY, repeated
    VAD_LOST = 2  # JSON {code, message}; the stream is judged no more
    STT_PARTIAL = 10  # JSON {delta}
    STT_FINAL = 11  # JSON {text, logprobs}
    STT_FAILED = 12  # JSON {code, message}
    STT_UNDERSTOOD = 13  # JSON {text, whole, extendable, pause}: the nth STT_PREPARE's answer
    TTS_AUDIO = 20
    TTS_DONE = 21
    TTS_FAILED = 22  # JSON {code, message}
    PONG = 40  # JSON facts
    WAKE_HEARD = 50  # POSITION at which the word ended
    WAKE_LOST = 51  # JSON {code, message}; the word is listened for no more


def frame(kind: int, stream: int, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return HEADER.pack(len(payload), kind, stream) + payload


class FrameError(Exception):
    """The other side does not speak this protocol."""


class FrameReader:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Yield (kind, stream, payload) of every frame that is whole.

        Raises:
            FrameError: a payload is longer than any frame may be.
        """
        self._buffer += data
        place = 0
        while len(self._buffer) - place >= HEADER.size:
            length, kind, stream = HEADER.unpack_from(self._buffer, place)
            if length > MAX_PAYLOAD_BYTES:
                raise FrameError(f"payload of {length} bytes")
            end = place + HEADER.size + length
            if len(self._buffer) < end:
                break
            yield kind, stream, bytes(self._buffer[place + HEADER.size : end])
            place = end
        del self._buffer[:place]
