"""What the doctor says about OVOS plugins, tried for real in processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.findings import Finding
from gateway.cli.plugin_checks import check_plugins
from gateway.settings import Settings

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

TIMEOUT_S = 20.0

PLUGINS = """
import os, signal, time
from ovos_plugin_manager.templates.hotwords import HotWordEngine
from ovos_plugin_manager.templates.stt import STT
from ovos_plugin_manager.templates.vad import VADEngine
print("plugins print when they are imported")
class Keyed(STT):
    def execute(self, audio, language=None):
        print("and when they work")
        return self.config["key"]
class Crashing(STT):
    def execute(self, audio, language=None):
        os.kill(os.getpid(), signal.SIGSEGV)
class Hanging(VADEngine):
    def is_silence(self, chunk):
        time.sleep(3600)
class Deaf(VADEngine):
    def is_silence(self, chunk):
        return True
class Word(HotWordEngine):
    def update(self, chunk):
        assert len(chunk) == 960
    def found_wake_word(self):
        return False
"""

ENTRY_POINTS = """\
[mycroft.plugin.stt]
keyed-stt = doctored:Keyed
crashing-stt = doctored:Crashing
[ovos.plugin.VAD]
hanging-vad = doctored:Hanging
deaf-vad = doctored:Deaf
[opm.wake_word]
some-word = doctored:Word
"""


@pytest.fixture
def python(tmp_path: Path, speech_python: Path) -> Path:
    """The speech environment's Python, which finds the plugins of this test as well."""
    site = tmp_path / "site"
    info = site / "doctored-1.dist-info"
    info.mkdir(parents=True)
    (site / "doctored.py").write_text(PLUGINS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: doctored\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    program = tmp_path / "env" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{site}" exec {speech_python.absolute()} "$@"\n'
    )
    program.chmod(0o755)
    return program


def test_doctor_tries_every_plugin_and_outlives_what_they_do(tmp_path: Path, python: Path) -> None:
    """Each plugin is told apart: works, broken, crashing, hanging, missing, configured or not."""
    settings = Settings(
        data_dir=tmp_path / "data",
        speech_python=python,
        recognisers={
            "keyed": {"module": "keyed-stt", "options": {"key": "opened"}},
            "crashing": "crashing-stt",
            "absent": "no-such-stt",
        },
        vad_module="hanging-vad",
    )
    found: dict[str, Finding] = {}
    for finding in check_plugins(settings, timeout_s=TIMEOUT_S):
        found[finding.name] = finding

    assert (found["stt sphinx-stream"].status, found["tts espeak-stream"].status) == ("good",) * 2
    assert "heard 'what time is it'" in found["stt sphinx-stream"].observed
    assert found["vad silero-batched"].status == "good"
    assert found["vad silero-batched"].observed.startswith("not configured; speech in")

    keyed = found["stt keyed-stt"]
    assert (keyed.status, keyed.fix) == ("good", "")
    assert keyed.observed.startswith("recogniser 'keyed'; heard 'opened' in ")
    assert keyed.facts == {
        "kind": "stt",
        "module": "keyed-stt",
        "configured_for": "recogniser 'keyed'",
        "installed": True,
        "works": True,
        "package": "doctored",
        "version": "1.2",
        "group": "mycroft.plugin.stt",
    }

    crashing = found["stt crashing-stt"]
    assert (crashing.status, "it crashed (signal 11)" in crashing.observed) == ("bad", True)
    absent = found["stt no-such-stt"]
    assert (absent.status, "it is not installed" in absent.observed) == ("bad", True)
    assert "pip install" in absent.fix
    hanging = found["vad hanging-vad"]
    assert (hanging.status, "did not finish within 20 s" in hanging.observed) == ("bad", True)
    deaf = found["vad deaf-vad"]
    assert (deaf.status, "found no speech" in deaf.observed) == ("warning", True)
    assert "listens for 'some-word'" in found["wake_word some-word"].observed


def test_doctor_without_speech_looks_for_no_plugins(tmp_path: Path) -> None:
    """Nothing is tried where nothing is installed."""
    settings = Settings(data_dir=tmp_path, speech_python=tmp_path / "no" / "python")
    assert check_plugins(settings, timeout_s=TIMEOUT_S) == []
