"""The official SDKs against the real server, each in an environment of its own."""

from __future__ import annotations

import pytest

from conformance import sdk_suites
from conformance.wire.endpoint import Endpoint
from conformance.wire.scenario import Outcome
from tests.conftest import missing
from tests.functional.server import Server

pytestmark = pytest.mark.real


def passed(outcomes: list[Outcome]) -> None:
    """Fail with the reasons; say loudly what could not be run."""
    for outcome in outcomes:
        if outcome.state == "not run":
            missing(outcome.suite, outcome.reason)
    failed = [
        f"{outcome.rule}: {outcome.reason}" for outcome in outcomes if outcome.state == "fail"
    ]
    assert failed == []
    assert outcomes


@pytest.mark.timeout(400)
def test_python_sdk_works_unmodified(voice_server: Server) -> None:
    """REST and WebSocket; every event passes the SDK's own types."""
    passed(sdk_suites.python_sdk(Endpoint(voice_server.url, voice_server.key)))


@pytest.mark.timeout(400)
def test_javascript_sdk_works_unmodified_over_tls(tls_server: Server) -> None:
    """It always dials wss, so the server speaks TLS."""
    authority = tls_server.data_dir / "tls" / "authority.pem"
    endpoint = Endpoint(tls_server.url, tls_server.key, authority=authority)
    passed(sdk_suites.javascript_sdk(endpoint))
