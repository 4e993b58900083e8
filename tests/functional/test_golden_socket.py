"""The golden traces that need no scripted engine, against the real server from outside."""

from __future__ import annotations

import pytest

from conformance.golden import Player, Trace, traces
from conformance.golden_socket import opened
from tests.functional.server import Server

PLAYABLE = [trace for trace in traces() if not trace.scripted]


@pytest.mark.parametrize("trace", PLAYABLE, ids=lambda trace: trace.name)
def test_server_sends_what_the_trace_says(trace: Trace, request: pytest.FixtureRequest) -> None:
    """Handshake, faults, items and session updates are on the wire as the contract has them."""
    name = "strict_server" if trace.traits.get("beta") == "refused" else "plain_server"
    if trace.traits.get("session") == "translation":
        name = "translating_server"
    server: Server = request.getfixturevalue(name)
    with opened(server.ws_url, server.key, trace) as stage:
        player = Player(trace, stage)
        assert not player.play(), "\n".join(player.differences)
