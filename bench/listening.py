"""CPU of voice activity: callers who speak and fall silent, turns found and nobody answering.

A transcription session without a model has turn detection and no more, so that
neither recognition nor an answer is measured. A quarter of each caller's audio
is speech, the rest room noise that no gate skips.
"""

from __future__ import annotations

import array
import asyncio
import base64
import json
import random
import time
import wave
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import websockets

from bench.messages import APPEND_S, WARM_S, cpu_s

NOISE_S = 3
NOISE_PEAK = 60
APPEND_BYTES = 960


def appends(speech: Path) -> list[str]:
    """Return the frames of a caller's loop: the recording, then noise."""
    with wave.open(str(speech)) as file:
        said = file.readframes(file.getnframes())
    seeded = random.Random(1)
    noise = array.array(
        "h", [seeded.randint(-NOISE_PEAK, NOISE_PEAK) for _ in range(24_000 * NOISE_S)]
    )
    audio = said + noise.tobytes()
    return [
        json.dumps(
            {
                "type": "input_audio_buffer.append",
                "audio": base64.b64encode(audio[at : at + APPEND_BYTES]).decode(),
            }
        )
        for at in range(0, len(audio) - APPEND_BYTES, APPEND_BYTES)
    ]


class Caller:
    """One session."""

    def __init__(self, url: str, key: str, frames: Iterator[str]) -> None:
        self._url, self._key, self._frames = url, key, frames
        self.sent = self.turns = 0

    async def run(self, seconds: float) -> None:
        headers = {"Authorization": f"Bearer {self._key}"}
        async with websockets.connect(
            f"{self._url}?intent=transcription", additional_headers=headers, compression=None
        ) as socket:
            reader = asyncio.create_task(self._read(socket))
            due = time.monotonic()
            end = due + seconds
            while due < end:
                await socket.send(next(self._frames))
                self.sent += 1
                due += APPEND_S
                await asyncio.sleep(max(due - time.monotonic(), 0))
            reader.cancel()

    async def _read(self, socket: websockets.ClientConnection) -> None:
        async for frame in socket:
            self.turns += '"input_audio_buffer.committed"' in str(frame)


async def measure(
    url: str, key: str, gateway: int, worker: int, speech: Path, *, sessions: int, seconds: float
) -> dict[str, float]:
    """Return ms of CPU per session and second, and how many sessions make a core."""
    frames = appends(speech)
    callers = []
    for number in range(sessions):
        start = number * 37 % len(frames)
        callers.append(Caller(url, key, cycle(frames[start:] + frames[:start])))
    async with asyncio.TaskGroup() as tasks:
        for caller in callers:
            tasks.create_task(caller.run(seconds + 2 * WARM_S))
        await asyncio.sleep(WARM_S)
        before = cpu_s(gateway), cpu_s(worker), sum(caller.sent for caller in callers)
        own, began = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        after = cpu_s(gateway), cpu_s(worker), sum(caller.sent for caller in callers)
        own, took = time.process_time() - own, time.monotonic() - began
    gateway_s, worker_s, sent = (late - early for early, late in zip(before, after, strict=True))
    return {
        "sessions": sessions,
        "gateway_ms": gateway_s / took / sessions * 1000,
        "worker_ms": worker_s / took / sessions * 1000,
        "sessions_per_core": took * sessions / (gateway_s + worker_s),
        "turns": sum(caller.turns for caller in callers),
        "of_planned": sent / took * APPEND_S / sessions,
        "generator_core": own / took,
    }
