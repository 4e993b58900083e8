"""Server events as text frames: compact JSON, UTF-8 unescaped, keys in wire order (CONTRACT 4)."""

from __future__ import annotations

import orjson
from pybase64 import b64encode_as_string

from realtime.events.server import ServerEvent
from realtime.session.effects import SendAudio


def frame(event: ServerEvent) -> str:
    """Return an event's frame; dataclass field order is wire order."""
    return orjson.dumps(event).decode()


def audio_frame(effect: SendAudio, audio: bytes) -> str:
    """Return the frame of `response.output_audio.delta`; no object is built per delta."""
    return (
        '{"type":"response.output_audio.delta","event_id":"' + effect.event_id
        + '","response_id":"' + effect.response_id
        + '","item_id":"' + effect.item_id
        + '","output_index":' + str(effect.output_index)
        + ',"content_index":' + str(effect.content_index)
        + ',"delta":"' + b64encode_as_string(audio)
        + '"}'
    )  # fmt: skip
