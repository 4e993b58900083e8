"""Server events of what a media leg plays (CONTRACT 8.14), in the wire's key order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAudioBufferStarted:
    """The first audio of a response plays."""

    type: Literal["output_audio_buffer.started"] = "output_audio_buffer.started"
    event_id: str
    response_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAudioBufferStopped:
    """Everything of a response was played."""

    type: Literal["output_audio_buffer.stopped"] = "output_audio_buffer.stopped"
    event_id: str
    response_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAudioBufferCleared:
    """What was still to be played of a response is dropped."""

    type: Literal["output_audio_buffer.cleared"] = "output_audio_buffer.cleared"
    event_id: str
    response_id: str


PlaybackEvent: TypeAlias = (
    OutputAudioBufferStarted | OutputAudioBufferStopped | OutputAudioBufferCleared
)
