"""espeak-ng in process: the first samples after a fraction of a millisecond.

The library has global state, so one synthesis runs at a time in a process; at
a thousand times real time that is no bottleneck. GPL-3: it stays in the worker.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from ovos_bridge.speech.espeak_voices import voice_for, voices_by_tag
from realtime.media.resample import Resampler

CANONICAL_HZ = 24_000
_RETRIEVAL = 1
_CHARS_UTF8 = 1
_RATE, _PITCH = 1, 3
_POSITION_CHARACTER = 1
WORDS_PER_MINUTE = 165
BUFFER_MS = 60

VOICES: dict[str, tuple[str, int]] = {
    "alloy": ("en-us", 50),
    "ash": ("en-us+m3", 40),
    "ballad": ("en+m1", 45),
    "coral": ("en-us+f2", 60),
    "echo": ("en-us+m7", 50),
    "sage": ("en+f4", 55),
    "shimmer": ("en-us+f5", 65),
    "verse": ("en-us+m5", 55),
    "marin": ("en-us+f3", 50),
    "cedar": ("en-us+m2", 35),
}
"""The contract's voices: espeak voice with variant, and pitch (0 to 99). British is plain `en`."""

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class SynthesisError(Exception):
    """espeak-ng refused."""


class Espeak:
    """The library; use it from one thread."""

    def __init__(self) -> None:
        import espeakng_loader

        self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self._hz = self._library.espeak_Initialize(_RETRIEVAL, BUFFER_MS, data, 0)
        if self._hz <= 0:
            raise SynthesisError("espeak-ng did not start")
        self._by_tag = voices_by_tag(self._library)
        self._emit: Callable[[bytes], bool] | None = None
        self._callback = _Callback(self._called)
        self._library.espeak_SetSynthCallback(self._callback)

    def _called(self, samples: Any, count: int, _events: Any) -> int:
        if self._emit is None or not samples or count <= 0:
            return 0
        return 0 if self._emit(ctypes.string_at(samples, count * 2)) else 1

    def speak(
        self,
        text: str,
        *,
        voice: str,
        speed: float,
        language: str | None,
        emit: Callable[[bytes], bool],
    ) -> None:
        """Hand canonical audio to `emit` piece by piece; `emit` returns False to stop.

        Raises:
            SynthesisError: espeak-ng refused.
        """
        name, pitch = self._voice(voice, language)
        if self._library.espeak_SetVoiceByName(name.encode()) != 0:
            self._library.espeak_SetVoiceByName(b"en-us")
        self._library.espeak_SetParameter(_RATE, int(WORDS_PER_MINUTE * speed), 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)
        resampler = Resampler(self._hz, CANONICAL_HZ)
        wanted = True

        def convert(piece: bytes) -> bool:
            nonlocal wanted
            audio = resampler.process(piece)
            wanted = emit(audio) if audio else True
            return wanted

        self._emit = convert
        words = text.encode() + b"\0"
        result = self._library.espeak_Synth(
            words, len(words), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        self._library.espeak_Synchronize()
        self._emit = None
        if result != 0:
            raise SynthesisError("espeak-ng refused the text")
        if wanted:
            emit(resampler.flush())

    def _voice(self, voice: str, language: str | None) -> tuple[str, int]:
        if voice not in VOICES and (own := self._own(voice)) is not None:
            return own, VOICES["alloy"][1]
        name, pitch = VOICES.get(voice, VOICES["alloy"])
        if language and language.lower() not in ("en", "en-us"):
            spoken = voice_for(language, self._by_tag)
            variant = name.partition("+")[2]
            if spoken is not None:
                return f"{spoken}+{variant}" if variant else spoken, pitch
        return name, pitch

    def _own(self, voice: str) -> str | None:
        """Return the name of a voice that is called by a tag or by espeak's own name for it."""
        base, plus, variant = voice.partition("+")
        name = f"{self._by_tag.get(base.lower(), base)}{plus}{variant}"
        found = bool(base) and self._library.espeak_SetVoiceByName(name.encode()) == 0
        return name if found else None
