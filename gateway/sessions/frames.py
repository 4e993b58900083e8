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
_QUOTES: Final = 8
"""Two keys and two values, none of which holds a quote."""

_KIND: Final = re.compile(
    r'\s*\{\s*(?:"event_id"\s*:\s*"[^"\\]{0,128}"\s*,\s*)?"type"\s*:\s*"([a-z_.]{1,64})"'
)
AUDIO_DELTA: Final = "response.output_audio.delta"
HEAD: Final = '{"type":"'
_HEAD_OF_AUDIO: Final = HEAD + AUDIO_DELTA + '"'
_DELTA: Final = '"delta":'


def is_plain_append(text: str) -> bool:
    """Say whether a client's frame is input audio and nothing else."""
    return text.startswith(_APPENDS) and text.endswith('"}') and text.count('"') == _QUOTES


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
    last = text.find('"', first)
    return int((last - first) * 3 / 4 / bytes_per_sample)
