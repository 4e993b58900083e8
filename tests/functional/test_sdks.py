"""The official SDKs against the real server, each in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.functional import server as servers
from tests.functional.server import ROOT, Server

PYTHON_SUITE = ROOT / "conformance" / "sdk" / "python"
JS_SUITE = ROOT / "conformance" / "sdk" / "js"
SUITE_TIMEOUT_S = 150

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory, skills_python: Path) -> Iterator[Server]:
    """A server over TLS with speech and skills."""
    env = {
        "VOICEENGINE_SPEECH": "true",
        "VOICEENGINE_SKILLS": "true",
        "VOICEENGINE_SPEECH_PYTHON": str(skills_python),
    }
    folder = tmp_path_factory.mktemp("tls")
    server = servers.start(folder, "--tls", env=env)
    os.environ["SSL_CERT_FILE"] = str(folder / "tls" / "authority.pem")
    try:
        server.wait_ready()
        yield server
        assert server.stop() == 0
    finally:
        del os.environ["SSL_CERT_FILE"]


def run(argv: list[str], server: Server, **variables: str) -> None:
    """Run a suite; its output is the failure's text."""
    env = {**os.environ, "VOICEENGINE_URL": server.url, "VOICEENGINE_KEY": server.key, **variables}
    done = subprocess.run(
        argv,
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SUITE_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]


@pytest.mark.timeout(300)
def test_python_sdk_works_unmodified(voice_server: Server) -> None:
    """REST and WebSocket; every event passes the SDK's own types."""
    python = ROOT / "var" / "venv" / "conformance" / "bin" / "python"
    if not python.exists():
        missing("the Python SDK", "Run `python3 deploy/bootstrap.py conformance`.")
    run([str(python), "-m", "pytest", "-q", str(PYTHON_SUITE)], voice_server)


@pytest.mark.timeout(300)
def test_javascript_sdk_works_unmodified_over_tls(tls_server: Server) -> None:
    """It always dials wss, so the server speaks TLS."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing("Node.js", "Install nodejs and npm.")
    if not (JS_SUITE / "node_modules" / "openai").exists():
        subprocess.run([str(npm), "ci", "--silent"], cwd=JS_SUITE, check=True, timeout=120)
    authority = str(tls_server.data_dir / "tls" / "authority.pem")
    suite = str(JS_SUITE / "realtime.test.mjs")
    run([str(node), "--test", suite], tls_server, NODE_EXTRA_CA_CERTS=authority)
