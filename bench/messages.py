"""CPU per message with the echo engine, beside a bare asyncio floor in the same run.

Each session sends 50 appends a second (20 ms, 960 bytes of PCM) and receives 25
deltas a second (40 ms). CPU is the on-CPU time of the server process (user and
system) between two readings, divided by the messages in both directions.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from pathlib import Path

import websockets

APPEND_S = 0.02
WARM_S = 2.0


def cpu_s(pid: int) -> float:
    """Return user and system time of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kib(pid: int) -> int:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


class Load:
    """One session under load."""

    def __init__(self, url: str, key: str, append: str) -> None:
        self.url, self.key, self.append = url, key, append
        self.sent = self.received = 0

    async def run(self, seconds: float, *, model: str, update: dict[str, object] | None) -> None:
        headers = {"Authorization": f"Bearer {self.key}"}
        async with websockets.connect(
            f"{self.url}?model={model}", additional_headers=headers, compression=None, max_size=None
        ) as socket:
            await socket.recv()
            if update is not None:
                await socket.send(json.dumps({"type": "session.update", "session": update}))
            if model == "echo":
                text = {"type": "input_text", "text": f"tone:{int(seconds * 1000) + 2000}"}
                item = {"type": "message", "role": "user", "content": [text]}
                await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
                await socket.send(json.dumps({"type": "response.create"}))
            reader = asyncio.create_task(self._read(socket))
            due, end = time.monotonic(), time.monotonic() + seconds
            while due < end:
                await socket.send(self.append)
                self.sent += 1
                due += APPEND_S
                await asyncio.sleep(max(due - time.monotonic(), 0))
            reader.cancel()

    async def _read(self, socket: websockets.ClientConnection) -> None:
        async for _ in socket:
            self.received += 1


async def measure(
    url: str,
    key: str,
    pids: list[int],
    *,
    sessions: int,
    seconds: float,
    model: str = "echo",
    update: dict[str, object] | None = None,
    audio: bytes = bytes(960),
) -> dict[str, float]:
    """Return us of CPU per message and what was sent."""
    append = json.dumps(
        {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}
    )
    loads = [Load(url, key, append) for _ in range(sessions)]
    async with asyncio.TaskGroup() as tasks:
        for load in loads:
            tasks.create_task(load.run(seconds + 2 * WARM_S, model=model, update=update))
        await asyncio.sleep(WARM_S)
        cpu, messages = sum(map(cpu_s, pids)), _messages(loads)
        own, began = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        cpu, messages = sum(map(cpu_s, pids)) - cpu, _messages(loads) - messages
        own, took = time.process_time() - own, time.monotonic() - began
    planned = sessions * took * (75 if model == "echo" else 50)
    return {
        "us_per_message": cpu / messages * 1e6,
        "messages_per_s": messages / took,
        "of_planned": messages / planned,
        "server_core": cpu / took,
        "generator_core": own / took,
        "ms_cpu_per_session_s": cpu / took / sessions * 1000,
    }


def _messages(loads: list[Load]) -> int:
    return sum(load.sent + load.received for load in loads)


if __name__ == "__main__":
    print(__doc__, file=sys.stderr)
