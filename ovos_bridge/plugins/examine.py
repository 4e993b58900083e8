"""Lists the installed plugins, or tries one: `python -m ovos_bridge.plugins.examine list|try`.

One process per plugin: they are other people's code, load native libraries and may
hang or crash. What `try` is to do comes as JSON on the standard input, since options
hold keys; the findings go to the standard output as the last line, as JSON.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ovos_bridge.plugins import installed, load
from ovos_bridge.speech.choices import WAKE_WORD, WAKE_WORDS, PluginChoice
from realtime.media.resample import Resampler

CANONICAL_HZ, RATE_HZ = 24_000, 16_000
RECORDING = Path(__file__).parents[2] / "conformance" / "audio" / "what_time_is_it.wav"
QUESTION, SENTENCE = "what time is it", "Good morning."
FRAME_BYTES = RATE_HZ * 30 // 1000 * 2
SILENCE = bytes(RATE_HZ)


def _recording() -> bytes:
    """Return somebody's question as 16 kHz PCM, with silence around it."""
    if not RECORDING.is_file():
        return SILENCE + _spoken() + SILENCE
    with wave.open(str(RECORDING)) as file:
        hz, audio = file.getframerate(), file.readframes(file.getnframes())
    down = Resampler(hz, RATE_HZ)
    return SILENCE + down.process(audio) + down.flush() + SILENCE


def _spoken() -> bytes:
    from ovos_bridge.speech.espeak import Espeak

    pieces: list[bytes] = []

    def keep(audio: bytes) -> bool:
        pieces.append(audio)
        return True

    Espeak().speak(QUESTION, voice="alloy", speed=1.0, language=None, emit=keep)
    down = Resampler(CANONICAL_HZ, RATE_HZ)
    return down.process(b"".join(pieces)) + down.flush()


def _hear(choice: PluginChoice, language: str) -> tuple[bool, str]:
    make, streams = load.recogniser_maker(choice, language)
    recogniser = make()
    recogniser.set_phrases([QUESTION])
    audio = _recording()
    began = time.monotonic()
    recogniser.start(language)
    recogniser.hear(audio)
    words = recogniser.finish()
    way = "while it comes" if streams else "as a whole"
    seconds = time.monotonic() - began
    if not words:
        return False, "it heard nothing in a recording of a question"
    return True, f"heard {words!r} in {seconds:.1f} s, audio {way}"


def _speak(choice: PluginChoice, language: str) -> tuple[bool, str]:
    voice = load.voice_maker(choice, language)()
    heard = bytearray()
    first: list[float] = []
    began = time.monotonic()

    def keep(audio: bytes) -> bool:
        first.append(time.monotonic() - began)
        heard.extend(audio)
        return True

    voice.speak(SENTENCE, voice="alloy", speed=1.0, language=language, emit=keep)
    if not any(heard):
        return False, "it made no sound"
    length = len(heard) / 2 / CANONICAL_HZ
    return True, f"spoke {length:.1f} s of audio, the first after {first[0] * 1000:.0f} ms"


def _judge(choice: PluginChoice, _language: str) -> tuple[bool, str]:
    engine = installed.load("vad", choice.module)(dict(choice.options))
    quiet = [engine.is_silence(frame) for frame in _frames(SILENCE)]
    voiced = [not engine.is_silence(frame) for frame in _frames(_recording())]
    told = f"speech in {sum(voiced)} of {len(voiced)} frames of a recorded question"
    if not any(voiced):
        return False, "it found no speech in a recording of a question"
    if not all(quiet[1:]):
        return False, "it takes silence for speech"
    return True, told


def _listen(choice: PluginChoice, language: str) -> tuple[bool, str]:
    usual = WAKE_WORDS[0] if choice.module == WAKE_WORD else choice.module
    name = str(choice.options.get("model") or usual)
    word = str(choice.options.get("key_phrase") or name.replace("_", " "))
    engine = load.wake_word_engine(name, choice, language)
    began = time.monotonic()
    found = 0
    for frame in _frames(SILENCE + _recording()):
        engine.update(frame)
        found += bool(engine.found_wake_word())
    seconds = time.monotonic() - began
    if found:
        return False, "it takes another question for its wake word"
    return True, f"listens for {word!r}; two seconds of audio took {seconds * 1000:.0f} ms"


def _frames(audio: bytes) -> Iterator[bytes]:
    for place in range(0, len(audio) - FRAME_BYTES, FRAME_BYTES):
        yield audio[place : place + FRAME_BYTES]


_TRIALS: dict[str, Callable[[PluginChoice, str], tuple[bool, str]]] = {
    "stt": _hear,
    "tts": _speak,
    "vad": _judge,
    "wake_word": _listen,
}


def listed() -> list[dict[str, str]]:
    """Return every installed plugin."""
    return [
        {
            "kind": plugin.kind,
            "name": plugin.name,
            "group": plugin.group,
            "package": plugin.package,
            "version": plugin.version,
        }
        for kind in installed.GROUPS
        for plugin in installed.installed(kind)
    ]


def tried(asked: dict[str, Any]) -> dict[str, Any]:
    """Load a plugin and let it work; return whether it did, and what was seen."""
    choice = PluginChoice(asked["module"], asked.get("options") or {})
    try:
        works, observed = _TRIALS[asked["kind"]](choice, asked.get("language") or "en-US")
    except BaseException as fault:  # whatever a plugin raises, `exit` included, is the finding
        works, observed = False, f"{type(fault).__name__}: {fault}"
    return {"works": works, "observed": observed[:300]}


def main() -> None:
    """Run from the command line."""
    answer = os.dup(1)
    os.dup2(2, 1)  # plugins print, and so do the libraries below them
    with contextlib.redirect_stdout(io.TextIOWrapper(os.fdopen(2, "wb", closefd=False))):
        found: Any = listed() if sys.argv[1] == "list" else tried(json.load(sys.stdin))
    os.write(answer, json.dumps(found).encode() + b"\n")
    os._exit(0)  # threads of plugins may never end


if __name__ == "__main__":
    main()
