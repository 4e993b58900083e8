"""Rows of calls whose process died are closed, also while nobody starts anew."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.identity.service import DEFAULT_ORGANISATION, DEFAULT_PROJECT, Identity
from gateway.recording.calls import CallAsked, CallRecord
from gateway.recording.recorder import Recorder
from gateway.services import Services
from gateway.sessions import lost_calls
from gateway.sessions.lost_calls import LostCalls
from gateway.settings import Settings
from gateway.store.database import Database
from gateway.store.repository import ProjectRepository

ASKED = CallAsked(
    call_id="rtc_here", organisation_id=DEFAULT_ORGANISATION, project_id=DEFAULT_PROJECT,
    key_id="k", client_secret_id=None, ingress="webrtc", kind="realtime", model="echo",
    node="here",
)  # fmt: skip
LONG_S = 4 * 60 * 60


class Clock:
    """Stands until it is moved; begins long after anything that is recorded now."""

    now_s = 4_000_000_000.0

    def __call__(self) -> float:
        """Return Unix seconds."""
        return self.now_s


def process(folder: Path, database: Database, clock: Clock, *, live: str = "") -> LostCalls:
    """Return what a process on this data directory does, one that has a model with long calls."""
    services = SimpleNamespace(
        settings=Settings(data_dir=folder, session_max_minutes=LONG_S),
        node="here",
        database=database,
        registry=SimpleNamespace(longest_minutes=lambda: 2**26),
        calls=SimpleNamespace(ids=lambda: [live]),
    )
    return LostCalls(cast("Services", services), unix_s=clock)


async def reasons(database: Database) -> dict[str, str | None]:
    """Return how the calls ended."""
    project = ProjectRepository(
        database, organisation_id=DEFAULT_ORGANISATION, project_id=DEFAULT_PROJECT
    )
    return {row["id"]: row["end_reason"] for row in await project.calls()}


@pytest.fixture
async def calls(database: Database, identity: Identity) -> Database:
    """Two open calls, of this installation and of another."""
    recorder = Recorder(database, most_rows=100)
    CallRecord(recorder, ASKED)
    CallRecord(recorder, replace(ASKED, call_id="rtc_there", node="there"))
    recorder.stop()
    async with asyncio.timeout(30):
        await recorder.run()
    return database


async def test_rows_of_a_process_that_still_drains_stay_until_it_is_gone(
    calls: Database, tmp_path: Path
) -> None:
    """Its successor on the same data directory closes what it leaves."""
    clock = Clock()
    first = process(tmp_path, calls, clock, live="rtc_here")
    await first.look()
    second = process(tmp_path, calls, clock)
    await second.look()
    assert await reasons(calls) == {"rtc_here": None, "rtc_there": None}
    first.close()
    await second.look()
    second.close()
    assert await reasons(calls) == {"rtc_here": "lost", "rtc_there": None}


async def test_rows_of_another_installation_are_closed_without_a_start(
    calls: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once they are older than the longest call of any model, and not before."""
    monkeypatch.setattr(lost_calls, "LOOK_S", 0.0)
    clock = Clock()
    one = process(tmp_path, calls, clock, live="rtc_here")
    await one.look()
    assert await reasons(calls) == {"rtc_here": None, "rtc_there": None}
    clock.now_s += 2**26 * 60 + lost_calls.MARGIN_S
    running = asyncio.create_task(one.run())
    async with asyncio.timeout(30):
        while (await reasons(calls))["rtc_there"] is None:
            await asyncio.sleep(0)
    running.cancel()
    one.close()
    assert await reasons(calls) == {"rtc_here": None, "rtc_there": "lost"}
