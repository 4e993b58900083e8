"""The audio that a session's shell keeps: what came in, what goes out, what items hold.

All canonical PCM (24 kHz, 16 bit); positions count samples since the session began.
"""

from __future__ import annotations

from collections import OrderedDict

from realtime.engine import BYTES_PER_SAMPLE
from realtime.media.g711 import alaw_to_pcm, pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm
from realtime.media.resample import Resampler
from realtime.session.config import AudioFormat, PcmAudio

G711_HZ = 8_000
CANONICAL_HZ = 24_000

MOST_CLOSED = 1_024
"""Items of which audio may still come though they are cut or gone; only what is spoken now is."""


class InputDecoder:
    """Turns wire bytes of one format into canonical audio; keeps state between appends."""

    def __init__(self, wire_format: AudioFormat) -> None:
        self.format = wire_format
        self._odd = b""
        self._up = None if isinstance(wire_format, PcmAudio) else Resampler(G711_HZ, CANONICAL_HZ)

    def decode(self, audio: bytes) -> bytes:
        """Return the canonical audio; half a PCM sample waits for its other half."""
        if self._up is not None:
            expand = ulaw_to_pcm if self.format.type == "audio/pcmu" else alaw_to_pcm
            return self._up.process(expand(audio))
        if self._odd:
            audio = self._odd + audio
            self._odd = b""
        if len(audio) % BYTES_PER_SAMPLE:
            audio, self._odd = audio[:-1], audio[-1:]
        return audio


class OutputEncoder:
    """Turns canonical audio into wire bytes of one format; keeps state between deltas."""

    def __init__(self, wire_format: AudioFormat) -> None:
        self._format = wire_format
        self._down = None if isinstance(wire_format, PcmAudio) else Resampler(CANONICAL_HZ, G711_HZ)

    def encode(self, audio: bytes) -> bytes:
        """Return the wire bytes."""
        if self._down is None:
            return audio
        compress = pcm_to_ulaw if self._format.type == "audio/pcmu" else pcm_to_alaw
        return compress(self._down.process(audio))


class InputRing:
    """Input audio that is not committed or forgotten yet, bounded in bytes."""

    def __init__(self, *, most_bytes: int) -> None:
        self._most = most_bytes
        self._audio = bytearray()
        self._start = 0
        self.dropped_samples = 0
        """Samples lost at the bound, the oldest first."""

    @property
    def start(self) -> int:
        """The position of the first sample that is still there."""
        return self._start

    @property
    def end(self) -> int:
        """The position after the last sample."""
        return self._start + len(self._audio) // BYTES_PER_SAMPLE

    def append(self, audio: bytes) -> int:
        """Add audio; return how many samples it is."""
        self._audio += audio
        surplus = len(self._audio) - self._most
        if surplus > 0:
            lost = -(-surplus // BYTES_PER_SAMPLE)
            self.dropped_samples += lost
            self.forget(self._start + lost)
        return len(audio) // BYTES_PER_SAMPLE

    def forget(self, before: int) -> None:
        """Drop what lies before a position."""
        samples = min(before, self.end) - self._start
        if samples > 0:
            del self._audio[: samples * BYTES_PER_SAMPLE]
            self._start += samples

    def slice(self, start: int, end: int) -> bytes:
        """Return the samples [start, end) as far as they are still there."""
        first = max(start - self._start, 0) * BYTES_PER_SAMPLE
        last = max(end - self._start, 0) * BYTES_PER_SAMPLE
        return bytes(self._audio[first:last])


class OutputAudio:
    """Synthesised audio that waits for its turn, per response."""

    def __init__(self) -> None:
        self._waiting: dict[str, bytearray] = {}

    def add(self, response_id: str, audio: bytes) -> int:
        """Add audio; return how many samples it is."""
        self._waiting.setdefault(response_id, bytearray()).extend(audio)
        return len(audio) // BYTES_PER_SAMPLE

    def take(self, response_id: str, samples: int) -> bytes:
        """Remove and return the next samples."""
        waiting = self._waiting[response_id]
        size = samples * BYTES_PER_SAMPLE
        piece = bytes(waiting[:size])
        del waiting[:size]
        return piece

    def drop(self, response_id: str) -> None:
        """Forget what waits of a response."""
        self._waiting.pop(response_id, None)


class ItemAudio:
    """Audio of items for `conversation.item.retrieve`, under a cap; the oldest item goes first."""

    def __init__(self, *, most_bytes: int) -> None:
        self._most = most_bytes
        self._held = 0
        self._items: OrderedDict[str, bytearray] = OrderedDict()
        self._closed: OrderedDict[str, None] = OrderedDict()

    def keep(self, item_id: str, audio: bytes) -> None:
        """Take the audio of a new item."""
        self._closed.pop(item_id, None)
        self.add(item_id, audio)

    def add(self, item_id: str, audio: bytes) -> None:
        """Add audio to an item that is spoken; one that was cut or deleted stays as it is."""
        if item_id in self._closed:
            return
        self._items.setdefault(item_id, bytearray()).extend(audio)
        self._held += len(audio)
        while self._held > self._most and self._items:
            oldest, dropped = self._items.popitem(last=False)
            self._held -= len(dropped)
            self._close(oldest)  # its end alone would be worse than nothing

    def _close(self, item_id: str) -> None:
        self._closed[item_id] = None
        if len(self._closed) > MOST_CLOSED:
            self._closed.popitem(last=False)

    def cut(self, item_id: str, samples: int) -> None:
        """Keep the first samples of an item, for good."""
        self._close(item_id)
        audio = self._items.get(item_id)
        if audio is not None:
            self._held -= max(len(audio) - samples * BYTES_PER_SAMPLE, 0)
            del audio[samples * BYTES_PER_SAMPLE :]

    def drop(self, item_id: str) -> None:
        """Forget an item's audio."""
        self._close(item_id)
        self._held -= len(self._items.pop(item_id, b""))

    def get(self, item_id: str) -> bytes | None:
        """Return an item's audio if it is still held."""
        audio = self._items.get(item_id)
        return None if audio is None else bytes(audio)
