"""What every test may use: what is missing is said loudly, and fails in CI."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.alone import pytest_runtest_protocol

__all__ = ["pytest_runtest_protocol"]

ROOT = Path(__file__).resolve().parents[1]
SPEECH_PYTHON = ROOT / "var" / "venv" / "speech" / "bin" / "python"
CONTRACT = ROOT.parent / "shared" / "contract"

IS_MISSING = " is missing. "


def missing(part: str, remedy: str) -> None:
    """Leave the test out, loudly; in CI fail it."""
    if os.environ.get("VOICEENGINE_CI"):
        pytest.fail(f"{part} is missing on a machine that must have it. {remedy}")
    pytest.skip(f"{part}{IS_MISSING}{remedy}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what could not be started."""
    told = {
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", ())
        if isinstance(report.longrepr, tuple) and IS_MISSING in report.longrepr[2]
    }
    for reason in sorted(told):
        terminalreporter.write_line(f"NOT TESTED HERE: {reason}", red=True)


@pytest.fixture(scope="session")
def speech_python() -> Path:
    """The Python of the speech environment."""
    if not SPEECH_PYTHON.exists():
        missing("the speech environment", "Run `python3 deploy/bootstrap.py speech`.")
    return SPEECH_PYTHON


@pytest.fixture(scope="session")
def skills_python(speech_python: Path) -> Path:
    """The Python of a speech environment with skills."""
    if not (speech_python.parents[1] / "skills-stamp").exists():
        missing("OVOS skills", "See what `python3 deploy/bootstrap.py speech` says.")
    return speech_python


@pytest.fixture(scope="session")
def contract() -> Path:
    """The folder with the contract's schemas and recordings, beside the repository."""
    if not CONTRACT.exists():
        pytest.skip("the contract's sources are not beside this tree")
    return CONTRACT
