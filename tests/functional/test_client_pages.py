"""Every program of docs/clients, run as it stands there: only address and key are the test's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conformance.clients import ENVIRONMENTS, SUITES, CannotRun, Client, named, node_with
from tests.conftest import missing
from tests.functional.server import ROOT, Server
from tests.functional.test_voice import CLOCK

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

PAGES = ROOT / "docs" / "clients"
README = (ROOT / "README.md").read_text()
PROGRAM_TIMEOUT_S = 60
PYTHON = {
    "openai-python": "python",
    "agents-python": "agents-python",
    "livekit": "livekit",
    "pipecat": "pipecat",
    "websocket": "python",
}
"""Pages with a Python program, and whose environment they need."""


def block(page: str, language: str) -> str:
    """Return a page's one code block of a language."""
    text = (PAGES / f"{page}.md").read_text()
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return str(found)


def at(server: Server, code: str) -> str:
    """Return code with the page's address and key file replaced by the server's."""
    code, count = re.subn(r"127\.0\.0\.1:8000", f"127.0.0.1:{server.port}", code)
    assert count == 1
    return code.replace("var/dev.key", str(server.data_dir / "dev.key"))


def output(argv: list[str], folder: Path = ROOT, **variables: str) -> str:
    """Run a program; return what it printed."""
    done = subprocess.run(
        argv, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True,
        timeout=PROGRAM_TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout


def node(client: Client) -> str:
    """Return Node.js with a client's packages."""
    try:
        return node_with(client)
    except CannotRun as reason:
        missing(client.title, str(reason))
        raise


@pytest.mark.parametrize(("page", "client"), PYTHON.items(), ids=list(PYTHON))
def test_python_program_tells_the_time(
    page: str, client: str, voice_server: Server, tmp_path: Path
) -> None:
    """The published package, in its environment."""
    python = ENVIRONMENTS / named(client).environment / "bin" / "python"
    if not python.exists():
        missing(named(client).title, f"`python3 deploy/bootstrap.py {named(client).environment}`")
    (tmp_path / "ask.py").write_text(at(voice_server, block(page, "python")))
    assert CLOCK.search(output([str(python), str(tmp_path / "ask.py")]))


def test_javascript_program_tells_the_time_over_tls(tls_server: Server) -> None:
    """The SDK dials wss; one variable makes Node.js trust the development authority."""
    program = node(named("js"))
    # Beside its packages, since modules are looked for from where a file lies.
    file = SUITES / "js" / "node_modules" / "page.mjs"
    file.write_text(at(tls_server, block("openai-javascript", "js")))
    authority = str(tls_server.data_dir / "tls" / "authority.pem")
    variables = {"NODE_EXTRA_CA_CERTS": authority, "OPENAI_API_KEY": tls_server.key}
    assert CLOCK.search(output([program, str(file)], **variables))


def test_javascript_agent_tells_the_time(voice_server: Server) -> None:
    """Without TLS: the Agents SDK dials what it is told."""
    program = node(named("agents-js"))
    file = SUITES / "agents_js" / "node_modules" / "page.mjs"
    file.write_text(at(voice_server, block("agents-javascript", "js")))
    assert CLOCK.search(output([program, str(file)], OPENAI_API_KEY=voice_server.key))


def test_browser_program_tells_the_time(voice_server: Server, tmp_path: Path) -> None:
    """The key is minted and the program run by the command that the page shows."""
    if shutil.which("node") is None or shutil.which("curl") is None:
        missing("Node.js and curl", "Install nodejs and curl.")
    (tmp_path / "browser.mjs").write_text(at(voice_server, block("browser", "js")))
    command = at(voice_server, block("browser", "sh"))
    assert CLOCK.search(output(["sh", "-c", command], tmp_path))


def test_readme_has_a_row_for_every_page() -> None:
    """No page without a row, no row without a page."""
    linked = re.findall(r"\(docs/clients/([a-z-]+)\.md\)", README)
    assert sorted(linked) == sorted(page.stem for page in PAGES.glob("*.md"))
