"""Speaks the corpus anew: `python -m bench.corpus.make` (needs the Debian package flite).

The voice is flite's `slt`, which the gateway never answers with, so that the
recogniser is not measured on the voice beside it. flite is deterministic: the
committed files come out byte for byte.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.corpus.sentences import FOLDER, Sentence, sentences

VOICE = "slt"
SYNTHESIS_TIMEOUT_S = 30.0


def speak(sentence: Sentence, folder: Path) -> Path:
    """Write one sentence as 16 kHz mono wav below `folder`."""
    target = sentence.path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    command = ["flite", "-voice", VOICE, "-t", sentence.text, "-o", str(target)]
    subprocess.run(command, check=True, timeout=SYNTHESIS_TIMEOUT_S)
    return target


if __name__ == "__main__":
    for each in sentences("held_out"):
        print(speak(each, FOLDER))
