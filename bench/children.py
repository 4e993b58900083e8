"""The real speech worker, hub and core as child processes, in a folder that is thrown away."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from ovos_bridge.brain import SkillsBrain
from ovos_bridge.launch import plan
from ovos_bridge.launch.environment import OvosOptions
from ovos_bridge.launch.plan import ProcessPlan
from ovos_bridge.speech.client import SpeechClient

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05
PATIENT_S = 60.0
"""Bound of one recognition or synthesis here, where throughput is not what is measured."""


def speech_python() -> Path:
    """Return the Python of the speech environment."""
    default = Path(__file__).parents[1] / "var" / "venv" / "speech" / "bin" / "python"
    return Path(os.environ.get("VOICEENGINE_SPEECH_PYTHON", default))


@contextmanager
def child(described: ProcessPlan, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a child process around a block."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            described.argv, env=dict(described.env), cwd=described.cwd, stdout=out, stderr=out
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@asynccontextmanager
async def speech_worker() -> AsyncIterator[SpeechClient]:
    """Run a worker and a client that is connected to it."""
    with tempfile.TemporaryDirectory() as folder:
        state, path = Path(folder) / "ovos", str(Path(folder) / "speech.sock")
        state.mkdir()
        described = plan.speech_plan(state, speech_python(), ["--socket", path])
        with child(described, Path(folder) / "speech.log"):
            there = asyncio.Event()
            client = SpeechClient(
                path,
                recognition_timeout_s=PATIENT_S,
                synthesis_timeout_s=PATIENT_S,
                on_change=lambda connected: there.set() if connected else there.clear(),
            )
            async with client:
                await asyncio.wait_for(there.wait(), START_TIMEOUT_S)
                yield client


@asynccontextmanager
async def skills() -> AsyncIterator[SkillsBrain]:
    """Run hub and core with the skills of the lock file, ready."""
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        options = OvosOptions(port=probe.getsockname()[1], timezone="Etc/UTC")
        probe.close()
        state = Path(folder) / "ovos"
        state.mkdir()
        hub = plan.hub_plan(state, speech_python(), options)
        core = plan.core_plan(state, speech_python(), options)
        log = Path(folder)
        with child(hub, log / "hub.log"), child(core, log / "core.log"):
            brain = SkillsBrain(plan.bus_url(options.port))
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(brain.run())
                async with asyncio.timeout(START_TIMEOUT_S):
                    while not brain.ready:
                        await asyncio.sleep(POLL_S)
                yield brain
                task.cancel()
