"""What the README tells a new user to run, run as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.clients import SUITES, CannotRun, named, node_with
from tests.conftest import missing
from tests.functional.server import ROOT, Server
from tests.functional.test_voice import CLOCK

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

README = (ROOT / "README.md").read_text()
SNIPPET_TIMEOUT_S = 60


def snippet(language: str) -> str:
    """Return the README's code block of a language."""
    found = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def at(server: Server, code: str) -> str:
    """Return code with the README's address replaced by the server's."""
    found, count = re.subn(r"https?://127\.0\.0\.1:8000/v1", server.url, code)
    assert count == 1
    return found


def output(argv: list[str], **variables: str) -> str:
    """Run a program in the tree; return what it printed."""
    done = subprocess.run(
        argv, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True,
        timeout=SNIPPET_TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout


def test_python_snippet_hears_the_time(voice_server: Server, tmp_path: Path) -> None:
    """The official SDK, a recorded question, an answer from an OVOS skill."""
    python = ROOT / "var" / "venv" / "conformance" / "bin" / "python"
    if not python.exists():
        missing("the Python SDK", "Run `python3 deploy/bootstrap.py conformance`.")
    code = at(voice_server, snippet("python"))
    code = code.replace("var/dev.key", str(voice_server.data_dir / "dev.key"))
    (tmp_path / "ask.py").write_text(code)
    assert CLOCK.search(output([str(python), str(tmp_path / "ask.py")]))


def test_javascript_snippet_hears_the_time_over_tls(tls_server: Server) -> None:
    """The official SDK dials wss; the development authority is trusted by one variable."""
    try:
        node = node_with(named("js"))
    except CannotRun as reason:
        missing("the JavaScript SDK", str(reason))
    # Beside its packages, since modules are looked for from where a file lies.
    file = SUITES / "js" / "node_modules" / "readme.mjs"
    file.write_text(at(tls_server, snippet("js")))
    answer = output(
        [str(node), str(file)],
        NODE_EXTRA_CA_CERTS=str(tls_server.data_dir / "tls" / "authority.pem"),
        OPENAI_API_KEY=tls_server.key,
    )
    assert CLOCK.search(answer)


def test_call_command_hears_the_time(voice_server: Server, tmp_path: Path) -> None:
    """The command line's own client, with the options the README shows."""
    (command,) = re.findall(r"^var/venv/gateway/bin/voiceengine (call .*)$", README, re.MULTILINE)
    argv = shlex.split(command.replace("answer.wav", str(tmp_path / "answer.wav")))
    answer = output(
        [sys.executable, "-m", "gateway", *argv, "--url", voice_server.url],
        VOICEENGINE_DATA_DIR=str(voice_server.data_dir),
        OPENAI_API_KEY=voice_server.key,
    )
    assert CLOCK.search(answer)
    assert (tmp_path / "answer.wav").stat().st_size > 10_000
