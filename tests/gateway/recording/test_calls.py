"""The record of calls, on both databases: written behind, closed by whoever follows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.identity.service import DEFAULT_ORGANISATION, DEFAULT_PROJECT, Identity
from gateway.recording.calls import CallAsked, CallRecord
from gateway.recording.recorder import Recorder, SessionOpened
from gateway.store.calls import close_lost_calls
from gateway.store.database import Database
from gateway.store.repository import ProjectRepository
from realtime.session.config import fresh_config
from realtime.session.inputs import EndReason

ASKED = CallAsked(
    call_id="rtc_1",
    organisation_id=DEFAULT_ORGANISATION,
    project_id=DEFAULT_PROJECT,
    key_id="k",
    client_secret_id=None,
    ingress="webrtc",
    kind="realtime",
    model="echo",
    node="here",
)
ONE = {"webrtc": 1}
FAR_FUTURE_S = 4_000_000_000


@pytest.fixture
def recorder(database: Database, identity: Identity) -> Recorder:
    """A recorder whose writer does not run yet."""
    return Recorder(database, most_rows=100)


@pytest.fixture
def repository(database: Database) -> ProjectRepository:
    """What the default project sees."""
    return ProjectRepository(
        database, organisation_id=DEFAULT_ORGANISATION, project_id=DEFAULT_PROJECT
    )


async def written(recorder: Recorder) -> None:
    """Write everything that is queued."""
    recorder.stop()
    async with asyncio.timeout(30):
        await recorder.run()


async def test_row_follows_the_call(
    recorder: Recorder, repository: ProjectRepository, database: Database
) -> None:
    """What a database would refuse of a name is left out; no other project sees the row."""
    call = CallRecord(recorder, replace(ASKED, model="e\0cho" + "o" * 200))
    call.session("sess_1")
    call.answered()
    call.connected()
    call.ended(EndReason.HUNG_UP, "")
    await written(recorder)
    row = await repository.call("rtc_1")
    assert row is not None
    assert len(row["model"]) == 128
    assert "\0" not in row["model"]
    assert row["created_at"] <= row["answered_at"] <= row["connected_at"] <= row["ended_at"]
    assert (row["session_id"], row["end_reason"], row["why"]) == ("sess_1", "hung_up", "")
    foreign = ProjectRepository(database, organisation_id="org", project_id="proj")
    assert await foreign.call("rtc_1") is None


async def test_start_closes_what_cannot_be_live(
    recorder: Recorder, repository: ProjectRepository, database: Database
) -> None:
    """One's own of before with their sessions, and any that is too old; nobody else's."""
    session = recorder.open_session(
        SessionOpened(
            session_id="sess_1", organisation_id=DEFAULT_ORGANISATION,
            project_id=DEFAULT_PROJECT, key_id="k", client_secret_id=None, engine="echo",
            model="echo", started_at=1,
        )
    )  # fmt: skip
    session.config(fresh_config(session_id="sess_1", model="echo"))
    CallRecord(recorder, ASKED).session("sess_1")
    CallRecord(recorder, replace(ASKED, call_id="rtc_2")).ended(EndReason.EXPIRED, "")
    CallRecord(recorder, replace(ASKED, call_id="rtc_3", node="there"))
    await written(recorder)

    async def reasons() -> dict[str, str | None]:
        return {row["id"]: row["end_reason"] for row in await repository.calls()}

    async def close(node: str | None, started_s: int, created_before: int, live: str = "") -> Any:
        return await close_lost_calls(
            database, node=node, started_s=started_s, created_before=created_before, now_s=9,
            live=[live],
        )  # fmt: skip

    assert not await close("here", started_s=9, created_before=0), "they began after the start"
    assert not await close(None, started_s=FAR_FUTURE_S, created_before=0), "it is not alone"
    assert not await close("here", FAR_FUTURE_S, created_before=0, live="rtc_1")
    assert await close("here", started_s=FAR_FUTURE_S, created_before=0) == ONE
    assert await reasons() == {"rtc_1": "lost", "rtc_2": "expired", "rtc_3": None}
    lost = await repository.session("sess_1")
    assert lost is not None
    assert (lost["end_reason"], lost["ended_at"]) == ("lost", 9)
    closed = await close("here", started_s=9, created_before=FAR_FUTURE_S)
    assert (closed, (await reasons())["rtc_3"]) == (ONE, "lost")
