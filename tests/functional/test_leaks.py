"""The server inside the test's own process: no object of a session outlives it."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import websockets

from gateway.app import build_app, build_services
from gateway.ingress.websocket.protocol import FramedWebSocket
from gateway.ingress.websocket.reading import Reading
from gateway.ingress.websocket.socket import Socket
from gateway.recording.recorder import SessionRecorder
from gateway.server import Server
from gateway.services import Services
from gateway.sessions.opening import OpenedSession
from gateway.sessions.runner import SessionRunner
from gateway.settings import Settings
from gateway.store import migrate
from realtime.response.machine import LiveResponse
from realtime.session.machine import Session
from tests.functional.client import Client, until, user_text

OF_A_SESSION = (
    FramedWebSocket, LiveResponse, OpenedSession, Reading, Session, SessionRecorder,
    SessionRunner, Socket,
)  # fmt: skip
OURS = ("*/gateway/*", "*/realtime/*", "*/uvicorn/protocols/*", "*/starlette/*")
WARM, CYCLES = 30, 60
MOST_BYTES = 512
"""What each may leave traced on average, for things drawn in stock; a session is 32 KiB."""


@dataclass
class Inside:
    """The server's address and a key."""

    url: str
    key: str
    services: Services

    async def quiet(self, tasks: int) -> None:
        """Wait until nothing of a session is left, and what was recorded is written."""
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        await until(lambda: not self.services.recorder._rows)
        await until(lambda: not alive())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a migrated database; alembic runs a loop of its own."""
    made = tmp_path_factory.mktemp("inside")
    migrate.upgrade(Settings(data_dir=made).database)
    return made


@pytest.fixture
async def inside(folder: Path) -> AsyncIterator[Inside]:
    """A running server on the test's own loop."""
    settings = Settings(
        data_dir=folder, speech=False, skills=False, port=0, drain_timeout_s=0, log_level="error"
    )
    services, embedded = build_services(settings)
    await services.identity.ensure_default_project()
    key = await services.identity.create_key("test")
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    server = Server(
        build_app(services, embedded), settings, certificate=None, started=port.set_result
    )
    running = asyncio.create_task(server.run(services.directory))
    yield Inside(f"ws://127.0.0.1:{await port}/v1/realtime?model=echo", key, services)
    for one in server._servers:
        one.should_exit = True
    await running


async def cycle(inside: Inside, number: int) -> None:
    """A short conversation, left in one of three ways."""
    headers = {"Authorization": f"Bearer {inside.key}"}
    async with websockets.connect(inside.url, additional_headers=headers) as socket:
        client = Client(socket)
        await client.send(type="conversation.item.create", item=user_text("hello"))
        await client.send(type="response.create", response={"output_modalities": ["text"]})
        await client.until("response.done")
        if number % 3 == 0:
            await client.send(type="response.create", response={"metadata": {"echo": "tone:9000"}})
            await client.until("response.created")
        elif number % 3 == 1:
            socket.transport.abort()


def alive() -> Counter[str]:
    """Count the objects of sessions."""
    gc.collect()
    found = [thing for thing in gc.get_objects() if type(thing) in OF_A_SESSION]
    # The socket that is made ahead for the next connection is of no session yet.
    found = [thing for thing in found if getattr(thing, "transport", thing) is not None]
    return Counter(type(thing).__name__ for thing in found)


async def test_no_object_of_a_session_outlives_it(inside: Inside) -> None:
    """However the client left: runner, machine, socket, tasks, and what tracemalloc sees."""
    tasks = len(asyncio.all_tasks())
    for number in range(WARM):
        await cycle(inside, number)
    await inside.quiet(tasks)
    tracemalloc.start()
    try:
        filters = [tracemalloc.Filter(True, pattern) for pattern in OURS]
        for number in range(6):
            await cycle(inside, number)
        await inside.quiet(tasks)
        before = tracemalloc.take_snapshot().filter_traces(filters)
        for number in range(CYCLES):
            await cycle(inside, number)
        await inside.quiet(tasks)
        after = tracemalloc.take_snapshot().filter_traces(filters)
    finally:
        tracemalloc.stop()
    grown = after.compare_to(before, "lineno")
    left = sum(line.size_diff for line in grown) / CYCLES
    assert left < MOST_BYTES, "\n".join(str(line) for line in grown[:10])
