"""Which OVOS plugins are installed, which are configured, and whether each works.

Every plugin is tried in a process of its own, with a time limit: they are other
people's code and may crash or hang.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from gateway.cli.findings import Finding
from gateway.engines.choices import speech_choices
from gateway.settings import Settings
from ovos_bridge.launch.plan import examine_plan
from ovos_bridge.speech.choices import WAKE_WORDS, PluginChoice, SpeechChoices

LIST_TIMEOUT_S = 30.0
_SETTINGS = {
    "stt": "VOICEENGINE_STT_MODULE or VOICEENGINE_RECOGNISERS",
    "tts": "VOICEENGINE_TTS_MODULE",
    "vad": "VOICEENGINE_VAD_MODULE",
    "wake_word": "VOICEENGINE_WAKE_WORDS",
}


Packages: TypeAlias = dict[tuple[str, str], dict[str, str]]
"""Installed plugins by kind and name."""


@dataclass(frozen=True, slots=True)
class _Trial:
    """A plugin to try; `role` says what it is configured for, empty when for nothing."""

    kind: str
    choice: PluginChoice
    role: str


def check_plugins(settings: Settings, *, timeout_s: float) -> list[Finding]:
    """Return a finding for each plugin that is installed or configured."""
    python = settings.worker_python
    if not settings.speech or not python.exists():
        return []
    examiner = _Examiner(settings, timeout_s)
    fault = examiner.list_packages()
    if fault:
        fix = f"make the speech environment anew: rm -r {python.parents[1]}, then `make run`"
        return [Finding("plugins", "bad", f"they cannot be listed: {fault}", fix)]
    packages = examiner.packages
    return [
        _finding(trial, packages, examiner.try_plugin(trial), python)
        for trial in _trials(speech_choices(settings), packages)
    ]


def _trials(chosen: SpeechChoices, packages: Packages) -> Iterator[_Trial]:
    configured = [
        _Trial("stt", choice, f"recogniser {name!r}") for name, choice in chosen.recognisers.items()
    ]
    configured.append(_Trial("tts", chosen.synthesiser, "the voice"))
    configured.append(_Trial("vad", chosen.detector, "voice activity"))
    # Those that come with it are listened for when a session asks: nobody chose them.
    configured += [
        _Trial("wake_word", choice, f"wake word {name!r}")
        for name, choice in chosen.wake_words.items()
        if name == WAKE_WORDS[0] or name not in WAKE_WORDS
    ]
    yield from configured
    used = {(trial.kind, trial.choice.module) for trial in configured}
    for kind, name in packages:
        if (kind, name) not in used:
            yield _Trial(kind, PluginChoice(name), "")


class _Examiner:
    """Runs `ovos_bridge.plugins.examine` in the speech environment."""

    def __init__(self, settings: Settings, timeout_s: float) -> None:
        self._python = settings.worker_python
        self._language = settings.language
        self._timeout_s = timeout_s
        self._state = settings.data_dir / "ovos"
        self._state.mkdir(parents=True, exist_ok=True)
        self.packages: Packages = {}

    def list_packages(self) -> str:
        """Fill `packages`; return why it cannot be done, else nothing."""
        listed = self._run("list", "", LIST_TIMEOUT_S)
        if isinstance(listed, str):
            return listed
        self.packages = {(each["kind"], each["name"]): each for each in listed}
        return ""

    def try_plugin(self, trial: _Trial) -> dict[str, Any] | str:
        """Return what the plugin did, or in a phrase why it did nothing."""
        if (trial.kind, trial.choice.module) not in self.packages:
            return "it is not installed"
        asked = {
            "kind": trial.kind,
            "module": trial.choice.module,
            "options": dict(trial.choice.options),
            "language": self._language,
        }
        told = self._run("try", json.dumps(asked), self._timeout_s)
        return told if isinstance(told, str) else dict(told)

    def _run(self, what: str, given: str, timeout_s: float) -> Any:
        plan = examine_plan(self._state, self._python, what)
        try:
            done = subprocess.run(  # noqa: S603 -- our own interpreter
                plan.argv,
                env=dict(plan.env),
                cwd=plan.cwd,
                input=given,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it did not finish within {timeout_s:.0f} s"
        if done.returncode < 0:
            return f"it crashed (signal {-done.returncode})"
        try:
            return json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            return last[0][:300]


def _finding(
    trial: _Trial, packages: Packages, told: dict[str, Any] | str, python: Path
) -> Finding:
    name = trial.choice.module
    package = packages.get((trial.kind, name))
    works = isinstance(told, dict) and bool(told["works"])
    observed = told if isinstance(told, str) else str(told["observed"])
    origin = f" ({package['package']} {package['version']})" if package else ""
    used = trial.role or "not configured"
    status: Literal["good", "warning", "bad"]
    status = "good" if works else "bad" if trial.role else "warning"
    return Finding(
        f"{trial.kind} {name}",
        status,
        f"{used}; {observed}{origin}",
        "" if works else _fix(trial, package, packages, python),
        facts={
            "kind": trial.kind,
            "module": name,
            "configured_for": trial.role or None,
            "installed": package is not None,
            "works": works,
            "package": package["package"] if package else None,
            "version": package["version"] if package else None,
            "group": package["group"] if package else None,
        },
    )


def _fix(trial: _Trial, package: Any, packages: Packages, python: Path) -> str:
    others = sorted(name for kind, name in packages if kind == trial.kind)
    others = [name for name in others if name != trial.choice.module]
    if package is None:
        instead = f", or set {_SETTINGS[trial.kind]} to one of {others}" if others else ""
        return f"{python} -m pip install the package that has it{instead}"
    if trial.role:
        instead = f", or to use one of {others}" if others else ""
        return f"set {_SETTINGS[trial.kind]} with the options it needs{instead}"
    return f"it does no harm; {python} -m pip uninstall {package['package']} if nobody wants it"
