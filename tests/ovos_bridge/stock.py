"""A stock OVOS: its own programs, as somebody installed them, started by no code of ours."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from ovos_bridge.launch import environment
from ovos_bridge.launch.environment import OvosOptions
from tests.ovos_bridge.processes import STOP_TIMEOUT_S, free_port, install_test_skill

LEFT_OUT = ("count", "date-time", "fallback-unknown", "hello-world", "parrot", "personal")
LEFT_OUT += ("randomness", "spelling")
"""Every skill whose phrases would have to be learned first, which takes minutes."""


class StockOvos:
    """`ovos-messagebus` and `ovos-core` with the test skill alone, in English and German."""

    def __init__(self, folder: Path, python: Path) -> None:
        """Lay out the private folders; nothing runs yet."""
        site = folder / "site"
        site.mkdir()
        install_test_skill(site)
        self._folder, self._bin = folder, python.parent
        self._state_dir = folder / "ovos"
        options = OvosOptions(
            port=free_port(),
            timezone="Asia/Tokyo",
            secondary_languages=("de-DE",),
            blacklisted_skills=tuple(f"ovos-skill-{name}.openvoiceos" for name in LEFT_OUT),
        )
        self.url = f"ws://127.0.0.1:{options.port}{environment.BUS_ROUTE}"
        environment.write(self._state_dir, options)
        inherited = environment.variables(self._state_dir, os.environ)
        self._env = inherited | {"PYTHONPATH": str(site)}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start `messagebus` or `core`."""
        with (self._folder / f"{name}.out").open("ab") as out:
            self._running[name] = subprocess.Popen(
                [self._bin / f"ovos-{name}"],
                env=self._env,
                cwd=self._state_dir,
                stdout=out,
                stderr=out,
            )

    def kill(self, name: str) -> None:
        """Kill -9."""
        self._running[name].send_signal(signal.SIGKILL)
        self._running[name].wait(STOP_TIMEOUT_S)

    def stop(self) -> None:
        """End both, at once: a stock core takes its time."""
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait(STOP_TIMEOUT_S)
