"""The real server as a process of its own, driven from outside."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
READY_TIMEOUT_S = 120


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    scheme: str
    trust: Path | None = None
    """The authority to trust, where the server speaks TLS with one of its own."""

    @property
    def port(self) -> int:
        """The TCP port."""
        return int((self.data_dir / "port").read_text())

    @property
    def url(self) -> str:
        """The base URL, as an SDK wants it."""
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"

    @property
    def ws_url(self) -> str:
        """The socket's URL."""
        return f"{'wss' if self.scheme == 'https' else 'ws'}://127.0.0.1:{self.port}/v1/realtime"

    @property
    def key(self) -> str:
        """The development key."""
        return (self.data_dir / "dev.key").read_text().strip()

    def _open(self, path: str) -> Any:
        context = (
            None
            if self.trust is None or not self.trust.exists()
            else ssl.create_default_context(cafile=str(self.trust))
        )
        return urllib.request.urlopen(self.url[:-3] + path, timeout=30, context=context)

    def readiness(self) -> dict[str, Any]:
        """Return what `/readyz` says."""
        try:
            with self._open("/readyz") as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            return dict(json.load(error))
        except OSError:
            return {"ready": False, "parts": []}

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels."""
        with self._open("/metrics") as answer:
            lines = answer.read().decode().splitlines()
        found = [line for line in lines if line.split("{")[0].split(" ")[0] == name]
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        found = [line for line in found if all(text in line for text in wanted)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> float:
        """Wait until everything is ready; return the seconds it took."""
        started = time.monotonic()
        while time.monotonic() - started < timeout_s:
            if self.process.poll() is not None:
                break
            if (self.data_dir / "port").exists() and self.readiness()["ready"]:
                return time.monotonic() - started
            time.sleep(0.1)
        log = (self.data_dir / "server.log").read_text()[-3000:]
        raise AssertionError(f"not ready: {self.readiness()}\n{log}")

    def stop(self) -> int:
        """Ask it to stop; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def minted(server: Server, session: Mapping[str, Any]) -> str:
    """Return a client secret that is bound to a session."""
    request = urllib.request.Request(
        f"{server.url}/realtime/client_secrets",
        data=json.dumps({"session": session}).encode(),
        headers={"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["value"])


def command(
    server: Server, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None
) -> str:
    """Run the command line beside the server; return what it printed."""
    env = {
        **os.environ,
        **(env or {}),
        "VOICEENGINE_DATA_DIR": str(server.data_dir),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr[-2_000:]
    return done.stdout


def voice(python: Path) -> dict[str, str]:
    """Return the settings that add the real speech worker and OVOS skills.

    They may take longer than callers would wait: the rest of the run shares their cores.
    """
    patience = dict.fromkeys(("RECOGNITION", "SYNTHESIS", "ANSWER"), "30")
    return {
        **{f"VOICEENGINE_{part}_TIMEOUT_S": seconds for part, seconds in patience.items()},
        "VOICEENGINE_SPEECH": "true",
        "VOICEENGINE_SKILLS": "true",
        "VOICEENGINE_SPEECH_PYTHON": str(python),
    }


def start(data_dir: Path, *options: str, env: Mapping[str, str] | None = None) -> Server:
    """Start a server on a free port; nothing of OVOS unless `env` says so."""
    data_dir.mkdir(parents=True, exist_ok=True)
    variables = {
        **{name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"},
        "PYTHONPATH": str(ROOT),
        "VOICEENGINE_DATA_DIR": str(data_dir),
        "VOICEENGINE_SPEECH": "false",
        "VOICEENGINE_SKILLS": "false",
        "VOICEENGINE_DRAIN_TIMEOUT_S": "1",
        **(env or {}),
    }
    with (data_dir / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--port", "0", *options],
            env=variables, cwd=ROOT, stdout=log, stderr=log,
        )  # fmt: skip
    scheme = "https" if "--tls" in options else "http"
    return Server(process, data_dir, scheme)
