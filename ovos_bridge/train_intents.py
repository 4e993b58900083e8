"""Makes the trained intents that are shipped: `python -m ovos_bridge.train_intents PYTHON`.

PYTHON is the speech environment's. Hub and core start in a folder of their own and
train for about a minute; the result is packed when the common questions are answered.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from ovos_bridge.brain import SkillsBrain
from ovos_bridge.grammar import COMMON
from ovos_bridge.launch import environment, intent_cache, plan
from ovos_bridge.launch.environment import OvosOptions

TRAINING_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 10.0
MATCH_TIMEOUT_S = 5.0


async def train(python: Path, archive: Path) -> int:
    """Train from nothing and write the archive; return the number of files in it.

    Raises:
        TimeoutError: core did not become ready.
        RuntimeError: a common question is not understood; training has a bad day at times.
    """
    with tempfile.TemporaryDirectory() as folder:
        state_dir = Path(folder)
        options = OvosOptions(port=_free_port(), shipped_intents=False)
        async with _children(state_dir, python, options), asyncio.TaskGroup() as tasks:
            brain = SkillsBrain(plan.bus_url(options.port))
            task = tasks.create_task(brain.run())
            async with asyncio.timeout(TRAINING_TIMEOUT_S):
                while not brain.ready:
                    await asyncio.sleep(2)
                    print(brain.state.sentence(), flush=True)
            await _understands(brain)
            task.cancel()
        return intent_cache.pack(environment.intent_cache_dir(state_dir), archive)


async def _understands(brain: SkillsBrain) -> None:
    for question in COMMON:
        reply = await brain.bus.request(
            "intent.service.intent.get",
            "intent.service.intent.reply",
            timeout_s=MATCH_TIMEOUT_S,
            data={"utterance": question, "lang": "en-US"},
        )
        if not (reply.data.get("intent") or {}).get("skill_id"):
            raise RuntimeError(f"not understood: {question}")


@contextlib.asynccontextmanager
async def _children(state_dir: Path, python: Path, options: OvosOptions) -> AsyncIterator[None]:
    plans = (plan.hub_plan(state_dir, python, options), plan.core_plan(state_dir, python, options))
    children = [
        await asyncio.create_subprocess_exec(*each.argv, env=dict(each.env), cwd=each.cwd)
        for each in plans
    ]
    try:
        yield
    finally:
        for child in children:
            child.terminate()
        for child in children:
            await asyncio.wait_for(child.wait(), STOP_TIMEOUT_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="ovos_bridge.train_intents", description=__doc__)
    parser.add_argument("python", type=Path, help="Python of the speech environment")
    parser.add_argument("--archive", type=Path, default=intent_cache.ARCHIVE)
    given = parser.parse_args()
    files = asyncio.run(train(given.python, given.archive))
    sys.stdout.write(f"{given.archive}: {files} files, {given.archive.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
