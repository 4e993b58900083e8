"""A thousand half-open calls, a hundred thousand messages: the long forms of the suite's."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator

import pytest

from tests.functional import server as servers
from tests.functional.caller import calling
from tests.functional.lifetimes import State, restored
from tests.functional.server import Server
from tests.functional.test_call_abuse import flood, half_open

pytestmark = pytest.mark.timeout(3_600)

HALF_OPEN = 1_000
AT_ONCE = 50
MOST_CALL_KIB = 400
"""PERFORMANCE 11: the bound of a call that talks."""
FLOOD = 100_000
FLOOD_KIB = 40 * 1024
"""20,000 rows that wait for the database (25 MiB were seen); all events would be 130 MiB."""
CONNECT_S = 120
GROWTH_KIB = 8 * 1024
"""What a third thousand may add to what two left free in the allocator; leaked ones are 150 MiB."""


@pytest.fixture(scope="module")
def roomy_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes a thousand calls, a socket each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    env = {
        "VOICEENGINE_CALLS_MOST": str(HALF_OPEN),
        "VOICEENGINE_CALL_CONNECT_TIMEOUT_S": str(CONNECT_S),
        "VOICEENGINE_RTP_ADDRESSES": '["127.0.0.1"]',
        "VOICEENGINE_RATE_LIMITS": "[]",
    }
    server = servers.start(tmp_path_factory.mktemp("roomy"), env=env)
    server.wait_ready()
    yield server
    assert server.stop() == 0


async def hold(server: Server, *, hang_up: bool) -> float:
    """Have as many half-open calls as the server takes, at once; return the KiB of each."""
    before = State(server)
    paths: list[str] = []
    while len(paths) < HALF_OPEN:
        answers = await half_open(server, AT_ONCE)
        assert {answer.status_code for answer in answers} == {201}
        paths += [answer.headers["location"] for answer in answers]
    during = State(server)
    assert during.sessions == before.sessions + HALF_OPEN
    assert [answer.status_code for answer in await half_open(server, 1)] == [503]
    if hang_up:
        await hang_up_all(server, paths)
    await restored(server, before, within_s=2 * CONNECT_S)
    return (during.memory_kib - before.memory_kib) / HALF_OPEN


async def hang_up_all(server: Server, paths: list[str]) -> None:
    """End calls."""
    async with calling(server) as caller, caller.http() as http:
        for path in paths:
            ended = await http.post(server.url.removesuffix("/v1") + path + "/hangup")
            assert ended.status_code == 200


async def test_a_thousand_half_open_calls_are_bounded_and_freed(roomy_server: Server) -> None:
    """Each takes less than a talking call; by the clock or hung up, its memory is used again."""
    each_kib = await hold(roomy_server, hang_up=False)
    await hold(roomy_server, hang_up=True)
    warm = State(roomy_server)
    await hold(roomy_server, hang_up=True)
    grown = State(roomy_server).memory_kib - warm.memory_kib
    print(f"{each_kib:.0f} KiB each, {grown} KiB more after the third thousand")
    assert each_kib < MOST_CALL_KIB
    assert grown < GROWTH_KIB


async def test_a_hundred_thousand_messages_are_answered_or_end_the_call(
    roomy_server: Server,
) -> None:
    """As in the suite."""
    before = State(roomy_server)
    async with asyncio.timeout(1_800):
        answered = await flood(roomy_server, FLOOD, most_kib=FLOOD_KIB)
    print(f"{answered} of {FLOOD} answered")
    await restored(roomy_server, before)
