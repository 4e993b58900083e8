"""Clients that nobody here wrote against the real server, each in an environment of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conformance import clients, compatibility
from conformance.clients import CLIENTS, Client
from conformance.wire.endpoint import Endpoint
from tests.conftest import missing
from tests.functional.server import ROOT, Server

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

OVER_TLS = [client for client in CLIENTS if client.dials_tls_only]
PLAIN = [client for client in CLIENTS if not client.dials_tls_only]


def held(client: Client, endpoint: Endpoint) -> None:
    """Fail with the reasons; say loudly what could not be run."""
    one = clients.hold(client, endpoint)
    for outcome in one.outcomes:
        if outcome.state == "not run":
            missing(outcome.suite, outcome.reason)
    failed = [f"{found.rule}: {found.reason}" for found in one.outcomes if found.state == "fail"]
    assert failed == []
    assert one.outcomes
    told = compatibility.read_matrix()[client.name]
    assert set(told["rules"]) == {outcome.rule for outcome in one.outcomes}
    # What the page says that this client meets, it meets; a race may add an event, not take one.
    assert set(told["sent"]) <= set(one.seen.sent)
    assert set(told["received"]) <= set(one.seen.received)


@pytest.mark.parametrize("client", PLAIN, ids=lambda client: client.name)
def test_client_converses_unmodified(client: Client, voice_server: Server) -> None:
    """Only the base URL and the key are ours; the matrix says what was exercised."""
    held(client, Endpoint(voice_server.url, voice_server.key, timeout_s=60))


@pytest.mark.parametrize("client", OVER_TLS, ids=lambda client: client.name)
def test_client_that_dials_tls_converses_unmodified(client: Client, tls_server: Server) -> None:
    """The official JavaScript SDK always dials wss, so the server speaks TLS."""
    authority = tls_server.data_dir / "tls" / "authority.pem"
    held(client, Endpoint(tls_server.url, tls_server.key, timeout_s=60, authority=authority))


def test_compatibility_page_is_what_the_data_say() -> None:
    """docs/compatibility.md is written, never edited."""
    argv = [sys.executable, "-m", "conformance.compatibility", "--check"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
