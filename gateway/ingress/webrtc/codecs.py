"""RTP payloads to canonical audio and back, by codec (RFC 7587, RFC 3551)."""

from __future__ import annotations

from typing import Final, Protocol

from gateway.ingress.webrtc.opus import (
    COPIED_LOSS_PERCENT,
    FRAME_SAMPLES,
    OpusDecoder,
    OpusEncoder,
    packet_ms,
)
from realtime.engine import BYTES_PER_SAMPLE, SAMPLE_RATE
from realtime.media.g711 import alaw_to_pcm, pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm
from realtime.media.level import quieter
from realtime.media.resample import Resampler

OPUS, PCMU, PCMA = "audio/opus", "audio/PCMU", "audio/PCMA"
G711_HZ: Final = 8_000
OPUS_CLOCK_HZ: Final = 48_000
_FADE: Final = 0.5
"""Each concealed packet of G.711 is the last one again, half as loud."""


class Decoder(Protocol):
    """Decodes one stream."""

    clock_hz: int

    def ticks(self, payload: bytes) -> int:
        """Return how long a packet is, by the codec's clock."""

    def decode(self, payload: bytes) -> bytes:
        """Return a packet's canonical audio.

        Raises:
            ValueError: it is none of the codec's.
        """

    def conceal(self, ticks: int, following: bytes | None) -> bytes:
        """Return canonical audio for a lost packet."""

    def close(self) -> None:
        """Free it."""


class Encoder(Protocol):
    """Encodes one stream, 20 ms at a time."""

    clock_hz: int

    def encode(self, frame: bytes) -> bytes:
        """Return the payload of 20 ms of canonical audio."""

    def protect(self, *, lossy: bool) -> None:
        """Send what helps against loss, if the codec has any."""

    def close(self) -> None:
        """Free it."""


class OpusStream:
    """Decodes Opus."""

    clock_hz = OPUS_CLOCK_HZ

    def __init__(self) -> None:
        self._decoder = OpusDecoder()

    def ticks(self, payload: bytes) -> int:
        """See `Decoder`."""
        return packet_ms(payload) * OPUS_CLOCK_HZ // 1000

    def decode(self, payload: bytes) -> bytes:
        """See `Decoder`."""
        return self._decoder.decode(payload)

    def conceal(self, ticks: int, following: bytes | None) -> bytes:
        """See `Decoder`."""
        return self._decoder.conceal(ticks * SAMPLE_RATE // OPUS_CLOCK_HZ, following)

    def close(self) -> None:
        """See `Decoder`."""
        self._decoder.close()


class OpusVoice:
    """Encodes Opus."""

    clock_hz = OPUS_CLOCK_HZ

    def __init__(self) -> None:
        self._encoder = OpusEncoder()

    def encode(self, frame: bytes) -> bytes:
        """See `Encoder`."""
        return self._encoder.encode(frame)

    def protect(self, *, lossy: bool) -> None:
        """See `Encoder`."""
        self._encoder.expect_loss(COPIED_LOSS_PERCENT if lossy else 0)

    def close(self) -> None:
        """See `Encoder`."""
        self._encoder.close()


class G711Stream:
    """Decodes G.711."""

    clock_hz = G711_HZ

    def __init__(self, mime_type: str) -> None:
        self._expand = ulaw_to_pcm if mime_type == PCMU else alaw_to_pcm
        self._up = Resampler(G711_HZ, SAMPLE_RATE)
        self._last = b""

    def ticks(self, payload: bytes) -> int:
        """See `Decoder`."""
        return len(payload)

    def decode(self, payload: bytes) -> bytes:
        """See `Decoder`."""
        self._last = self._up.process(self._expand(payload))
        return self._last

    def conceal(self, ticks: int, _following: bytes | None) -> bytes:
        """See `Decoder`."""
        size = ticks * SAMPLE_RATE // G711_HZ * BYTES_PER_SAMPLE
        self._last = quieter(self._last, _FADE)
        return self._last[:size].ljust(size, b"\0")

    def close(self) -> None:
        """See `Decoder`."""


class G711Voice:
    """Encodes G.711."""

    clock_hz = G711_HZ

    def __init__(self, mime_type: str) -> None:
        self._compress = pcm_to_ulaw if mime_type == PCMU else pcm_to_alaw
        self._down = Resampler(SAMPLE_RATE, G711_HZ)

    def encode(self, frame: bytes) -> bytes:
        """See `Encoder`."""
        return self._compress(self._down.process(frame))

    def protect(self, *, lossy: bool) -> None:
        """See `Encoder`."""

    def close(self) -> None:
        """See `Encoder`."""


def decoder(mime_type: str) -> Decoder | None:
    """Return a decoder of a codec, None for one we do not speak."""
    if mime_type.lower() == OPUS:
        return OpusStream()
    return G711Stream(mime_type) if mime_type in {PCMU, PCMA} else None


def encoder(mime_type: str) -> Encoder:
    """Return an encoder of a negotiated codec."""
    return OpusVoice() if mime_type.lower() == OPUS else G711Voice(mime_type)


def packet_ticks(clock_hz: int) -> int:
    """Return how long 20 ms are by a codec's clock."""
    return clock_hz * FRAME_SAMPLES // SAMPLE_RATE
