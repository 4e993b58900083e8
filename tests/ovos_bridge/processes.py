"""Real hub and core with real skills, for tests."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ovos_bridge.launch import plan
from ovos_bridge.launch.environment import OvosOptions

SKILL = Path(__file__).parent / "skill" / "voiceengine_test_skill"
STOP_TIMEOUT_S = 5.0


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def install_test_skill(site: Path) -> None:
    """Make the test skill importable and discoverable below `site`."""
    shutil.copytree(SKILL, site / SKILL.name, ignore=shutil.ignore_patterns("__pycache__"))
    info = site / f"{SKILL.name}-0.0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {SKILL.name}\nVersion: 0.0.1\n")
    (info / "entry_points.txt").write_text(
        f"[opm.skill]\nvoiceengine-test-skill.test = {SKILL.name}:EdgeSkill\n"
    )


class OvosProcesses:
    """Hub and core as child processes; each may be killed and started again."""

    def __init__(self, folder: Path, python: Path) -> None:
        """Lay out the private folders; nothing runs yet."""
        site = folder / "site"
        site.mkdir()
        install_test_skill(site)
        self.state_dir = folder / "ovos"
        self.port = free_port()
        self.url = plan.bus_url(self.port)
        options = OvosOptions(port=self.port, timezone="Asia/Tokyo")
        self._plans = {
            "hub": plan.hub_plan(self.state_dir, python, options),
            "core": plan.core_plan(self.state_dir, python, options),
        }
        self._site = site
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start `hub` or `core`."""
        described = self._plans[name]
        env: Mapping[str, str] = {
            **described.env,
            "PYTHONPATH": f"{described.env['PYTHONPATH']}:{self._site}",
        }
        with (self.state_dir.parent / f"{name}.out").open("ab") as out:
            self._running[name] = subprocess.Popen(
                described.argv, env=env, cwd=described.cwd, stdout=out, stderr=out
            )

    def kill(self, name: str) -> None:
        """Kill -9."""
        self._running[name].send_signal(signal.SIGKILL)
        self._running[name].wait()

    def stop(self) -> None:
        """End both in good order."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
