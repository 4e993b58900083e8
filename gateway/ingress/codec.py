"""Frames to inputs: appends by the short way, everything else validated (PERFORMANCE 3)."""

from __future__ import annotations

from typing import Any, Final

import orjson
from pybase64 import b64decode

from realtime.errors import InvalidEvent, InvalidJson, InvalidValue, WireFault
from realtime.events.client import MAX_APPEND_BYTES, AudioAppend, ClientEvent, client_event
from realtime.events.translation import (
    TranslationAudioAppend,
    TranslationClose,
    TranslationUpdate,
    translation_event,
)

APPEND: Final = "input_audio_buffer.append"
TRANSLATION_APPEND: Final = "session.input_audio_buffer.append"
MAX_DEPTH: Final = 64
MAX_NODES: Final = 20_000

_APPEND_KEYS = (frozenset({"type", "audio"}), frozenset({"type", "audio", "event_id"}))


def decoded(text: str) -> Any:
    """Return a frame's JSON value.

    Raises:
        InvalidJson: it is not JSON, or not within bounds.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(
            f"Invalid event: failed to parse JSON value. {error.msg} at position {error.pos}."
        ) from None


def append_audio(data: Any, kind: str = APPEND) -> bytes | None:
    """Return the audio of a plain append, None if the frame is anything else.

    Raises:
        InvalidValue: the audio is not base64 or too long.
    """
    if type(data) is not dict or data.get("type") != kind or data.keys() not in _APPEND_KEYS:
        return None
    audio = data["audio"]
    if type(audio) is not str or type(data.get("event_id", "")) is not str:
        return None
    return _audio(audio)


def _audio(text: str) -> bytes:
    if len(text) > MAX_APPEND_BYTES // 3 * 4 + 4:
        raise WireFault(
            "Invalid 'audio': string too long. Expected at most 15 MiB of audio.",
            param="audio",
            code="string_above_max_length",
        )
    try:
        return b64decode(text, validate=True)
    except (ValueError, UnicodeError):
        raise InvalidValue(
            "Invalid 'audio'. Expected base64-encoded audio bytes, but got an invalid value.",
            param="audio",
        ) from None


def event_of(data: Any) -> ClientEvent | bytes:
    """Return the validated event, or the audio of an append with unusual keys.

    Raises:
        WireFault: what is wrong with it.
    """
    check_bounds(data)
    event = client_event(data)
    return _audio(event.audio) if isinstance(event, AudioAppend) else event


def translation_event_of(data: Any) -> TranslationUpdate | TranslationClose | bytes:
    """Return the same of a translation session's client.

    Raises:
        WireFault: what is wrong with it.
    """
    check_bounds(data)
    event = translation_event(data)
    return _audio(event.audio) if isinstance(event, TranslationAudioAppend) else event


def check_bounds(data: Any) -> None:
    """Refuse a value nested too deeply or with too many parts.

    Raises:
        InvalidEvent: as said.
    """
    level, nodes = [data], 0
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        nodes += len(below)
        if nodes > MAX_NODES:
            raise InvalidEvent(f"Invalid event: more than {MAX_NODES} values.")
        if not below:
            return
        level = below
    raise InvalidEvent(f"Invalid event: nested deeper than {MAX_DEPTH} levels.")
