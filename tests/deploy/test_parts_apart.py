"""Speech worker and OVOS in containers of their own: the commands they start with, without Docker."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.conftest import ROOT, missing
from tests.functional import server as servers
from tests.ovos_bridge.processes import free_port

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
BARE = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
"""What a container's process finds in its environment."""


class Part:
    """A process as its container starts it."""

    def __init__(self, python: Path, *arguments: str) -> None:
        self._python = python
        self.process = subprocess.Popen([str(python), *arguments], env=BARE, cwd=ROOT)

    def healthy(self, *arguments: str) -> bool:
        """Return what the part's health check says."""
        return health(self._python, *arguments) == 0

    def wait_healthy(self, *arguments: str) -> None:
        """Wait until the health check is good."""
        ends_at = time.monotonic() + START_TIMEOUT_S
        while not self.healthy(*arguments):
            assert self.process.poll() is None, "it ended"
            assert time.monotonic() < ends_at, "it does not become healthy"

    def stop(self) -> int:
        """Ask it to end, as `docker stop` does; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT_S)


def health(python: Path, *arguments: str) -> int:
    """Run a health check."""
    argv = [str(python), "-m", "ovos_bridge.launch.health", *arguments]
    return subprocess.run(argv, env=BARE, cwd=ROOT, capture_output=True, check=False).returncode


@pytest.fixture
def started() -> Iterator[list[Part]]:
    """Parts to be killed at the end if they still run."""
    parts: list[Part] = []
    yield parts
    for part in parts:
        part.process.kill()
        part.process.wait()


def own_address() -> str:
    """Return an address of this machine that is not loopback, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            missing("an address besides loopback", "Connect this machine to a network.")
        return str(probe.getsockname()[0])


def gateway(data_dir: Path, env: Mapping[str, str]) -> servers.Server:
    """Start a gateway that has no speech environment of its own."""
    nowhere = str(data_dir / "nowhere" / "python")
    return servers.start(data_dir, env={"VOICEENGINE_SPEECH_PYTHON": nowhere, **env})


class TestSpeechWorker:
    """A gateway uses a worker that it did not start."""

    def test_gateway_speaks_by_a_worker_elsewhere(
        self, tmp_path: Path, speech_python: Path, started: list[Part]
    ) -> None:
        """It starts none, answers by voice, and outlives it; the worker's check tells each state."""
        path = str(tmp_path / "speech.sock")
        assert health(speech_python, "speech", "--socket", path) == 1
        arguments = ["--socket", path, "--state-dir", str(tmp_path / "worker")]
        worker = Part(speech_python, "-m", "ovos_bridge.speech.worker", *arguments)
        started.append(worker)
        env = {"VOICEENGINE_SPEECH": "true", "VOICEENGINE_SPEECH_SOCKET": path}
        server = gateway(tmp_path / "gateway", env)
        try:
            server.wait_ready()
            assert worker.healthy("speech", "--socket", path)
            assert doctor(tmp_path / "gateway", env)["speech"] == "good"
            states = {part["name"]: part["state"] for part in server.readiness()["parts"]}
            assert states["speech"] == "ready"
            assert not (tmp_path / "gateway" / "speech.sock").exists()
            said = tmp_path / "said.wav"
            call(server, "--text", "hello", "--out", str(said))
            assert said.stat().st_size > 24_000
            assert worker.stop() == 0
            assert not worker.healthy("speech", "--socket", path)
            assert doctor(tmp_path / "gateway", env)["speech"] == "bad"
            call(server, "--text", "hello", expect=1)
        finally:
            assert server.stop() == 0


class TestOvos:
    """Hub and core beside each other, found by a name that is not loopback."""

    def test_gateway_asks_skills_elsewhere(
        self, tmp_path: Path, skills_python: Path, started: list[Part]
    ) -> None:
        """The guard lets core reach its bus, the hub lets core in, the gateway asks by URL."""
        port, host = str(free_port()), own_address()
        where = ["--port", port, "--bus-host", host]
        hub_state, core_state = str(tmp_path / "hub"), str(tmp_path / "core")
        hub = Part(skills_python, "-m", "ovos_bridge.launch.hub", "--state-dir", hub_state, *where)
        started.append(hub)
        hub.wait_healthy("hub", "--host", host, "--port", port)
        core = Part(
            skills_python, "-m", "ovos_bridge.launch.core", "--state-dir", core_state, *where
        )
        started.append(core)
        env = {"VOICEENGINE_SKILLS": "true", "VOICEENGINE_OVOS_BUS_URL": f"ws://{host}:{port}/core"}
        server = gateway(tmp_path / "gateway", env)
        try:
            server.wait_ready()
            assert core.healthy("core", "--host", host, "--port", port)
            assert doctor(tmp_path / "gateway", env)["skills"] == "good"
            # Without a voice the call as a whole fails; the words are the skill's all the same.
            said = call(server, "--text", "flip a coin", expect=1)
            assert "heads" in said or "tails" in said
        finally:
            assert server.stop() == 0
        assert core.stop() == 0
        assert hub.stop() == 0

    def test_page_of_another_name_is_refused(
        self, tmp_path: Path, skills_python: Path, started: list[Part]
    ) -> None:
        """A hub that listens to a network still takes no web page as a client."""
        port, host = free_port(), own_address()
        arguments = ["--state-dir", str(tmp_path), "--port", str(port), "--bus-host", host]
        hub = Part(skills_python, "-m", "ovos_bridge.launch.hub", *arguments)
        started.append(hub)
        hub.wait_healthy("hub", "--host", host, "--port", str(port))
        statuses = {origin: upgrade(host, port, origin) for origin in (host, "page.example")}
        assert statuses == {host: 101, "page.example": 403}


def upgrade(host: str, port: int, origin: str) -> int:
    """Ask for a WebSocket as a page of `origin`; return the status."""
    with socket.create_connection((host, port), timeout=5) as connection:
        connection.sendall(
            f"GET /core HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nOrigin: http://{origin}\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        return int(connection.recv(4096).split()[1])


class TestHealth:
    """`voiceengine health`, the gateway's container check."""

    def test_server_with_a_certificate_of_its_own_is_healthy(self, tmp_path: Path) -> None:
        """Exit code 0 while it answers, though its certificate is not for loopback; else 1."""
        server = servers.start(tmp_path, "--tls")
        server.trust = tmp_path / "tls" / "authority.pem"
        server.wait_ready()
        assert check(tmp_path, {"TLS": "true"}, "--ready") == 0
        assert check(tmp_path, {}) == 1
        assert server.stop() == 0
        assert check(tmp_path, {"TLS": "true"}) == 1

    def test_check_loads_nothing_of_the_server(self) -> None:
        """It runs every ten seconds: neither application nor database may be imported."""
        argv = [sys.executable, "-X", "importtime", "-m", "gateway", "health"]
        env = {**BARE, "PORT": str(free_port())}
        told = subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
        imported = {line.rsplit("|", 1)[-1].strip() for line in told.stderr.splitlines()}
        assert "gateway.settings" in imported
        assert not {"gateway.app", "sqlalchemy", "starlette", "numpy"} & imported

    def test_part_that_warms_up_is_healthy_but_not_ready(self, tmp_path: Path) -> None:
        """A missing worker takes the server out of rotation; it must not get it restarted."""
        env = {"VOICEENGINE_SPEECH": "true", "VOICEENGINE_SPEECH_SOCKET": str(tmp_path / "none")}
        server = gateway(tmp_path / "gateway", env)
        try:
            ends_at = time.monotonic() + START_TIMEOUT_S
            while not (server.data_dir / "port").exists() and time.monotonic() < ends_at:
                time.sleep(0.05)
            assert check(server.data_dir, {}) == 0
            assert check(server.data_dir, {}, "--ready") == 1
        finally:
            server.stop()


def doctor(data_dir: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Return what `voiceengine doctor` finds of each part, for a gateway with this environment."""
    settings = {"VOICEENGINE_SPEECH": "false", "VOICEENGINE_SKILLS": "false", **env}
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "doctor", "--json"],
        env={**BARE, "VOICEENGINE_DATA_DIR": str(data_dir), **settings},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return {finding["name"]: finding["status"] for finding in json.loads(done.stdout)}


def check(data_dir: Path, env: Mapping[str, str], *options: str) -> int:
    """Run the gateway's health check as its container does."""
    settings = {"VOICEENGINE_DATA_DIR": str(data_dir), "PORT": "0", **env}
    argv = [sys.executable, "-m", "gateway", "health", *options]
    done = subprocess.run(argv, env=BARE | settings, cwd=ROOT, capture_output=True, check=False)
    return done.returncode


def call(server: servers.Server, *options: str, expect: int = 0) -> str:
    """Call the server from the command line; return what it printed."""
    key, url = str(server.data_dir / "dev.key"), server.url
    argv: Sequence[str] = ["call", "--url", url, "--key-file", key, *options]
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *argv],
        env=BARE, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout
