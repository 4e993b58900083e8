"""Sessions end with their clients, and leave nothing: the short version of the soak's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.functional import server as servers
from tests.functional.lifetimes import (
    BRISK,
    PING_S,
    PONG_S,
    State,
    hold_idle,
    restored,
    stall,
    vanish,
)
from tests.functional.server import Server

MOST_IDLE_KIB = 64
"""Far over the 32 that `python -m bench --only idle` shows; a small count measures badly."""


@pytest.fixture(scope="module")
def brisk_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that notices within seconds that a client is gone."""
    server = servers.start(tmp_path_factory.mktemp("brisk"), env=BRISK)
    server.wait_ready()
    yield server
    assert server.stop() == 0


async def test_idle_sessions_live_on_and_leave_nothing(brisk_server: Server) -> None:
    """Clients that answer pings are kept, with one task each; afterwards none is left."""
    await hold_idle(brisk_server, 10)
    before = State(brisk_server)
    assert await hold_idle(brisk_server, 60) < MOST_IDLE_KIB
    await restored(brisk_server, before)


async def test_readers_that_stall_are_dropped(brisk_server: Server) -> None:
    """A client that reads nothing holds neither its session nor what it did not read."""
    before = State(brisk_server)
    await stall(brisk_server, 4)
    await restored(brisk_server, before)


@pytest.mark.parametrize("speaking", [False, True], ids=["idle", "in an answer"])
async def test_network_that_goes_silent_ends_the_session(
    brisk_server: Server, *, speaking: bool
) -> None:
    """No FIN, no answer to pings: gone within a ping's interval and its timeout."""
    before = State(brisk_server)
    async with asyncio.timeout(60):
        began = time.monotonic()
        await vanish(brisk_server, 5, speaking=speaking)
        assert time.monotonic() - began < PING_S + PONG_S + 10
    await restored(brisk_server, before)
