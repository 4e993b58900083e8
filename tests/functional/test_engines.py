"""The conformance suite, unchanged, against whatever answers: one column of the page each."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import compatibility
from conformance.wire import suite
from conformance.wire.endpoint import Endpoint
from tests.functional.engines import ENGINES

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]


@pytest.mark.parametrize("engine", ENGINES)
async def test_engine_holds_every_rule_of_the_wire(
    engine: str, tmp_path: Path, skills_python: Path
) -> None:
    """Skills, chat model and relay pass the same scenarios, and the page says so."""
    with ENGINES[engine](tmp_path, skills_python) as server:
        endpoint = Endpoint(server.url, server.key, timeout_s=60)
        outcomes, frames = await suite.run(endpoint, lambda _: None, suite.scenarios())
    if engine != "relay-foreign":  # its events are meant to be none of ours
        outcomes += suite.validate(frames)
    failed = [f"{found.rule}: {found.reason}" for found in outcomes if found.state != "pass"]
    assert failed == []
    told = compatibility.read_engines()[engine]["wire"]
    assert set(told) == {compatibility.rule_of(outcome) for outcome in outcomes}
    assert set(told.values()) == {"pass"}
