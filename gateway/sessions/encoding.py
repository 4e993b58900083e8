"""Server events as text frames: compact JSON, UTF-8 unescaped, keys in wire order (CONTRACT 4)."""

from __future__ import annotations

import orjson
from pybase64 import b64encode_as_string

from gateway.sessions.audio import OutputEncoder
from realtime.errors import WireFault
from realtime.events.server import ErrorBody, ErrorEvent
from realtime.events.translation import AnyServerEvent
from realtime.session.effects import AudioLane, SendAudio


def frame(event: AnyServerEvent) -> str:
    """Return an event's frame; dataclass field order is wire order."""
    return orjson.dumps(event).decode()


def fault_frame(fault: WireFault, event_id: str) -> str:
    """Return the frame that tells a fault which no client event led to."""
    body = ErrorBody(
        type=fault.type,
        code=fault.code,
        message=fault.message,
        param=fault.param,
        event_id=None,
    )
    return frame(ErrorEvent(event_id=event_id, error=body))


class AudioFrames:
    """Makes the `response.output_audio.delta` frames of one response, without an object each."""

    def __init__(self, encoder: OutputEncoder) -> None:
        self._encoder = encoder
        self._lane: AudioLane | None = None
        self._middle = ""

    def frame(self, effect: SendAudio, audio: bytes) -> str:
        """Return the frame of the next audio (canonical)."""
        if effect.lane is not self._lane:
            self._lane = effect.lane
            self._middle = _middle(effect.lane)
        return (
            '{"type":"response.output_audio.delta","event_id":"' + effect.event_id
            + self._middle + b64encode_as_string(self._encoder.encode(audio))
            + '"}'
        )  # fmt: skip


def _middle(lane: AudioLane) -> str:
    return (
        '","response_id":"' + lane.response_id
        + '","item_id":"' + lane.item_id
        + '","output_index":' + str(lane.output_index)
        + ',"content_index":' + str(lane.content_index)
        + ',"delta":"'
    )  # fmt: skip
