"""The official SDKs' suites, each run as a program of its own, told rule by rule."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from conformance.wire.endpoint import Endpoint
from conformance.wire.scenario import Outcome

ROOT = Path(__file__).resolve().parents[1]
SUITES = ROOT / "conformance" / "sdk"
SDK_PYTHON = ROOT / "var" / "venv" / "conformance" / "bin" / "python"
SUITE_TIMEOUT_S = 300
INSTALL_TIMEOUT_S = 180
REASON_CHARS = 1_500
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class CannotRun(Exception):
    """A suite's programs are not here; the text says which."""


def python_sdk(endpoint: Endpoint) -> list[Outcome]:
    """Run the Python SDK's suite."""
    suite = "Python SDK"
    try:
        python = _sdk_python()
    except CannotRun as missing:
        return [Outcome(suite, "the whole suite", "not run", str(missing))]
    report = ["-q", "--junit-xml={report}"]
    return _run(suite, [python, "-m", "pytest", *report, str(SUITES / "python")], endpoint)


def javascript_sdk(endpoint: Endpoint) -> list[Outcome]:
    """Run the JavaScript SDK's suite, which can only dial wss."""
    suite = "JS SDK"
    try:
        node = _node_for(endpoint)
    except CannotRun as missing:
        return [Outcome(suite, "the whole suite", "not run", str(missing))]
    report = ["--test-reporter=junit", "--test-reporter-destination={report}"]
    return _run(
        suite, [node, "--test", *report, str(SUITES / "js" / "realtime.test.mjs")], endpoint
    )


def _sdk_python() -> str:
    if SDK_PYTHON.exists():
        return str(SDK_PYTHON)
    probe = [sys.executable, "-c", "import openai, pytest, pytest_asyncio"]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return sys.executable
    raise CannotRun(
        "the SDK's environment is missing: run `python3 deploy/bootstrap.py conformance`"
    )


def _node_for(endpoint: Endpoint) -> str:
    if not endpoint.base_url.startswith("https:"):
        raise CannotRun("the JavaScript SDK always dials wss; serve https (make run TLS=1)")
    return node_with_sdk()


def node_with_sdk() -> str:
    """Return Node.js, with the JavaScript SDK installed beside the suite as its lock file says.

    Raises:
        CannotRun: why not.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise CannotRun("Node.js is missing: install nodejs and npm")
    folder = SUITES / "js"
    if not (folder / "node_modules" / "openai").exists():
        argv = [npm, "ci", "--silent", "--no-audit", "--no-fund"]
        done = _capture(argv, os.environ, folder, INSTALL_TIMEOUT_S)
        if done is None or done.returncode != 0:
            told = done.stderr[-REASON_CHARS:] if done else f"longer than {INSTALL_TIMEOUT_S} s"
            raise CannotRun(f"`npm ci` failed: {told}")
    return node


def _run(suite: str, argv: list[str], endpoint: Endpoint) -> list[Outcome]:
    """Run a suite that writes a JUnit report in place of `{report}`."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        argv = [part.replace("{report}", str(report)) for part in argv]
        done = _capture(argv, _variables(endpoint), ROOT, SUITE_TIMEOUT_S)
        if done is None:
            reason = f"it took longer than {SUITE_TIMEOUT_S} s"
            return [Outcome(suite, "the whole suite", "fail", reason)]
        outcomes = list(_read(suite, report)) if report.exists() else []
    failed = any(outcome.state == "fail" for outcome in outcomes)
    if not outcomes or (done.returncode != 0 and not failed):
        reason = (done.stdout + done.stderr)[-REASON_CHARS:]
        outcomes.append(Outcome(suite, "the whole suite", "fail", reason))
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
        authority = str(endpoint.authority.resolve())
        variables |= {"SSL_CERT_FILE": authority, "NODE_EXTRA_CA_CERTS": authority}
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
