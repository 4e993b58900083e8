"""Shared parts of the bridge's tests."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ovos_bridge.brain import SkillsBrain
from tests.ovos_bridge.processes import OvosProcesses

READY_TIMEOUT_S = 60.0


def speech_python() -> Path:
    """Return the Python of the speech environment."""
    default = Path(__file__).parents[2] / "var" / "venv" / "speech" / "bin" / "python"
    return Path(os.environ.get("VOICEENGINE_SPEECH_PYTHON", default))


@pytest.fixture(scope="session")
def ovos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OvosProcesses]:
    """Hub and core with the skills of the lock file and the test skill."""
    python = speech_python()
    has_skills = [str(python), "-c", "import ovos_core, ovos_messagebus, fann2"]
    if not python.exists() or subprocess.run(has_skills, check=False).returncode != 0:
        pytest.skip("no speech environment with skills; `make venv` makes it")
    processes = OvosProcesses(tmp_path_factory.mktemp("ovos"), python)
    processes.start("hub")
    processes.start("core")
    yield processes
    processes.stop()


@asynccontextmanager
async def running(brain: SkillsBrain) -> AsyncIterator[SkillsBrain]:
    """Run a brain's tasks around a block."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(brain.run())
        try:
            yield brain
        finally:
            task.cancel()


async def wait_ready(brain: SkillsBrain, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Wait until a probe was answered."""
    async with asyncio.timeout(timeout_s):
        while not brain.ready:
            await asyncio.sleep(0.02)


@pytest.fixture
async def skills(ovos: OvosProcesses) -> AsyncIterator[SkillsBrain]:
    """A brain that is ready."""
    async with running(SkillsBrain(ovos.url)) as brain:
        await wait_ready(brain)
        yield brain
