"""A small Realtime client over `websockets`, for tests."""

from __future__ import annotations

import asyncio
import base64
import json
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from tests.functional.server import ROOT, Server

QUESTION = ROOT / "conformance" / "audio" / "what_time_is_it.wav"
TIMEOUT_S = 30
CHUNK_BYTES = 960


class Client:
    """One connection."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, **event: Any) -> None:
        """Send an event."""
        await self.socket.send(json.dumps(event))

    async def receive(self) -> dict[str, Any]:
        """Return the next event."""
        async with asyncio.timeout(TIMEOUT_S):
            return dict(json.loads(await self.socket.recv()))

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """Return the events up to and with the first of a type."""
        events = []
        while not events or events[-1]["type"] != kind:
            events.append(await self.receive())
        return events

    async def say(self, recording: Path = QUESTION, *, silence_ms: int = 600) -> None:
        """Append a 24 kHz recording and some silence, in real time."""
        with wave.open(str(recording)) as file:
            audio = file.readframes(file.getnframes())
        audio += bytes(silence_ms * 48)
        for place in range(0, len(audio), CHUNK_BYTES):
            piece = base64.b64encode(audio[place : place + CHUNK_BYTES]).decode()
            await self.send(type="input_audio_buffer.append", audio=piece)
            await asyncio.sleep(CHUNK_BYTES / 48_000)


@asynccontextmanager
async def connected(
    server: Server, *, model: str = "echo", key: str | None = None, **options: Any
) -> AsyncIterator[Client]:
    """Connect with the development key, or another."""
    headers = {"Authorization": f"Bearer {key or server.key}"}
    async with websockets.connect(
        f"{server.ws_url}?model={model}", additional_headers=headers, max_size=None, **options
    ) as socket:
        client = Client(socket)
        assert (await client.receive())["type"] == "session.created"
        yield client


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something is so; it must be within the timeout."""
    async with asyncio.timeout(TIMEOUT_S):
        while not holds():
            await asyncio.sleep(0.1)


def user_text(text: str) -> dict[str, Any]:
    """Return a user message item."""
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def types(events: list[dict[str, Any]]) -> list[str]:
    """Return the types of events, repeats of deltas as one."""
    found: list[str] = []
    for event in events:
        if not (found and found[-1] == event["type"] and event["type"].endswith(".delta")):
            found.append(event["type"])
    return found
