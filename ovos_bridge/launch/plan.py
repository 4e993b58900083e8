"""What to start: plain descriptions of the child processes, for any supervisor.

hub     the OVOS message bus; everything below may start before it is up
core    ovos-core with the skills
speech  the speech worker
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ovos_bridge.launch import environment
from ovos_bridge.launch.environment import OvosOptions

PACKAGE_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessPlan:
    """One child process. `env` is its whole environment."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path


def bus_url(port: int) -> str:
    """Return the address of the embedded bus."""
    return f"ws://127.0.0.1:{port}{environment.BUS_ROUTE}"


def hub_plan(state_dir: Path, python: Path, options: OvosOptions) -> ProcessPlan:
    """Describe the hub."""
    return _ovos("hub", state_dir, python, options)


def core_plan(state_dir: Path, python: Path, options: OvosOptions) -> ProcessPlan:
    """Describe core; it comes back by itself when the hub was started anew."""
    return _ovos("core", state_dir, python, options)


def speech_plan(state_dir: Path, python: Path, arguments: Sequence[str]) -> ProcessPlan:
    """Describe the speech worker, called with `arguments`, in the same private environment."""
    argv = (str(python.absolute()), "-m", "ovos_bridge.speech.worker", *arguments)
    return ProcessPlan(name="speech", argv=argv, env=_env(state_dir), cwd=PACKAGE_ROOT)


def examine_plan(state_dir: Path, python: Path, what: str) -> ProcessPlan:
    """Describe `ovos_bridge.plugins.examine`, which lists or tries plugins as the worker would."""
    argv = (str(python.absolute()), "-m", "ovos_bridge.plugins.examine", what)
    return ProcessPlan(name="examine", argv=argv, env=_env(state_dir), cwd=PACKAGE_ROOT)


def _ovos(name: str, state_dir: Path, python: Path, options: OvosOptions) -> ProcessPlan:
    zone = options.timezone or environment.host_timezone()
    argv = [str(python.absolute()), "-m", f"ovos_bridge.launch.{name}"]
    argv += ["--state-dir", str(state_dir.absolute()), "--port", str(options.port)]
    argv += ["--bus-host", options.bus_host, "--language", options.language, "--timezone", zone]
    for language in options.secondary_languages:
        argv += ["--secondary-language", language]
    for skill in options.blacklisted_skills:
        argv += ["--blacklist", skill]
    if not options.shipped_intents:
        argv.append("--no-shipped-intents")
    if options.allow_network:
        argv.append("--allow-network")
    return ProcessPlan(name=name, argv=tuple(argv), env=_env(state_dir), cwd=PACKAGE_ROOT)


def _env(state_dir: Path) -> dict[str, str]:
    return environment.variables(state_dir, os.environ) | {"PYTHONPATH": str(PACKAGE_ROOT)}
