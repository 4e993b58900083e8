"""Five hundred calls in a row: the server is as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.functional import server as servers
from tests.functional.lifetimes import State, restored
from tests.functional.server import Server
from tests.functional.test_call_leaks import calls
from tests.gateway.ingress.test_ice import free_ports
from tests.servers.nat import own_address

pytestmark = pytest.mark.timeout(3_600)

WARM, CALLS, AT_ONCE = 200, 500, 10
PORTS = 2 * AT_ONCE
"""Fewer than calls: ports that were kept would be missed."""
ADDRESSES = f'["{own_address()}"]'
GROWTH_KIB = 16 * 1024
"""What the allocator may keep after it is warm; leaked calls would be 170 MiB."""


@pytest.fixture(scope="module")
def calls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with few ports."""
    env = {"VOICEENGINE_RTP_PORTS": free_ports(PORTS), "VOICEENGINE_RTP_ADDRESSES": ADDRESSES}
    server = servers.start(tmp_path_factory.mktemp("calls"), env=env)
    server.wait_ready()
    yield server
    assert server.stop() == 0


async def test_five_hundred_calls_leave_the_server_as_it_was(calls_server: Server) -> None:
    """Tasks, sockets, files and ports are back, and memory is where two hundred left it."""
    start = State(calls_server)
    await calls(calls_server, WARM, at_once=AT_ONCE)
    warm = await restored(calls_server, start)
    for hundred in range(CALLS // 100):
        await calls(calls_server, 100, at_once=AT_ONCE)
        after = await restored(calls_server, warm)
        print(f"{100 * (hundred + 1)} calls: {after.memory_kib - warm.memory_kib} KiB more")
    assert after.memory_kib - warm.memory_kib < GROWTH_KIB
