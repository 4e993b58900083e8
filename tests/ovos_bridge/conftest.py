"""Shared parts of the bridge's tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ovos_bridge.brain import SkillsBrain
from tests.ovos_bridge.processes import OvosProcesses

READY_TIMEOUT_S = 60.0


@pytest.fixture(scope="session")
def ovos(skills_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OvosProcesses]:
    """Hub and core with the skills of the lock file and the test skill."""
    processes = OvosProcesses(tmp_path_factory.mktemp("ovos"), skills_python)
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
