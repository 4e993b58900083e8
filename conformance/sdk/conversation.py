"""What the suites converse about. Standard library only: each runs in an environment of its own."""

from __future__ import annotations

import os
import re
import urllib.request
import wave
from pathlib import Path

URL = os.environ["VOICEENGINE_URL"]
SOCKET_URL = URL.replace("http", "ws", 1) + "/realtime"
KEY = os.environ["VOICEENGINE_KEY"]
WRONG_KEY = "sk-wrong"
MODEL = os.environ.get("VOICEENGINE_MODEL", "gpt-realtime")
TIMEOUT_S = 60
SAMPLE_RATE = 24_000
PIECE_MS = 100
PIECE_BYTES = PIECE_MS * SAMPLE_RATE * 2 // 1_000
QUESTION_WORDS = "what time is it"
WEATHER = "The weather in Bern: sunny all day."
LONG = "one two three four five six seven eight nine ten " * 8
"""Output of a tool; what is said of it lasts long enough to be interrupted."""

BEGUN_BYTES = 300 * SAMPLE_RATE * 2 // 1_000
"""What is heard of an answer before it is interrupted: more than any suite cuts it to."""

IMAGE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQ"
    "DJ/pLvAAAAAElFTkSuQmCC"
)
"""One pixel."""


def question(silence_ms: int = 1_000) -> bytes:
    """Return the recorded question and silence after it: 24 kHz, 16 bit, mono."""
    path = Path(__file__).parents[1] / "audio" / "what_time_is_it.wav"
    with wave.open(str(path)) as file:
        audio = file.readframes(file.getnframes())
    return audio + bytes(silence_ms * SAMPLE_RATE // 1_000 * 2)


def pieces(audio: bytes) -> list[bytes]:
    """Return audio in pieces, as a microphone gives it."""
    return [audio[place : place + PIECE_BYTES] for place in range(0, len(audio), PIECE_BYTES)]


def words(text: str) -> str:
    """Return a transcript without case and punctuation."""
    return " ".join(re.findall(r"[a-z']+", text.lower()))


def drop_sockets() -> None:
    """Cut every open socket between the client and the endpoint, without a CLOSE."""
    request = urllib.request.Request(os.environ["VOICEENGINE_CONTROL"] + "/drop", method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert int(answer.read()) > 0, "no socket was open"
