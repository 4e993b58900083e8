"""Speaks the corpus anew: `python -m bench.corpus.make` (needs the Debian package flite).

The voice is flite's `slt`, which the gateway never answers with, so that the
recogniser is not measured on the voice beside it. flite is deterministic: the
committed files come out byte for byte. Stretches of turns are cut to the sound,
so that the pauses between them are as long as they are said to be.
"""

from __future__ import annotations

import subprocess
import wave
from pathlib import Path

import numpy as np

from bench.corpus.sentences import FOLDER, Sentence, SpokenTurn, sentences, spoken_turns

VOICE = "slt"
QUIET = 300
"""Samples up to this are no sound: 1 % of full scale."""

SYNTHESIS_TIMEOUT_S = 30.0


def speak(sentence: Sentence, folder: Path) -> Path:
    """Write one sentence as 16 kHz mono wav below `folder`."""
    return _say(sentence.text, sentence.path(folder))


def speak_turn(turn: SpokenTurn, folder: Path) -> list[Path]:
    """Write each stretch of a turn, without the silence around it."""
    made = []
    for place, text in enumerate(turn.stretches):
        path = _say(text, turn.path(folder, place))
        with wave.open(str(path), "rb") as file:
            hz, samples = file.getframerate(), np.frombuffer(file.readframes(-1), dtype="<i2")
        loud = np.nonzero(np.abs(samples) > QUIET)[0]
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, hz, 0, "NONE", ""))
            file.writeframes(samples[loud[0] : loud[-1] + 1].tobytes())
        made.append(path)
    return made


def _say(text: str, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    command = ["flite", "-voice", VOICE, "-t", text, "-o", str(target)]
    subprocess.run(command, check=True, timeout=SYNTHESIS_TIMEOUT_S)
    return target


if __name__ == "__main__":
    for each in sentences("held_out"):
        print(speak(each, FOLDER))
    for turn in spoken_turns():
        print(*speak_turn(turn, FOLDER))
