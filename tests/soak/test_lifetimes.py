"""Hundreds of clients that idle, come and go, stall or vanish: all returns to where it was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.functional import server as servers
from tests.functional.client import connected
from tests.functional.lifetimes import BRISK, State, hold_idle, restored, stall, vanish
from tests.functional.server import Server

pytestmark = pytest.mark.timeout(1_800)

IDLE, CYCLES, STALLED, VANISHED = 300, 500, 20, 100
MOST_IDLE_KIB = 40
GROWTH_KIB = 8_192
"""What the allocator may keep after it is warm; sessions that leaked would be 30 MiB a round."""


@pytest.fixture(scope="module")
def brisk_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that notices within seconds that a client is gone."""
    server = servers.start(tmp_path_factory.mktemp("brisk"), env=BRISK)
    server.wait_ready()
    yield server
    assert server.stop() == 0


async def come_and_go(server: Server, count: int) -> None:
    """Connect and leave, ten at a time."""

    async def one() -> None:
        async with connected(server):
            pass

    for _ in range(count // 10):
        async with asyncio.TaskGroup() as tasks:
            for _ in range(10):
                tasks.create_task(one())


async def everything(server: Server) -> dict[str, float]:
    """One round of all of it; return the memory after each part."""
    found = {"idle KiB each": await hold_idle(server, IDLE)}
    before = State(server)
    await come_and_go(server, CYCLES)
    found["after cycles"] = (await restored(server, before)).memory_kib
    await stall(server, STALLED)
    found["after stalls"] = (await restored(server, before)).memory_kib
    for speaking in (False, True):
        await vanish(server, VANISHED, speaking=speaking)
    found["after silence"] = (await restored(server, before)).memory_kib
    return found


async def test_everything_returns_to_where_it_was(brisk_server: Server) -> None:
    """The second round needs no more memory, tasks, files or sockets than the first left."""
    start = State(brisk_server)
    first = await everything(brisk_server)
    warm = await restored(brisk_server, start)
    second = await everything(brisk_server)
    after = await restored(brisk_server, warm)
    print(f"first {first}, second {second}, {after.memory_kib - warm.memory_kib} KiB more")
    assert first["idle KiB each"] <= MOST_IDLE_KIB
    assert after.memory_kib - warm.memory_kib < GROWTH_KIB
