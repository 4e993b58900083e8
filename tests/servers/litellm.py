"""LiteLLM's proxy, unmodified, in front of a Realtime endpoint (`deploy/bootstrap.py litellm`)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "var" / "venv" / "litellm" / "bin" / "python"
PROGRAM = PYTHON.with_name("litellm")
KEY = "sk-litellm-master"
START_TIMEOUT_S = 120.0
POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class Proxy:
    """One that runs."""

    url: str
    """The base URL."""
    pid: int
    key: str = KEY

    @property
    def ws_url(self) -> str:
        """The socket's URL."""
        return self.url.replace("http", "ws", 1) + "/realtime"


def available() -> bool:
    """Say whether its environment is here."""
    return PROGRAM.exists()


@contextmanager
def running(folder: Path, base_url: str, key: str, models: Iterable[str]) -> Iterator[Proxy]:
    """Start one whose models are those of an endpoint; `base_url` ends in `/v1`."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    described = [
        {
            "model_name": name,
            "litellm_params": {"model": f"openai/{name}", "api_base": base_url, "api_key": key},
            "model_info": {"mode": "realtime"},
        }
        for name in models
    ]
    settings = {"model_list": described, "general_settings": {"master_key": KEY}}
    config = folder / "litellm.yaml"
    config.write_text(json.dumps(settings))  # JSON is YAML
    argv = [str(PYTHON), str(PROGRAM)]  # the program's first line names where it was made
    argv += ["--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    with (folder / "litellm.log").open("wb") as log:
        process = subprocess.Popen(argv, env=env, cwd=folder, stdout=log, stderr=log)
    try:
        _wait(process, f"http://127.0.0.1:{port}/health/liveliness")
        yield Proxy(f"http://127.0.0.1:{port}/v1", process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    ends = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=30):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(POLL_S)
    raise AssertionError("LiteLLM's proxy does not start")
