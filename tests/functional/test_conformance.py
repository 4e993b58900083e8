"""`voiceengine conformance run` as an operator runs it: its report and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import clients
from conformance.report import verdict
from conformance.wire import suite
from conformance.wire.endpoint import Endpoint
from tests.functional import server as servers
from tests.functional.server import ROOT, Server

TIMEOUT_S = 120


def run(*options: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    argv = [sys.executable, "-m", "gateway", "conformance", "run", *map(str, options)]
    return subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def key_file(server: Server) -> Path:
    return server.data_dir / "dev.key"


@pytest.fixture
def handless_server(tmp_path: Path) -> Iterator[Server]:
    """A server of a model that takes no functions."""
    declared = tmp_path / "models.json"
    declared.write_text(
        '{"models": {"handless": {"kind": "echo", "features": ["transcription", "images"]}}}'
    )
    server = servers.start(tmp_path / "data", env={"VOICEENGINE_MODELS": str(declared)})
    server.wait_ready()
    yield server
    assert server.stop() == 0


@pytest.fixture
def wire(handless_server: Server, tmp_path: Path) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The scenarios against a model that takes no functions and has no ears."""
    report = tmp_path / "report.json"
    options = ["--only", "wire", "--no-speech", "--model", "handless", "--json", report]
    return run(handless_server.url, "--key-file", key_file(handless_server), *options), report


def test_difference_is_reported_and_exits_one(
    wire: tuple[subprocess.CompletedProcess[str], Path], handless_server: Server
) -> None:
    """A line per rule, the reason under what fails, and the same as JSON, without the key."""
    done, report = wire
    assert done.returncode == 1, done.stderr
    document = json.loads(report.read_text())
    failed = [o for o in document["outcomes"] if o["state"] == "fail"]
    rules = {outcome["rule"].split(" (")[0] for outcome in failed}
    assert "a forced function is called with fitting arguments, its output spoken" in rules
    assert "a spoken answer" not in rules
    for outcome in document["outcomes"]:
        assert outcome["rule"] in done.stdout
        assert bool(outcome["reason"]) == (outcome["state"] != "pass")
    assert document["counts"]["fail"] == len(failed)
    deaf = [entry for entry in suite.scenarios() if entry.needs_speech]
    assert document["counts"]["not run"] == len(deaf)
    assert handless_server.key not in report.read_text() + done.stdout + done.stderr


def test_package_is_the_same_program(plain_server: Server) -> None:
    """`python -m conformance` serves who has the package alone; both take the same options."""
    argv = [sys.executable, "-m", "conformance", plain_server.url, "--only", "js"]
    variables = {**os.environ, "OPENAI_API_KEY": plain_server.key}
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 2
    assert "always dials wss" in done.stdout


@pytest.mark.parametrize("name", ["livekit", "python"])
def test_client_without_its_environment_says_what_makes_it(
    plain_server: Server, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not run is told with the command that is missing, and is never a pass."""
    monkeypatch.setattr(clients, "ENVIRONMENTS", tmp_path)
    held = clients.hold(clients.named(name), Endpoint(plain_server.url, plain_server.key))
    (outcome,) = held.outcomes
    assert outcome.state == "not run"
    assert f"deploy/bootstrap.py {clients.named(name).environment}" in outcome.reason
    assert verdict(held.outcomes) == 2


def test_suite_that_cannot_run_says_why_and_exits_two(plain_server: Server) -> None:
    """The JavaScript SDK cannot dial a server without TLS; nothing passed is not a pass."""
    done = run(plain_server.url, "--key-file", key_file(plain_server), "--only", "js")
    assert done.returncode == 2
    assert "always dials wss" in done.stdout


@pytest.mark.parametrize(
    ("url", "told"),
    [("http://127.0.0.1:9/v1", "Connect call failed"), ("ws://127.0.0.1/v1", "http://")],
)
def test_unreachable_endpoint_exits_two(plain_server: Server, url: str, told: str) -> None:
    """What cannot be reached is not held to anything."""
    done = run(url, "--key-file", key_file(plain_server))
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_refused_key_exits_two(plain_server: Server, tmp_path: Path) -> None:
    """With a wrong key no rule would say anything about the endpoint."""
    wrong = tmp_path / "wrong.key"
    wrong.write_text("sk-wrong-key-000000000000\n")
    done = run(plain_server.url, "--key-file", wrong, "--model", "echo")
    assert done.returncode == 2
    assert "invalid_api_key" in done.stderr
