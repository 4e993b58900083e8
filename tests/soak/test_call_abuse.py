"""A thousand half-open calls, a hundred thousand messages: the long forms of the suite's."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator

import pytest

from tests.functional import server as servers
from tests.functional.lifetimes import State, restored
from tests.functional.server import Server
from tests.functional.test_call_abuse import flood, half_open

pytestmark = pytest.mark.timeout(3_600)

HALF_OPEN = 1_000
AT_ONCE = 50
MOST_CALL_KIB = 400
"""PERFORMANCE 11: the bound of a call that talks."""
FLOOD = 100_000
GROWTH_KIB = 96 * 1024
"""What the allocator may keep of a thousand calls at once; leaked ones would be 320 MiB."""


@pytest.fixture(scope="module")
def roomy_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes a thousand calls, a socket each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    env = {
        "VOICEENGINE_CALLS_MOST": str(HALF_OPEN),
        "VOICEENGINE_CALL_CONNECT_TIMEOUT_S": "30",
        "VOICEENGINE_RTP_ADDRESSES": '["127.0.0.1"]',
        "VOICEENGINE_RATE_LIMITS": "[]",
    }
    server = servers.start(tmp_path_factory.mktemp("roomy"), env=env)
    server.wait_ready()
    yield server
    assert server.stop() == 0


async def hold(server: Server) -> float:
    """Have as many half-open calls as the server takes; return the KiB of each."""
    before = State(server)
    statuses: list[int] = []
    for _ in range(HALF_OPEN // AT_ONCE + 1):
        statuses += await half_open(server, AT_ONCE)
    assert set(statuses) <= {201, 503}
    during = State(server)
    await restored(server, before)
    return (during.memory_kib - before.memory_kib) / (during.sessions or 1)


async def test_a_thousand_half_open_calls_are_bounded_and_freed(roomy_server: Server) -> None:
    """Each takes less than a talking call, and the memory of the first thousand is used again."""
    each_kib = await hold(roomy_server)
    warm = State(roomy_server)
    await hold(roomy_server)
    grown = State(roomy_server).memory_kib - warm.memory_kib
    print(f"{each_kib:.0f} KiB each, {grown} KiB more after the second thousand")
    assert each_kib < MOST_CALL_KIB
    assert grown < GROWTH_KIB


async def test_a_hundred_thousand_messages_are_answered_or_end_the_call(
    roomy_server: Server,
) -> None:
    """As in the suite."""
    before = State(roomy_server)
    async with asyncio.timeout(1_800):
        await flood(roomy_server, FLOOD)
    await restored(roomy_server, before)
