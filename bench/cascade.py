"""What early answers and speech by clause save: end of speech to first audio, in four ways.

The chat model is the scripted server, in a process of its own: its first token comes 300 ms
after it was asked, the next ones 30 ms apart, 33 words in all. Voice activity is the real one;
the recogniser and the voice are stand-in endpoints that answer at once, so that what is measured
is the waiting for turn and model, and not this machine's speed. The four gateways run at the
same time and are asked in turns, since the machine is not equally fast at all times.
"""

from __future__ import annotations

import json
import statistics
import urllib.request
import wave
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.turns import turn
from tests.functional.server import Server
from tests.servers.speech import KEY

WAYS = {
    "neither": {"VOICEENGINE_CHAT_SPECULATIONS": "0", "VOICEENGINE_CHAT_CLAUSES": "false"},
    "clauses": {"VOICEENGINE_CHAT_SPECULATIONS": "0", "VOICEENGINE_CHAT_CLAUSES": "true"},
    "speculation": {"VOICEENGINE_CHAT_SPECULATIONS": "1", "VOICEENGINE_CHAT_CLAUSES": "false"},
    "both": {"VOICEENGINE_CHAT_SPECULATIONS": "1", "VOICEENGINE_CHAT_CLAUSES": "true"},
}
DETECTIONS: dict[str, dict[str, object]] = {
    "server_vad 200 ms": {"type": "server_vad", "silence_duration_ms": 200},
    "server_vad 500 ms": {"type": "server_vad", "silence_duration_ms": 500},
    "semantic_vad": {"type": "semantic_vad"},
}
MODEL = "paced"


def settings(chat_url: str, speech_url: str, way: str) -> dict[str, str]:
    """Return what the gateway is started with."""
    endpoint = {"kind": "openai", "url": speech_url, "model": "words", "api_key": KEY}
    return {
        "VOICEENGINE_SPEECH": "true",
        "VOICEENGINE_CHAT_URL": chat_url,
        "VOICEENGINE_CHAT_MODEL": MODEL,
        "VOICEENGINE_RECOGNISERS": json.dumps({"default": endpoint}),
        "VOICEENGINE_SYNTHESISER": json.dumps(endpoint),
        **WAYS[way],
    }


async def measure(
    servers: Mapping[str, Server], recording: Path, *, times: int
) -> dict[str, dict[str, float]]:
    """Return the median ms of each way and turn detection, taken in turns."""
    with wave.open(str(recording)) as file:
        audio = file.readframes(file.getnframes())
    taken: dict[str, dict[str, list[float]]] = {
        way: {name: [] for name in DETECTIONS} for way in servers
    }
    for _ in range(times):
        for name, detection in DETECTIONS.items():
            for way, server in servers.items():
                ms = await turn(server.ws_url, server.key, audio, detection=detection)
                taken[way][name].append(ms)
    return {
        way: {name: statistics.median(each) for name, each in found.items()}
        for way, found in taken.items()
    }


def fates(base: str) -> dict[str, int]:
    """Return how many answers were begun early, used and discarded."""
    with urllib.request.urlopen(base + "/metrics") as answer:
        return dict(_fates(answer.read().decode()))


def _fates(text: str) -> Iterator[tuple[str, int]]:
    for line in text.splitlines():
        if line.startswith("voiceengine_speculations_total{") and 'part="brain"' in line:
            name = line.split('outcome="')[1].split('"')[0]
            yield name, int(float(line.rsplit(" ", 1)[1]))
