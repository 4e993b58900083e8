"""Every client of the matrix at once, and again: what one session does reaches no other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from conformance import clients
from conformance.clients import CLIENTS, Client
from conformance.wire.endpoint import Endpoint
from tests.functional.server import Server

pytestmark = [pytest.mark.real, pytest.mark.timeout(1_800)]

ROUNDS = 5
AT_ONCE = 3
PLAIN = [client for client in CLIENTS if not client.dials_tls_only]


def test_clients_converse_side_by_side(voice_server: Server) -> None:
    """No rule of any suite fails, in any round."""
    endpoint = Endpoint(voice_server.url, voice_server.key)

    def faults(client: Client) -> list[str]:
        held = clients.hold(client, endpoint)
        assert held.version, held.outcomes[0].reason
        return [
            f"{client.name}: {found.rule}: {found.reason}"
            for found in held.outcomes
            if found.state != "pass"
        ]

    with ThreadPoolExecutor(AT_ONCE) as together:
        found = [fault for one in together.map(faults, PLAIN * ROUNDS) for fault in one]
    print(f"{len(PLAIN) * ROUNDS} suites, {AT_ONCE} at once: {len(found)} faults")
    assert found == []
