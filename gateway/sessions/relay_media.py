"""A call's audio in the form that a relayed session's upstream hears and speaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pybase64 import b64decode, b64encode_as_string

from gateway.sessions.audio import InputDecoder, OutputEncoder
from realtime.session.config import AudioFormat, G711Audio, PcmAudio

_G711: Final[Mapping[str, AudioFormat]] = {
    "audio/pcmu": G711Audio("audio/pcmu"),
    "audio/pcma": G711Audio("audio/pcma"),
}


class UpstreamAudio:
    """Canonical audio on our side, the session's formats on the other."""

    def __init__(self) -> None:
        self._hears: AudioFormat | None = None
        self._speaks: AudioFormat | None = None
        self._up = OutputEncoder(PcmAudio())
        self._down = InputDecoder(PcmAudio())

    @property
    def configured(self) -> bool:
        """True once the formats are known."""
        return self._hears is not None

    def configure(self, session: Mapping[str, Any]) -> None:
        """The upstream said what the session is."""
        hears, speaks = _format(session, "input"), _format(session, "output")
        if hears != self._hears:
            self._hears, self._up = hears, OutputEncoder(hears)
        if speaks != self._speaks:
            self._speaks, self._down = speaks, InputDecoder(speaks)

    def append(self, audio: bytes) -> str | None:
        """Return the event that says this audio, None while there is not enough of it."""
        wire = self._up.encode(audio)
        if not wire:
            return None
        return f'{{"type":"input_audio_buffer.append","audio":"{b64encode_as_string(wire)}"}}'

    def heard(self, delta: object) -> bytes:
        """Return the audio of a delta; what is no base64 is no audio."""
        try:
            wire = b64decode(delta, validate=True) if isinstance(delta, str) else b""
        except ValueError:
            return b""
        return self._down.decode(wire)


def _format(session: Mapping[str, Any], side: str) -> AudioFormat:
    place: Any = session
    for name in ("audio", side, "format", "type"):
        place = place.get(name) if isinstance(place, Mapping) else None
    return _G711.get(str(place)) or PcmAudio()
