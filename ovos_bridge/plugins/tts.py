"""`espeak-stream`: espeak-ng in process, as an OVOS TTS plugin."""

from __future__ import annotations

import wave
from typing import Any

from ovos_plugin_manager.templates.tts import TTS

from ovos_bridge.speech.espeak import CANONICAL_HZ, VOICES, Espeak


class EspeakStreamTTS(TTS):  # type: ignore[misc]  # OVOS is not typed
    """Whole files for OVOS; `streaming_voice` for the worker."""

    streaming_voice = Espeak

    def __init__(self, config: dict[str, Any] | None = None, **_options: Any) -> None:
        super().__init__(config)
        self._espeak = Espeak()

    def get_tts(
        self, sentence: str, wav_file: str, lang: str | None = None, voice: str | None = None
    ) -> tuple[str, None]:
        """Write a sentence to a wav file."""
        pieces: list[bytes] = []

        def emit(audio: bytes) -> bool:
            pieces.append(audio)
            return True

        chosen = voice if voice in VOICES else "alloy"
        self._espeak.speak(sentence, voice=chosen, speed=1.0, language=lang, emit=emit)
        with wave.open(wav_file, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(CANONICAL_HZ)
            file.writeframes(b"".join(pieces))
        return wav_file, None

    @property
    def available_languages(self) -> set[str]:
        """Those that skills are usually translated to; espeak-ng has a hundred more."""
        return {"en-US", "en-GB", "de-DE", "fr-FR", "es-ES", "it-IT", "nl-NL", "pt-PT"}
