"""The server inside the test's own process, so that a test may reach its parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.app import build_app, build_services
from gateway.identity.service import DEFAULT_ORGANISATION, DEFAULT_PROJECT
from gateway.server import Server
from gateway.services import Services
from gateway.sessions.admission import Allowed, TimedAdmission, Verdict
from gateway.sessions.calls import Call
from gateway.settings import Settings
from gateway.store.repository import ProjectRepository, Row
from tests.functional.client import until


class Policy:
    """Allows everything but what a test denies; notes what it was asked."""

    def __init__(self) -> None:
        self.verdicts: dict[str, Verdict] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers = asyncio.Event()
        """Cleared, nobody gets a verdict."""
        self.answers.set()

    def admit_nowait(self, action: str, facts: Mapping[str, Any]) -> Verdict | None:
        """Never know without waiting."""
        return None

    async def admit(self, action: str, facts: Mapping[str, Any]) -> Verdict:
        """Answer as the test said."""
        self.asked.append((action, dict(facts)))
        await self.answers.wait()
        return self.verdicts.get(action, Allowed())

    def facts_of(self, action: str) -> dict[str, Any]:
        """Return what was last asked of an action."""
        return next(facts for asked, facts in reversed(self.asked) if asked == action)


@dataclass
class Inside:
    """A running server and what is behind it."""

    url: str
    key: str
    services: Services
    policy: Policy
    timed: TimedAdmission
    server: Server
    running: asyncio.Task[None]

    @property
    def ws_url(self) -> str:
        """The socket's URL."""
        return self.url.replace("http", "ws") + "/realtime"

    @property
    def record(self) -> ProjectRepository:
        """What the project sees of the record."""
        return ProjectRepository(
            self.services.database,
            organisation_id=DEFAULT_ORGANISATION,
            project_id=DEFAULT_PROJECT,
        )

    def only_call(self) -> Call:
        """Return the one live call."""
        (call,) = self.services.calls._calls.values()
        return call

    async def ended_call(self) -> Row:
        """Return the newest call's row once it has ended and all is written."""
        async with asyncio.timeout(30):
            while True:
                await until(lambda: not self.services.recorder._rows)
                rows = await self.record.calls()
                if rows and rows[0]["ended_at"] is not None:
                    return rows[0]
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Stop the server."""
        for one in self.server._servers:
            one.should_exit = True
        await self.running


@asynccontextmanager
async def inside(folder: Path, **settings: Any) -> AsyncIterator[Inside]:
    """Run a server whose database is migrated in `folder` on the test's own loop."""
    chosen = Settings(
        data_dir=folder, speech=False, skills=False, port=0, drain_timeout_s=0,
        log_level="error", **settings,
    )  # fmt: skip
    services, embedded = build_services(chosen)
    policy = Policy()
    timed = TimedAdmission(policy)
    services = replace(services, admission=timed)
    await services.identity.ensure_default_project()
    key = await services.identity.create_key("test")
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    server = Server(
        build_app(services, embedded), chosen, certificate=None, started=port.set_result
    )
    running = asyncio.create_task(server.run(services.directory))
    url = f"http://127.0.0.1:{await port}/v1"
    made = Inside(url, key, services, policy, timed, server, running)
    try:
        yield made
    finally:
        await made.stop()
