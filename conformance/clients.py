"""Clients that nobody here wrote, each run unmodified in an environment of its own.

Each suite is a program; what it is given is a base URL, a key, a model and an
authority. Its connections pass a tap, which notes the events that went by.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET

from conformance import authority
from conformance.tap import Seen, Tap
from conformance.wire.endpoint import Endpoint
from conformance.wire.scenario import Outcome

ROOT = Path(__file__).resolve().parents[1]
SUITES = ROOT / "conformance" / "sdk"
ENVIRONMENTS = ROOT / "var" / "venv"
SUITE_TIMEOUT_S = 900
INSTALL_TIMEOUT_S = 180
SETUP_TIMEOUT_S = 600
REASON_CHARS = 1_500
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class CannotRun(Exception):
    """A suite's programs are not here; the text says which."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client of the matrix: a package, and the suite that converses through it."""

    name: str
    title: str
    package: str
    suite: str
    environment: str = ""
    """The Python environment, made by `deploy/bootstrap.py`; a client without one is JavaScript."""
    dials_tls_only: bool = False
    in_browser_by: str = ""
    """The suite whose packages it loads into a browser."""


CLIENTS = (
    Client("python", "OpenAI Python", "openai", "python", "conformance"),
    Client("python2", "OpenAI Python, generation 2", "openai", "python", "conformance-openai2"),
    Client("js", "OpenAI JavaScript", "openai", "js", dials_tls_only=True),
    Client(
        "agents-python", "Agents SDK, Python", "openai-agents", "agents_python",
        "conformance-agents",
    ),
    Client("agents-js", "Agents SDK, JavaScript", "@openai/agents-realtime", "agents_js"),
    Client(
        "agents-webrtc", "Agents SDK, JavaScript, WebRTC in Chromium", "@openai/agents-realtime",
        "agents_browser", in_browser_by="agents_js",
    ),
    Client(
        "livekit", "LiveKit realtime plugin", "livekit-plugins-openai", "livekit",
        "conformance-livekit",
    ),
    Client("pipecat", "Pipecat realtime service", "pipecat-ai", "pipecat", "conformance-pipecat"),
)  # fmt: skip
"""The matrix's columns, in their order."""

BETA = Client(
    "beta", "OpenAI Python, the beta's generation", "openai", "beta_python", "conformance-beta"
)
"""Speaks the retired dialect, whose events are not the matrix's."""


@dataclass(frozen=True, slots=True)
class Held:
    """What came of a client's suite, and the events that went by."""

    client: Client
    version: str
    outcomes: list[Outcome]
    seen: Seen


def named(name: str) -> Client:
    """Return the client of a name."""
    return next(client for client in CLIENTS if client.name == name)


def hold(client: Client, endpoint: Endpoint, *, setup: bool = False) -> Held:
    """Run a client's suite; with `setup`, its environment is made first where it is missing."""
    try:
        argv = _command(client, endpoint, setup=setup)
        version = _version(client)
    except CannotRun as missing:
        outcome = Outcome(client.title, "the whole suite", "not run", str(missing))
        return Held(client, "", [outcome], Seen())
    with tempfile.TemporaryDirectory() as folder:
        made = authority.make(Path(folder)) if client.dials_tls_only else None
        with Tap(endpoint, made) as tap:
            variables = {"VOICEENGINE_CONTROL": tap.control, **_variables(tap.endpoint)}
            outcomes = _run(client.title, argv, variables)
    return Held(client, version, outcomes, tap.seen)


# --- what is needed ---


def _command(client: Client, endpoint: Endpoint, *, setup: bool) -> list[str]:
    """Return the suite's command, which writes a JUnit report in place of `{report}`."""
    folder = SUITES / client.suite
    if client.environment or client.in_browser_by:
        python = _browsing(client) if client.in_browser_by else _python(client, setup=setup)
        return [python, "-m", "pytest", "-q", "--junit-xml={report}", str(folder)]
    if client.dials_tls_only and not endpoint.base_url.startswith("https:"):
        raise CannotRun("the JavaScript SDK always dials wss; serve https (make run TLS=1)")
    if client.dials_tls_only and not authority.available():
        raise CannotRun(f"the tap's certificate needs the package {authority.PACKAGE}")
    node = node_with(client)
    report = ["--test-reporter=junit", "--test-reporter-destination={report}"]
    return [node, "--test", *report, str(folder / "realtime.test.mjs")]


def _python(client: Client, *, setup: bool) -> str:
    python = ENVIRONMENTS / client.environment / "bin" / "python"
    bootstrap = ["deploy/bootstrap.py", client.environment]
    if setup:  # quick where the environment is what its lock says
        done = _capture([sys.executable, *bootstrap], os.environ, ROOT, SETUP_TIMEOUT_S)
        if done is None or done.returncode != 0:
            raise CannotRun(f"`{' '.join(bootstrap)}` failed: {_told(done, SETUP_TIMEOUT_S)}")
    if not python.exists():
        raise CannotRun(
            f"the environment of {client.package} is missing: run `python3 {' '.join(bootstrap)}`"
        )
    return str(python)


def _browsing(client: Client) -> str:
    """Return the Python that drives a browser."""
    node_with(client)
    if not any(map(shutil.which, BROWSERS)):
        raise CannotRun("Chromium is missing: install Debian's package `chromium`")
    if find_spec("playwright") is None:
        raise CannotRun("playwright is missing: run `python3 deploy/bootstrap.py dev`")
    return sys.executable


def node_with(client: Client) -> str:
    """Return Node.js, with a client's packages beside its suite as its lock file says.

    Raises:
        CannotRun: why not.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise CannotRun("Node.js is missing: install nodejs and npm")
    folder = SUITES / (client.in_browser_by or client.suite)
    if not (folder / "node_modules" / client.package).exists():
        argv = [npm, "ci", "--silent", "--no-audit", "--no-fund"]
        done = _capture(argv, os.environ, folder, INSTALL_TIMEOUT_S)
        if done is None or done.returncode != 0:
            raise CannotRun(f"`npm ci` failed: {_told(done, INSTALL_TIMEOUT_S)}")
    return node


def _version(client: Client) -> str:
    """Return the installed version of a client's package."""
    if not client.environment:
        modules = SUITES / (client.in_browser_by or client.suite) / "node_modules"
        return str(json.loads((modules / client.package / "package.json").read_text())["version"])
    python = str(ENVIRONMENTS / client.environment / "bin" / "python")
    program = f"from importlib.metadata import version; print(version({client.package!r}))"
    done = _capture([python, "-c", program], os.environ, ROOT, INSTALL_TIMEOUT_S)
    if done is None or done.returncode != 0:
        raise CannotRun(f"{client.package} cannot be asked: {_told(done, INSTALL_TIMEOUT_S)}")
    return done.stdout.strip()


def _told(done: subprocess.CompletedProcess[str] | None, timeout_s: int) -> str:
    if done is None:
        return f"longer than {timeout_s} s"
    return (done.stdout + done.stderr)[-REASON_CHARS:]


# --- running ---


def _run(suite: str, argv: list[str], variables: Mapping[str, str]) -> list[Outcome]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        argv = [part.replace("{report}", str(report)) for part in argv]
        done = _capture(argv, variables, ROOT, SUITE_TIMEOUT_S)
        if done is None:
            reason = f"it took longer than {SUITE_TIMEOUT_S} s"
            return [Outcome(suite, "the whole suite", "fail", reason)]
        outcomes = list(_read(suite, report)) if report.exists() else []
    failed = any(outcome.state == "fail" for outcome in outcomes)
    if not outcomes or (done.returncode != 0 and not failed):
        outcomes.append(Outcome(suite, "the whole suite", "fail", _told(done, SUITE_TIMEOUT_S)))
    return outcomes


def _capture(
    argv: list[str], variables: Mapping[str, str], folder: Path, timeout_s: float
) -> subprocess.CompletedProcess[str] | None:
    """Return what a program did, or None when it took too long."""
    try:
        return subprocess.run(
            argv,
            env=dict(variables),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None


def _variables(endpoint: Endpoint) -> dict[str, str]:
    """Return the only things that are ours: URL, key, model and authority."""
    variables = {
        **os.environ,
        "VOICEENGINE_URL": endpoint.base_url,
        "VOICEENGINE_KEY": endpoint.key,
        "VOICEENGINE_MODEL": endpoint.model,
    }
    if endpoint.authority is not None:
        trusted = str(endpoint.authority.resolve())
        variables |= {"SSL_CERT_FILE": trusted, "NODE_EXTRA_CA_CERTS": trusted}
    return variables


def _read(suite: str, report: Path) -> Iterator[Outcome]:
    """Yield the outcomes of a JUnit report that a program of ours wrote."""
    for case in ET.parse(report).getroot().iter("testcase"):
        name = case.get("name", "").removeprefix("test_").replace("_", " ")
        fault = next((part for part in case if part.tag in ("failure", "error")), None)
        left_out = next((part for part in case if part.tag == "skipped"), None)
        if fault is not None:
            yield Outcome(suite, name, "fail", _reason(fault))
        elif left_out is not None:
            yield Outcome(suite, name, "not run", left_out.get("message", ""))
        else:
            yield Outcome(suite, name, "pass")


def _reason(fault: ET.Element) -> str:
    """Return the message of a failure, or the end of its text."""
    message = fault.get("message", "").strip()
    text = _COLOUR.sub("", message or (fault.text or "").strip())
    return text if len(text) <= REASON_CHARS else f"… {text[-REASON_CHARS:]}"
