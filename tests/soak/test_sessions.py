"""Many sessions, many messages: the server comes back to where it was."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from bench.messages import memory_kib
from tests.functional.client import connected, until, user_text
from tests.functional.server import Server
from tests.functional.test_socket import count_errors, malformed
from tests.functional.test_voice import CLOCK, answer_of, spoken_turn

pytestmark = pytest.mark.timeout(1_800)

WARM = 300
FLUSH_S = 0.5
CYCLES = 500
MALFORMED = 100_000
CALLERS = 8
ROUNDS = 5
GROWTH_KIB = 3_072
"""What the allocator may keep after it is warm; 500 sessions that leaked would be 30 MiB."""


def open_files(server: Server) -> int:
    """Return how many files and sockets the server holds."""
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


async def cycle(server: Server, number: int) -> None:
    """Connect, do something, leave in one of three ways."""
    async with connected(server) as client:
        await client.send(type="conversation.item.create", item=user_text("tone:5000"))
        await client.send(type="response.create")
        await client.until("response.output_audio.delta")
        if number % 3 == 0:
            client.socket.transport.abort()
        elif number % 3 == 1:
            await client.send(type="response.cancel")
            await client.until("response.done")


async def cycles(server: Server, count: int) -> None:
    """Run cycles, ten at a time."""
    for start in range(0, count, 10):
        async with asyncio.TaskGroup() as tasks:
            for number in range(start, start + 10):
                tasks.create_task(cycle(server, number))
        if start % 50 == 0:
            # A hundred sessions a second outrun SQLite; what waits for it is no leak.
            await asyncio.sleep(FLUSH_S)
            await until(lambda: server.metric("voiceengine_recorder_backlog_rows") == 0)


async def test_cycles_leave_nothing_behind(plain_server: Server) -> None:
    """500 connections that end in any way: memory, sockets and sessions return."""
    await cycles(plain_server, WARM)
    await until(lambda: plain_server.metric("voiceengine_sessions") == 0)
    memory, files = memory_kib(plain_server.process.pid), open_files(plain_server)
    await cycles(plain_server, CYCLES)
    await until(lambda: plain_server.metric("voiceengine_sessions") == 0)
    await until(lambda: open_files(plain_server) <= files + 2)
    grown = memory_kib(plain_server.process.pid) - memory
    print(f"{CYCLES} cycles: {grown} KiB more")
    assert grown < GROWTH_KIB


async def test_malformed_messages_cost_nothing(plain_server: Server) -> None:
    """A hundred thousand bad messages in one session, each with its error; then a turn works."""
    choose = random.Random(time.time_ns())
    memory = 0
    async with connected(plain_server) as client:
        for place in range(0, MALFORMED, 1_000):
            reader = asyncio.create_task(count_errors(client, 1_000))
            for number in range(1_000):
                await client.socket.send(malformed(choose, number))
            assert await reader == 1_000
            if place == MALFORMED // 2:  # by now the record waits at its bound
                memory = memory_kib(plain_server.process.pid)
        print(f"{MALFORMED} messages: {memory_kib(plain_server.process.pid) - memory} KiB more")
        await client.send(type="conversation.item.create", item=user_text("still here"))
        await client.send(type="response.create")
        done = (await client.until("response.done"))[-1]
    assert done["response"]["status"] == "completed"
    assert memory_kib(plain_server.process.pid) - memory < GROWTH_KIB


async def test_callers_at_once_are_each_answered(voice_server: Server) -> None:
    """Eight callers ask at the same time, five times over; each hears the time."""

    async def caller() -> int:
        right = 0
        async with connected(voice_server, model="gpt-realtime") as client:
            for _ in range(ROUNDS):
                events = await spoken_turn(client)
                right += bool(CLOCK.search(answer_of(events[-2])))
        return right

    async with asyncio.TaskGroup() as tasks:
        callers = [tasks.create_task(caller()) for _ in range(CALLERS)]
    assert [task.result() for task in callers] == [ROUNDS] * CALLERS
