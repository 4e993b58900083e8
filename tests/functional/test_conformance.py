"""`python -m conformance` as an operator runs it: its report and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.functional.server import ROOT, Server

TIMEOUT_S = 120


def run(*options: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    argv = [sys.executable, "-m", "conformance", *map(str, options)]
    return subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def key_file(server: Server) -> Path:
    return server.data_dir / "dev.key"


@pytest.fixture
def wire(plain_server: Server, tmp_path: Path) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The scenarios against the echo engine, which has neither functions nor ears."""
    report = tmp_path / "report.json"
    options = ["--only", "wire", "--no-speech", "--model", "echo", "--json", report]
    return run(plain_server.url, "--key-file", key_file(plain_server), *options), report


def test_difference_is_reported_and_exits_one(
    wire: tuple[subprocess.CompletedProcess[str], Path], plain_server: Server
) -> None:
    """A line per rule, the reason under what fails, and the same as JSON, without the key."""
    done, report = wire
    assert done.returncode == 1, done.stderr
    document = json.loads(report.read_text())
    failed = [o for o in document["outcomes"] if o["state"] == "fail"]
    assert [outcome["rule"].split(" is called")[0] for outcome in failed] == ["a forced function"]
    for outcome in document["outcomes"]:
        assert outcome["rule"] in done.stdout
        assert bool(outcome["reason"]) == (outcome["state"] != "pass")
    assert document["counts"]["fail"] == 1
    assert document["counts"]["not run"] == 4
    assert plain_server.key not in report.read_text() + done.stdout + done.stderr


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
