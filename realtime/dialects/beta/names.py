"""What the beta calls things: events, formats, fields and the paths in its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

JsonObject: TypeAlias = dict[str, Any]

SUPPORTED: Final = (
    "session.update",
    "transcription_session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.truncate",
    "conversation.item.delete",
    "conversation.item.retrieve",
    "response.create",
    "response.cancel",
)
"""The client events, as an error text lists them."""

ACCEPTED: Final = frozenset({*SUPPORTED, "output_audio_buffer.clear"})

RENAMED: Final[Mapping[str, str]] = {
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
"""Server events that differ in nothing but their type, by their GA type."""

UNCHANGED: Final = frozenset({
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "input_audio_buffer.cleared",
    "output_audio_buffer.started",
    "output_audio_buffer.stopped",
    "output_audio_buffer.cleared",
    "conversation.item.truncated",
    "conversation.item.deleted",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.segment",
    "conversation.item.input_audio_transcription.failed",
    "response.content_part.added",
    "response.content_part.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
})  # fmt: skip
"""Server events that are the same in both."""

FORMATS: Final[Mapping[str, JsonObject]] = {
    "pcm16": {"type": "audio/pcm", "rate": 24_000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
FORMAT_NAMES: Final[Mapping[str, str]] = {str(wire["type"]): name for name, wire in FORMATS.items()}

SESSION_PLACES: Final[Mapping[str, str]] = {
    "modalities": "output_modalities",
    "max_response_output_tokens": "max_output_tokens",
    "input_audio_format": "audio.input.format",
    "input_audio_transcription": "audio.input.transcription",
    "input_audio_noise_reduction": "audio.input.noise_reduction",
    "turn_detection": "audio.input.turn_detection",
    "output_audio_format": "audio.output.format",
    "voice": "audio.output.voice",
    "speed": "audio.output.speed",
}
"""Where GA keeps a field of the beta's flat session; any other is at the same place."""

RESPONSE_PLACES: Final[Mapping[str, str]] = {
    "modalities": "output_modalities",
    "max_response_output_tokens": "max_output_tokens",
    "output_audio_format": "audio.output.format",
    "voice": "audio.output.voice",
}
"""The same for one response."""

CONTENT_TYPES: Final[Mapping[str, str]] = {"output_text": "text", "output_audio": "audio"}
"""Content types of items, by their GA name."""

IMAGE: Final = "input_image"
"""A content type that the beta does not have."""

_PATHS: Final[Mapping[str, str]] = {
    f"session.{ga}": f"session.{beta}" for beta, ga in SESSION_PLACES.items()
} | {
    # The limit of a response has one name in both, and the client's other one is checked before.
    f"response.{ga}": f"response.{beta}"
    for beta, ga in RESPONSE_PLACES.items()
    if ga != "max_output_tokens"
}  # fmt: skip


_GA_PATHS: Final[Mapping[str, str]] = {beta: ga for ga, beta in _PATHS.items()}


def ga_path(path: str) -> str:
    """Return the path of a beta field as GA has it."""
    for beta, ga in _GA_PATHS.items():
        if path == beta or path.startswith((f"{beta}.", f"{beta}[")):
            return ga + path[len(beta) :]
    return path


def beta_path(path: str) -> str:
    """Return the path of a GA field as a beta client knows it.

    A format is a word in the beta, so nothing lies below it.
    """
    for ga, beta in _PATHS.items():
        if path == ga or path.startswith((f"{ga}.", f"{ga}[")):
            return beta if beta.endswith("_format") else beta + path[len(ga) :]
    return path
