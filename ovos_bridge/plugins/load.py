"""Loads speech parts through the OVOS plugin manager, ours and anybody's.

Ours offer streaming beside the OVOS interface; a plugin that does not is used
for whole utterances and whole files.
"""

from __future__ import annotations

import tempfile
import wave
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ovos_bridge.plugins.caller_vad import PluginPerCaller
from ovos_bridge.speech.listening import VoiceActivityModel
from ovos_bridge.speech.recognising import RATE_HZ, UtteranceRecogniser
from ovos_bridge.speech.voicing import Voice
from realtime.media.resample import Resampler

CANONICAL_HZ = 24_000
PIECE_BYTES = CANONICAL_HZ // 10 * 2


class PluginMissing(Exception):
    """The configured plugin is not installed."""


def _plugin(kind: str, name: str) -> Any:
    from ovos_plugin_manager.utils import PluginTypes, find_plugins

    types = {"stt": PluginTypes.STT, "tts": PluginTypes.TTS, "vad": PluginTypes.VAD}
    found = find_plugins(types[kind])
    if name not in found:
        raise PluginMissing(f"OVOS {kind} plugin {name!r} is not installed; found {sorted(found)}")
    return found[name]


def recogniser_maker(name: str) -> Callable[[], UtteranceRecogniser]:
    """Return what makes a recogniser for one slot."""
    plugin = _plugin("stt", name)
    streaming = getattr(plugin, "streaming_recogniser", None)
    return streaming if streaming is not None else lambda: WholeUtterance(plugin({"lang": "en-US"}))


def voice_maker(name: str) -> Callable[[], Voice]:
    """Return what makes the voice."""
    plugin = _plugin("tts", name)
    streaming = getattr(plugin, "streaming_voice", None)
    return streaming if streaming is not None else lambda: WholeFile(plugin({"lang": "en-US"}))


def voice_activity_model(name: str) -> VoiceActivityModel:
    """Return the batched model of a voice activity plugin, or one instance of it per caller."""
    plugin = _plugin("vad", name)
    batched = getattr(plugin, "batched_model", None)
    model: VoiceActivityModel = PluginPerCaller(plugin) if batched is None else batched()
    return model


class WholeUtterance:
    """An OVOS STT plugin that hears whole utterances."""

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin
        self._audio = bytearray()

    def start(self) -> None:
        """Begin an utterance."""
        self._audio.clear()

    def hear(self, audio: bytes) -> None:
        """Keep the audio."""
        self._audio += audio

    def finish(self) -> str:
        """Hand it to the plugin."""
        from ovos_plugin_manager.utils.audio import AudioData

        return str(self._plugin.execute(AudioData(bytes(self._audio), RATE_HZ, 2)) or "")

    def set_phrases(self, phrases: Iterable[str]) -> int:
        """Such a plugin has no grammar."""
        return 0


class WholeFile:
    """An OVOS TTS plugin that writes whole files; the rate is read from the file."""

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin

    def speak(
        self,
        text: str,
        *,
        voice: str,
        speed: float,
        language: str | None,
        emit: Callable[[bytes], bool],
    ) -> None:
        """Synthesise, then hand the audio over in pieces."""
        with tempfile.TemporaryDirectory() as folder:
            target = str(Path(folder) / "speech.wav")
            written, _ = self._plugin.get_tts(text, target)
            with wave.open(str(written), "rb") as file:
                hz, raw = file.getframerate(), file.readframes(file.getnframes())
        resampler = Resampler(hz, CANONICAL_HZ)
        audio = raw if hz == CANONICAL_HZ else resampler.process(raw) + resampler.flush()
        for place in range(0, len(audio), PIECE_BYTES):
            if not emit(audio[place : place + PIECE_BYTES]):
                return
