"""What a relay must know of a frame without reading it: its type, and that it is nothing else.

A frame is looked at by its beginning only where that is enough. A client may
write a frame in which the same key stands twice; what policy judged must be
what the upstream reads, so input audio passes unread only in the one form that
leaves no room for that, and everything else goes up as it was understood.
"""

from __future__ import annotations

import re
from typing import Final

_APPENDS: Final = (
    '{"type":"input_audio_buffer.append","audio":"',
    '{"type": "input_audio_buffer.append", "audio": "',
)
_APPENDS_ON_WIRE: Final = tuple(text.encode() for text in _APPENDS)
_QUOTES: Final = 8
"""Two keys and two values, none of which holds a quote."""

_KIND: Final = re.compile(
    r'\s*\{\s*(?:"event_id"\s*:\s*"[^"\\]{0,128}"\s*,\s*)?"type"\s*:\s*"([a-z_.]{1,64})"'
)
AUDIO_DELTA: Final = "response.output_audio.delta"
HEAD: Final = '{"type":"'
_HEAD_OF_AUDIO: Final = HEAD + AUDIO_DELTA + '"'
_HEAD_OF_AUDIO_ON_WIRE: Final = _HEAD_OF_AUDIO.encode()
_DELTA: Final = '"delta":'
_DELTA_ON_WIRE: Final = _DELTA.encode()


def is_plain_append(text: str) -> bool:
    """Say whether a client's frame is input audio and nothing else."""
    return text.startswith(_APPENDS) and text.endswith('"}') and text.count('"') == _QUOTES


def is_append_on_wire(payload: bytes) -> bool:
    """Say the same of a frame that nobody has decoded; ASCII, hence UTF-8."""
    return (
        payload.startswith(_APPENDS_ON_WIRE)
        and payload.endswith(b'"}')
        and payload.count(b'"') == _QUOTES
        and payload.isascii()
    )


def is_audio_on_wire(payload: bytes) -> bool:
    """Say whether a frame that nobody has decoded is output audio as clients get it."""
    return (
        payload.startswith(_HEAD_OF_AUDIO_ON_WIRE) and payload.endswith(b"}") and payload.isascii()
    )


def is_audio_delta(text: str) -> bool:
    """Say whether an upstream's frame is output audio; one in an unusual form may be missed."""
    if text.startswith(_HEAD_OF_AUDIO):
        return text.endswith("}")
    found = _KIND.match(text)
    return found is not None and found[1] == AUDIO_DELTA and text.rstrip().endswith("}")


def delta_samples(text: str, *, bytes_per_sample: float) -> int:
    """Return about how many samples (24 kHz) an audio delta holds."""
    start = text.find(_DELTA)
    if start < 0:
        return 0
    first = text.find('"', start + len(_DELTA)) + 1
    return int((text.find('"', first) - first) * 3 / 4 / bytes_per_sample)


def samples_on_wire(payload: bytes, *, bytes_per_sample: float) -> int:
    """Return the same of a frame that nobody has decoded."""
    start = payload.find(_DELTA_ON_WIRE)
    if start < 0:
        return 0
    first = payload.find(b'"', start + len(_DELTA_ON_WIRE)) + 1
    return int((payload.find(b'"', first) - first) * 3 / 4 / bytes_per_sample)
