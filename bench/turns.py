"""End of speech to first audio byte, with the stages the server measured."""

from __future__ import annotations

import asyncio
import base64
import json
import statistics
import time
import urllib.request
import wave
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import websockets

PIECE_BYTES = 960
RATE_BYTES = 48_000


def speech_end(audio: bytes) -> int:
    """Return the byte after the last sample louder than 2 % of full scale."""
    loud = np.nonzero(np.abs(np.frombuffer(audio, dtype="<i2")) > 650)[0]
    return int(loud[-1] + 1) * 2


async def turn(
    url: str, key: str, audio: bytes, *, detection: Mapping[str, object] | None = None
) -> float:
    """Return ms from the true end of speech to the first audio byte of the answer."""
    headers = {"Authorization": f"Bearer {key}"}
    end = speech_end(audio)
    ended = 0.0
    async with websockets.connect(
        f"{url}?model=gpt-realtime", additional_headers=headers, compression=None, max_size=None
    ) as socket:

        async def speak() -> None:
            nonlocal ended
            if detection is not None:
                heard = {"input": {"turn_detection": detection}}
                session = {"type": "realtime", "audio": heard}
                await socket.send(json.dumps({"type": "session.update", "session": session}))
            due, whole = time.monotonic(), audio + bytes(RATE_BYTES * 5)
            for place in range(0, len(whole), PIECE_BYTES):
                piece = base64.b64encode(whole[place : place + PIECE_BYTES]).decode()
                await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": piece}))
                if place <= end < place + PIECE_BYTES:
                    ended = time.monotonic()
                due += PIECE_BYTES / RATE_BYTES
                await asyncio.sleep(max(due - time.monotonic(), 0))

        speaking = asyncio.create_task(speak())
        async with asyncio.timeout(20):
            while json.loads(await socket.recv())["type"] != "response.output_audio.delta":
                pass
        first = time.monotonic()
        speaking.cancel()
        return (first - ended) * 1000


def stages(base: str) -> dict[str, float]:
    """Return mean ms of each stage, from the server's metrics."""
    with urllib.request.urlopen(base + "/metrics") as answer:
        text = answer.read().decode()
    found: dict[str, dict[str, float]] = {}
    for line in text.splitlines():
        for part in ("sum", "count"):
            start = f"voiceengine_stage_seconds_{part}{{stage="
            if line.startswith(start):
                name, value = line[len(start) :].split("} ")
                found.setdefault(name.strip('"'), {})[part] = float(value)
    return {
        name: each["sum"] / each["count"] * 1000 for name, each in found.items() if each["count"]
    }


async def measure(
    url: str, base: str, key: str, recording: Path, *, times: int
) -> dict[str, object]:
    """Return the distribution over several turns."""
    with wave.open(str(recording)) as file:
        audio = file.readframes(file.getnframes())
    taken = sorted([await turn(url, key, audio) for _ in range(times)])
    return {
        "p50_ms": statistics.median(taken),
        "p95_ms": taken[int(len(taken) * 0.95) - 1],
        "turns": times,
        "stages_ms": stages(base),
    }
