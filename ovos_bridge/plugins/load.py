"""Loads speech parts through the OVOS plugin manager, ours and anybody's.

Ours offer streaming beside the OVOS interface; a plugin that does not is used
for whole utterances and whole files.
"""

from __future__ import annotations

import inspect
import os
import tempfile
import wave
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from ovos_bridge.plugins import installed
from ovos_bridge.plugins.caller_vad import PluginPerCaller
from ovos_bridge.plugins.installed import PluginMissing
from ovos_bridge.speech.choices import DEFAULT, PluginChoice, SpeechChoices
from ovos_bridge.speech.espeak import VOICES
from ovos_bridge.speech.hearing import RATE_HZ
from ovos_bridge.speech.listening import VoiceActivityModel
from ovos_bridge.speech.recognising import Slots
from ovos_bridge.speech.streaming import UtteranceRecogniser
from ovos_bridge.speech.voicing import Voice
from ovos_bridge.speech.waking import WakeWordEngine
from realtime.media.resample import Resampler

CANONICAL_HZ = 24_000
PIECE_BYTES = CANONICAL_HZ // 10 * 2


STREAMING_SLOTS = max(2, os.cpu_count() or 2)
"""Instances of a recogniser that hears while audio comes; of others one, they may be large."""


class OptionsUnknown(Exception):
    """Options were given to a plugin that has none."""


def make_slots(chosen: SpeechChoices) -> dict[str, Slots]:
    """Return the slots of every named recogniser; nothing is loaded yet.

    Raises:
        PluginMissing: the default recogniser is not installed.
    """
    made = {}
    for name, choice in chosen.recognisers.items():
        try:
            make, streams = recogniser_maker(choice, chosen.language)
        except (PluginMissing, OptionsUnknown) as missing:
            if name == DEFAULT:
                raise
            make, streams = _failing(missing), False
        count = choice.slots or (STREAMING_SLOTS if streams else 1)
        made[name] = Slots(make, count, wait_s=chosen.slot_wait_s)
    return made


def _failing(fault: Exception) -> Callable[[], UtteranceRecogniser]:
    def make() -> UtteranceRecogniser:
        raise fault

    return make


def recogniser_maker(
    choice: PluginChoice, language: str
) -> tuple[Callable[[], UtteranceRecogniser], bool]:
    """Return what makes a recogniser for one slot, and whether it hears while audio comes."""
    plugin = installed.load("stt", choice.module)
    streaming = getattr(plugin, "streaming_recogniser", None)
    if streaming is not None:
        _take_no_options(choice)
        return streaming, True
    options = {"module": choice.module, "lang": language, **choice.options}
    return lambda: WholeUtterance(plugin(options)), False


def voice_maker(choice: PluginChoice, language: str) -> Callable[[], Voice]:
    """Return what makes the voice."""
    plugin = installed.load("tts", choice.module)
    streaming = getattr(plugin, "streaming_voice", None)
    if streaming is not None:
        _take_no_options(choice)
        made: Callable[[], Voice] = streaming
        return made
    options = {"module": choice.module, "lang": language, **choice.options}
    return lambda: WholeFile(plugin(config=options))


def voice_activity_model(choice: PluginChoice) -> VoiceActivityModel:
    """Return the batched model of a voice activity plugin, or one instance of it per caller."""
    plugin = installed.load("vad", choice.module)
    batched = getattr(plugin, "batched_model", None)
    if batched is None:
        return PluginPerCaller(lambda: plugin(dict(choice.options)))
    _take_no_options(choice)
    model: VoiceActivityModel = batched()
    return model


def wake_word_makers(chosen: SpeechChoices) -> dict[str, Callable[[], WakeWordEngine]]:
    """Return what makes a listener for each wake word; nothing is loaded yet."""
    return {
        name: partial(wake_word_engine, name, choice, chosen.language)
        for name, choice in chosen.wake_words.items()
    }


def wake_word_engine(name: str, choice: PluginChoice, language: str) -> WakeWordEngine:
    """Return a listener, for the key phrase among the options or for the name's words.

    Raises:
        PluginMissing: the plugin is not installed.
    """
    options = {"module": choice.module, "lang": language, **choice.options}
    phrase = str(options.get("key_phrase") or name.replace("_", " "))
    engine: WakeWordEngine = installed.load("wake_word", choice.module)(phrase, options)
    return engine


def _take_no_options(choice: PluginChoice) -> None:
    if choice.options:
        raise OptionsUnknown(f"{choice.module} has no options; given {sorted(choice.options)}")


class WholeUtterance:
    """An OVOS STT plugin that hears whole utterances."""

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin
        self._audio = bytearray()
        self._language: str | None = None

    def start(self, language: str | None = None) -> None:
        """Begin an utterance."""
        self._audio.clear()
        self._language = language

    def hear(self, audio: bytes) -> None:
        """Keep the audio."""
        self._audio += audio

    def finish(self) -> str:
        """Hand it to the plugin."""
        from ovos_plugin_manager.utils.audio import AudioData

        audio = AudioData(bytes(self._audio), RATE_HZ, 2)
        return str(self._plugin.execute(audio, self._language) or "")

    def set_phrases(self, phrases: Iterable[str]) -> int:
        """Such a plugin has no grammar."""
        return 0


class WholeFile:
    """An OVOS TTS plugin that writes whole files; the rate is read from the file."""

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin
        self._takes = _parameters(plugin.get_tts)

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
            # The contract's names mean nothing to a plugin, which then speaks as configured.
            wanted = {"lang": language, "voice": None if voice in VOICES else voice}
            chosen = {
                name: value for name, value in wanted.items() if value and name in self._takes
            }
            written, _ = self._plugin.get_tts(text, target, **chosen)
            with wave.open(str(written), "rb") as file:
                hz, raw = file.getframerate(), file.readframes(file.getnframes())
        resampler = Resampler(hz, CANONICAL_HZ)
        audio = raw if hz == CANONICAL_HZ else resampler.process(raw) + resampler.flush()
        for place in range(0, len(audio), PIECE_BYTES):
            if not emit(audio[place : place + PIECE_BYTES]):
                return


def _parameters(method: Callable[..., Any]) -> frozenset[str]:
    """Return what a method takes by name; older plugins know neither language nor voice."""
    found = inspect.signature(method).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in found.values()):
        return frozenset({"lang", "voice"})
    return frozenset(found)
