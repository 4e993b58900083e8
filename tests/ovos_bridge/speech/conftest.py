"""A worker that all tests share, and one that a test may kill."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ovos_bridge.speech.client import SpeechClient
from tests.ovos_bridge.speech.workers import PHRASES, QUESTION, Worker, linked, recording


@pytest.fixture(scope="session")
def question() -> bytes:
    """The README's question as canonical audio."""
    return recording(QUESTION)


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory, speech_python: Path) -> Iterator[Worker]:
    """A worker that no test may disturb."""
    shared = Worker(tmp_path_factory.mktemp("speech"), speech_python)
    shared.start()
    yield shared
    shared.stop()


@pytest.fixture
async def client(worker: Worker) -> AsyncIterator[SpeechClient]:
    """A client of the shared worker, which knows `PHRASES`."""
    async with linked(worker.socket) as (connected, link):
        await link.wait(connected=True)
        await connected.teach(PHRASES)
        yield connected


@pytest.fixture
def own_worker(tmp_path: Path, speech_python: Path) -> Iterator[Worker]:
    """A worker of the test's own, to be killed or halted."""
    mine = Worker(tmp_path, speech_python)
    mine.start()
    yield mine
    mine.stop()
