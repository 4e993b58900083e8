"""The record is written behind the call: nothing waits, nothing of weight is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Literal

import orjson
import pytest
from sqlalchemy.exc import OperationalError

from gateway.identity.service import DEFAULT_ORGANISATION, DEFAULT_PROJECT, Identity
from gateway.recording import recorder as recording
from gateway.recording.recorder import Recorder, SessionOpened, SessionRecorder
from gateway.settings import Prices
from gateway.store.database import Database
from gateway.store.repository import ProjectRepository
from gateway.telemetry import metrics
from gateway.tools.ports import LogEntry
from realtime.events.items import MessageItem
from realtime.session.config import fresh_config
from realtime.session.effects import RecordUsage
from realtime.session.inputs import EndReason
from realtime.usage import Usage

SESSION = "sess_000000000000000000001"


def opened(session_id: str = SESSION) -> SessionOpened:
    """Return a session's facts."""
    return SessionOpened(
        session_id=session_id,
        organisation_id=DEFAULT_ORGANISATION,
        project_id=DEFAULT_PROJECT,
        key_id="k",
        client_secret_id=None,
        engine="echo",
        model="gpt-realtime",
        started_at=1_800_000_000,
    )


def message(status: Literal["completed", "incomplete"] = "completed") -> MessageItem:
    """Return an item."""
    return MessageItem(id="item_1", status=status, role="user", content=[])


def usage(*, estimated: bool) -> RecordUsage:
    """Return a response's books."""
    return RecordUsage(
        response_id="resp_1", status="completed", usage=Usage(total_tokens=3), estimated=estimated
    )


def begin(recorder: Recorder, session_id: str = SESSION) -> SessionRecorder:
    """Open a session and record its first configuration."""
    session = recorder.open_session(opened(session_id))
    session.config(fresh_config(session_id=session_id, model="gpt-realtime"))
    return session


async def written(recorder: Recorder) -> None:
    """Write everything that is queued."""
    recorder.stop()
    async with asyncio.timeout(30):
        await recorder.run()


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


def dropped() -> float:
    """Return the counter of rows that were not recorded."""
    return metrics.RECORDER_ROWS_DROPPED._value.get()


class TestSession:
    """A session's row."""

    async def test_row_holds_the_whole_configuration(
        self, recorder: Recorder, repository: ProjectRepository
    ) -> None:
        """What was in force is known later, key by key."""
        begin(recorder)
        await written(recorder)
        row = await repository.session(SESSION)
        assert row is not None
        shown = fresh_config(session_id=SESSION, model="gpt-realtime")
        assert row["config"] == orjson.loads(orjson.dumps(shown))
        assert (row["engine"], row["key_id"], row["end_reason"]) == ("echo", "k", None)

    async def test_later_configuration_replaces_the_first(
        self, recorder: Recorder, repository: ProjectRepository
    ) -> None:
        """The row has the configuration that was last in force, and the end reason."""
        session = begin(recorder)
        session.config(fresh_config(session_id=SESSION, model="gpt-realtime", expires_at=7))
        session.close(EndReason.EXPIRED)
        await written(recorder)
        row = await repository.session(SESSION)
        assert row is not None
        assert row["config"]["expires_at"] == 7
        assert row["end_reason"] == "expired"
        assert row["ended_at"] is not None

    async def test_part_of_a_second_is_paid_for(
        self, recorder: Recorder, repository: ProjectRepository
    ) -> None:
        """A session's time is counted finer than its instants are written."""
        facts = replace(opened(), prices=Prices(per_minute=6_000.0), started_at=int(time.time()))
        session = recorder.open_session(facts)
        session.config(fresh_config(session_id=SESSION, model="gpt-realtime"))
        session.close(EndReason.CLIENT_CLOSED)
        await written(recorder)
        row = await repository.session(SESSION)
        assert row is not None
        assert 0 < row["cost_micros"] < 6_000 * 1_000_000


class TestActionLog:
    """What tools did."""

    ENTRY = LogEntry(
        kind="function", executor="client", name="f", status="handed_over", at_ms=5_100,
        call_id="call_1", response_id="resp_1", arguments='{"a":"\\0"}',
    )  # fmt: skip

    async def test_call_takes_what_came_of_it(
        self, recorder: Recorder, repository: ProjectRepository
    ) -> None:
        """A call that was handed over has one row, with its result once it came."""
        session = begin(recorder)
        session.event("server", 5_000, "session.created", '{"type":"session.created"}')
        session.tool_call(self.ENTRY.row(), self.ENTRY.at_ms)
        done = replace(self.ENTRY, status="completed", output="3\0", duration_ms=40)
        session.tool_call(done.row(), done.at_ms)
        await written(recorder)
        rows = await repository.tool_calls(SESSION)
        assert [
            (row["status"], row["output"], row["at_ms"], row["duration_ms"]) for row in rows
        ] == [("completed", "3\N{REPLACEMENT CHARACTER}", 100, 40)]

    async def test_calls_of_two_responses_may_have_one_id(
        self, recorder: Recorder, repository: ProjectRepository
    ) -> None:
        """Models choose the ids; they are unique within a response only."""
        session = begin(recorder)
        for response_id in ("resp_1", "resp_2"):
            entry = replace(self.ENTRY, response_id=response_id)
            session.tool_call(entry.row(), entry.at_ms)
        await written(recorder)
        assert len(await repository.tool_calls(SESSION)) == 2


class TestEvents:
    """The event record."""

    async def test_events_keep_their_order_and_time(
        self, recorder: Recorder, repository: ProjectRepository
    ) -> None:
        """`seq` counts from 1 and times from the first event."""
        session = begin(recorder)
        session.event("server", 5_000, "session.created", '{"type":"session.created"}')
        session.event("client", 5_040, "response.create", {"type": "response.create"})
        await written(recorder)
        rows = await repository.events(SESSION)
        assert [(r["seq"], r["at_ms"], r["direction"], r["body"]["type"]) for r in rows] == [
            (1, 0, "server", "session.created"),
            (2, 40, "client", "response.create"),
        ]

    async def test_media_is_never_recorded(
        self, recorder: Recorder, repository: ProjectRepository
    ) -> None:
        """Only the length of audio and images stays."""
        part = {"type": "input_audio", "audio": "QUJD" * 100}
        image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
        body = {"type": "conversation.item.create", "item": {"content": [part, image]}}
        session = begin(recorder)
        session.event("client", 0, "conversation.item.create", body)
        await written(recorder)
        (row,) = await repository.events(SESSION)
        content = row["body"]["item"]["content"]
        assert content[0]["audio"] == "<400 characters>"
        assert content[1]["image_url"] == "<26 characters>"

    async def test_nul_in_text_is_recorded_readably(
        self, recorder: Recorder, repository: ProjectRepository
    ) -> None:
        """A character that PostgreSQL refuses does not cost the row."""
        session = begin(recorder)
        session.event("client", 0, "x", {"type": "x", "text": "a\0b"})
        await written(recorder)
        (row,) = await repository.events(SESSION)
        assert row["body"]["text"] == "a\N{REPLACEMENT CHARACTER}b"

    async def test_refused_row_holds_up_no_other(
        self, recorder: Recorder, repository: ProjectRepository
    ) -> None:
        """A row of a session that has none is left out and counted; its neighbours are written."""
        before = dropped()
        session = begin(recorder)
        orphan = recorder.open_session(opened("sess_never_written"))
        session.event("server", 0, "one", {})
        orphan.event("server", 0, "lost", {})
        session.event("server", 0, "two", {})
        await written(recorder)
        assert [row["type"] for row in await repository.events(SESSION)] == ["one", "two"]
        assert dropped() == before + 1

    async def test_short_sessions_in_turns_are_each_written_to_their_end(
        self, recorder: Recorder, repository: ProjectRepository
    ) -> None:
        """Their rows stand in turns, and are written by what they have in common."""
        ends = {"sess_a": EndReason.CLIENT_CLOSED, "sess_b": EndReason.EXPIRED}
        for name, reason in ends.items():
            session = begin(recorder, name)
            session.event("server", 0, "session.created", {"of": name})
            session.config(fresh_config(session_id=name, model="changed"))
            session.close(reason)
        await written(recorder)
        for name, reason in ends.items():
            row = await repository.session(name)
            assert row is not None
            assert (row["end_reason"], row["config"]["model"]) == (reason.value, "changed")
            assert [event["body"] for event in await repository.events(name)] == [{"of": name}]

    async def test_events_that_wait_are_bounded_in_bytes(
        self, database: Database, identity: Identity, repository: ProjectRepository
    ) -> None:
        """Large ones fill memory long before there are many; what was written makes room."""
        recorder, before = Recorder(database, most_rows=1_000, most_bytes=10_000), dropped()
        session = begin(recorder)
        for number in range(20):
            if number % 2:
                session.event("server", number, "x", '{"a":"' + "x" * 992 + '"}')
            else:
                session.event("client", number, "x", {"a": "x"}, size_bytes=1_000)
        session.event("client", 20, "x", {}, size_bytes=1)
        assert dropped() - before == 11
        await written(recorder)
        assert len(await repository.events(SESSION)) == 10
        session.event("client", 21, "x", {}, size_bytes=10_000)
        await written(recorder)
        assert len(await repository.events(SESSION)) == 11

    async def test_more_than_a_batch_is_written_whole(
        self, database: Database, identity: Identity, repository: ProjectRepository
    ) -> None:
        """Batches are a matter of pace, not of what is kept."""
        recorder = Recorder(database, most_rows=1_000)
        session = begin(recorder)
        for number in range(recording.BATCH_ROWS * 2 + 50):
            session.event("server", number, "x", {})
        await written(recorder)
        assert len(await repository.events(SESSION)) == recording.BATCH_ROWS * 2 + 50


class TestItems:
    """Items and what was said in them."""

    async def test_item_takes_transcript_truncation_and_deletion(
        self, recorder: Recorder, repository: ProjectRepository
    ) -> None:
        """Later facts change the row that is there."""
        session = begin(recorder)
        session.item(message(), None)
        session.transcript("item_1", "what time is it")
        session.item_truncated("item_1", 700)
        session.item_deleted("item_1")
        await written(recorder)
        (row,) = await repository.items(SESSION)
        assert (row["transcript"], row["truncated_ms"], row["deleted"]) == (
            "what time is it", 700, True,
        )  # fmt: skip

    async def test_item_shown_twice_keeps_its_transcript(
        self, recorder: Recorder, repository: ProjectRepository
    ) -> None:
        """A second form of the item changes its body only."""
        session = begin(recorder)
        session.item(message(), None)
        session.transcript("item_1", "hello")
        session.item(message("incomplete"), "item_0")
        await written(recorder)
        (row,) = await repository.items(SESSION)
        assert row["transcript"] == "hello"
        assert row["body"]["status"] == "incomplete"
        assert row["previous_item_id"] == "item_0"


class TestUsage:
    """The books."""

    async def test_usage_counts_once(
        self, recorder: Recorder, repository: ProjectRepository
    ) -> None:
        """A response that is reported twice is in the books once."""
        session = begin(recorder)
        effect = usage(estimated=True)
        session.usage(effect)
        session.usage(effect)
        await written(recorder)
        (row,) = await repository.usage(SESSION)
        assert (row["response_id"], row["status"], row["estimated"]) == (
            "resp_1",
            "completed",
            True,
        )
        assert row["body"]["total_tokens"] == 3


class TestTenancy:
    """A repository is bound to a project."""

    async def test_foreign_project_finds_nothing(
        self, database: Database, recorder: Recorder
    ) -> None:
        """Another project's session is not there, by list or by id."""
        session = begin(recorder)
        session.event("server", 0, "x", {})
        await written(recorder)
        foreign = ProjectRepository(
            database, organisation_id=DEFAULT_ORGANISATION, project_id="proj_other"
        )
        assert await foreign.sessions() == []
        assert await foreign.session(SESSION) is None
        assert await foreign.events(SESSION) == []


class _Away(Database):
    """A database that can be taken away."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.away = True
        self.was_asked = asyncio.Event()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        self.was_asked.set()
        if self.away:
            raise OperationalError("x", {}, OSError())
        async with super().transaction() as connection:
            yield connection


class TestBounds:
    """A database that is slow or away never reaches the call."""

    def test_at_the_bound_only_events_are_dropped(self) -> None:
        """Rows of sessions, items and usage are kept; lost events are counted."""
        before = dropped()
        recorder = Recorder(Database("sqlite+aiosqlite://"), most_rows=100)
        session = begin(recorder)
        for number in range(150):
            session.event("server", number, "x", {})
        session.usage(usage(estimated=False))
        session.close(EndReason.CLIENT_CLOSED)
        assert dropped() == before + 51
        assert len(recorder._rows) == 102

    async def test_database_that_comes_back_gets_everything_in_order(
        self, database_url: str, identity: Identity, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An outage delays rows and loses none."""
        monkeypatch.setattr(recording, "RETRY_S", 0.01)
        monkeypatch.setattr(recording, "FLUSH_S", 0.0)
        database = _Away(database_url)
        recorder = Recorder(database, most_rows=100)
        writer = asyncio.create_task(recorder.run())
        session = begin(recorder)
        session.event("server", 0, "x", {})
        await database.was_asked.wait()
        database.away = False
        recorder.stop()
        async with asyncio.timeout(30):
            await writer
        repository = ProjectRepository(
            database, organisation_id=DEFAULT_ORGANISATION, project_id=DEFAULT_PROJECT
        )
        assert [row["type"] for row in await repository.events(SESSION)] == ["x"]
        await database.close()

    async def test_shutdown_without_a_database_ends(self, database_url: str) -> None:
        """A database that is away does not hold up the end of the process."""
        recorder = Recorder(_Away(database_url), most_rows=100)
        begin(recorder)
        await written(recorder)
        assert len(recorder._rows) == 1
