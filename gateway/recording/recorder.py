"""Write-behind record: sessions, items, events, usage (DECISIONS 1.7).

Nothing here waits: rows are queued and one task writes them in batches. At a
bound, of rows or bytes, event rows are dropped and counted; rows of sessions,
items and usage never are. Audio is never recorded: only what is said of it.

A database that is away is tried again, in order; a row that the database
refuses for what it holds is left out and counted, so that it holds up no other.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import orjson
import structlog
from sqlalchemy import bindparam, update
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    SQLAlchemyError,
    StatementError,
)

from gateway.recording.recordable import recordable
from gateway.settings import Prices
from gateway.store.database import Database
from gateway.store.tables import Base, Event, Item, RealtimeSession, ToolCallRow, Usage
from gateway.store.upsert import insert_ignore, upsert
from gateway.telemetry import metrics
from realtime.session.config import AnySessionConfig
from realtime.session.effects import RecordUsage
from realtime.session.inputs import EndReason
from realtime.translation.config import TranslationSessionConfig
from realtime.usage import Usage as TokenUsage

BATCH_ROWS = 100
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of events that wait, as on the wire: one may have 20 MiB, and audio is left out when written."""
FLUSH_S = 0.2
RETRY_S = 1.0
UPSERTED: Mapping[type[Base], tuple[str, ...]] = {
    Item: ("session_id", "item_id"),
    ToolCallRow: ("session_id", "response_id", "call_id"),
}
"""Tables whose rows come again with newer values, and their keys."""

_log = structlog.get_logger("recorder")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened:
    """The facts of a session that begins; `started_at` in Unix seconds."""

    session_id: str
    organisation_id: str
    project_id: str
    key_id: str
    client_secret_id: str | None
    engine: str
    model: str
    started_at: int
    prices: Prices | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    table: type[Base]
    values: dict[str, Any]
    change: bool = False
    """Changes a row that is there, by its primary key, instead of adding one."""
    size_bytes: int = 0
    """Of an event, as it was on the wire."""


class SessionRecorder:
    """Records one session."""

    def __init__(self, opened: SessionOpened, queue: Recorder) -> None:
        self._opened = opened
        self._queue = queue
        self._seq = 0
        self._origin_ms: int | None = None
        self._tenant = {
            "organisation_id": opened.organisation_id,
            "project_id": opened.project_id,
        }
        self._owner = {**self._tenant, "session_id": opened.session_id}
        self._begun = False
        self._began_s = time.monotonic()
        """By a clock that nobody sets: a session's time is paid for."""

    @property
    def session_id(self) -> str:
        """The session's public id."""
        return self._opened.session_id

    @property
    def model(self) -> str:
        """The model's name as the client asked for it."""
        return self._opened.model

    def event(
        self, direction: str, at_ms: int, kind: str, body: object, *, size_bytes: int = 0
    ) -> None:
        """Record an event: a decoded one and its size, or a frame; times from the first one."""
        self._seq += 1
        if self._origin_ms is None:
            self._origin_ms = at_ms
        values = {
            **self._owner,
            "seq": self._seq,
            "at_ms": at_ms - self._origin_ms,
            "direction": direction,
            "type": kind,
            "body": body,
        }
        size_bytes = len(body) if isinstance(body, str) else size_bytes
        self._queue.put(_Row(Event, values, size_bytes=size_bytes))

    def config(
        self, config: AnySessionConfig | TranslationSessionConfig | Mapping[str, Any]
    ) -> None:
        """Record the effective configuration; the first one begins the session's row."""
        body = recordable(orjson.loads(orjson.dumps(config)))
        opened = self._opened
        if self._begun:
            values = {**self._tenant, "id": opened.session_id, "config": body}
            self._queue.put(_Row(RealtimeSession, values, change=True))
            return
        self._begun = True
        values = {
            **self._tenant,
            "id": opened.session_id,
            "key_id": opened.key_id,
            "client_secret_id": opened.client_secret_id,
            "engine": opened.engine,
            "model": opened.model,
            "config": body,
            "started_at": opened.started_at,
        }
        self._queue.put(_Row(RealtimeSession, values))

    def item(self, item: Any, previous_item_id: str | None) -> None:
        """Record an item in its final form."""
        body = recordable(orjson.loads(orjson.dumps(item)))
        self._put_item(item.id, previous_item_id=previous_item_id, body=body, deleted=False)

    def relayed_item(self, item: Mapping[str, Any], previous_item_id: object) -> None:
        """Record an upstream's item; one without an id is left out."""
        if isinstance(item.get("id"), str):
            previous = previous_item_id if isinstance(previous_item_id, str) else None
            body = recordable(dict(item))
            self._put_item(item["id"], previous_item_id=previous, body=body, deleted=False)

    def transcript(self, item_id: str, text: str) -> None:
        """Record what was said in an item."""
        self._change_item(item_id, transcript=recordable(text))

    def item_truncated(self, item_id: str, audio_end_ms: int) -> None:
        """Record where an item was cut."""
        self._change_item(item_id, truncated_ms=audio_end_ms)

    def item_deleted(self, item_id: str) -> None:
        """Record that a client deleted an item."""
        self._change_item(item_id, deleted=True)

    def _put_item(self, item_id: str, **values: Any) -> None:
        self._queue.put(_Row(Item, {**self._owner, "item_id": item_id, **values}))

    def _change_item(self, item_id: str, **values: Any) -> None:
        self._queue.put(_Row(Item, {**self._owner, "item_id": item_id, **values}, change=True))

    def tool_call(self, values: Mapping[str, Any], at_ms: int) -> None:
        """Record what a tool did; the same call again takes the new values."""
        row = {
            **recordable(dict(values)),
            **self._owner,
            "at_ms": at_ms - (self._origin_ms or at_ms),
        }
        self._queue.put(_Row(ToolCallRow, row))

    def usage(self, effect: RecordUsage) -> None:
        """Record a response's tokens."""
        values = {
            **self._owner,
            "response_id": effect.response_id,
            "model": self._opened.model,
            "status": effect.status,
            "body": orjson.loads(orjson.dumps(effect.usage)),
            "estimated": effect.estimated,
            "cost_micros": self._cost(effect.usage),
            "created_at": int(time.time()),
        }
        self._queue.put(_Row(Usage, values))

    def _cost(self, usage: TokenUsage) -> int | None:
        prices = self._opened.prices
        if prices is None:
            return None
        cost = prices.of_response(usage)
        metrics.COST.labels(self._opened.model, "responses").inc(cost)
        return cost

    def close(self, reason: EndReason) -> None:
        """Record the end."""
        ended_at, opened = int(time.time()), self._opened
        cost = None
        if opened.prices is not None:
            cost = opened.prices.of_time(time.monotonic() - self._began_s)
            metrics.COST.labels(opened.model, "time").inc(cost)
        values = {
            **self._tenant,
            "id": opened.session_id,
            "ended_at": ended_at,
            "end_reason": reason.value,
            "cost_micros": cost,
        }
        self._queue.put(_Row(RealtimeSession, values, change=True))


class Recorder:
    """The queue and its one writer."""

    def __init__(self, database: Database, *, most_rows: int, most_bytes: int = MOST_BYTES) -> None:
        self._database = database
        self._most = most_rows
        self._most_bytes = most_bytes
        self._bytes = 0
        """Of the events that wait."""
        self._rows: deque[_Row] = deque()
        self._wake = asyncio.Event()
        self._stopping = False

    def open_session(self, opened: SessionOpened) -> SessionRecorder:
        """Begin to record a session."""
        return SessionRecorder(opened, self)

    def add(self, table: type[Base], values: dict[str, Any]) -> None:
        """Queue a row of any other table; never blocks."""
        self.put(_Row(table, values))

    def change(self, table: type[Base], values: dict[str, Any]) -> None:
        """Queue a change of a row, which `values` name by its primary key and its owner."""
        self.put(_Row(table, values, change=True))

    def put(self, row: _Row) -> None:
        """Queue a row; never blocks."""
        crowded = len(self._rows) >= self._most or self._bytes + row.size_bytes > self._most_bytes
        if row.table is Event and crowded:
            metrics.RECORDER_ROWS_DROPPED.inc()
            return
        self._bytes += row.size_bytes
        self._rows.append(row)
        self._wake.set()

    async def run(self) -> None:
        """Write rows until `stop`; a batch that fails is tried again, in order."""
        while not (self._stopping and not self._rows):
            await self._wake.wait()
            if not self._stopping:
                await asyncio.sleep(FLUSH_S)
            self._wake.clear()
            while self._rows:
                if not await self._write_batch():
                    if self._stopping:
                        _log.error("record_lost", rows=len(self._rows))
                        return
                    await asyncio.sleep(RETRY_S)
            metrics.RECORDER_BACKLOG.set(len(self._rows))

    def stop(self) -> None:
        """Write what is queued, then let `run` return."""
        self._stopping = True
        self._wake.set()

    async def _write_batch(self) -> bool:
        metrics.RECORDER_BACKLOG.set(len(self._rows))
        batch = self._batch()
        try:
            await self._write_rows(batch)
        except (SQLAlchemyError, OSError) as error:
            if not _refused(error):
                _log.warning("record_delayed", error=type(error).__name__, rows=len(self._rows))
                return False
            return await self._write_singly(batch)
        for _ in batch:
            self._done()
        return True

    def _done(self) -> None:
        self._bytes -= self._rows.popleft().size_bytes

    async def _write_singly(self, batch: list[_Row]) -> bool:
        """Write a batch in which the database refuses something; leave that out."""
        for row in batch:
            try:
                await self._write_rows([row])
            except (SQLAlchemyError, OSError) as error:
                if not _refused(error):
                    return False
                metrics.RECORDER_ROWS_DROPPED.inc()
                _log.error("record_refused", error=type(error).__name__, table=_table(row))
            self._done()
        return True

    async def _write_rows(self, rows: list[_Row]) -> None:
        async with self._database.transaction() as connection:
            for run in _runs(rows):
                await self._write(connection, run)

    def _batch(self) -> list[_Row]:
        return [self._rows[place] for place in range(min(BATCH_ROWS, len(self._rows)))]

    async def _write(self, connection: Any, rows: list[_Row]) -> None:
        first = rows[0]
        if first.change:
            for same in _alike(rows):
                await _change(connection, same)
        elif first.table in UPSERTED:
            key = UPSERTED[first.table]
            for row in rows:
                await upsert(connection, first.table, [row.values], key=key)
        else:
            values = [_values(row) for row in rows]
            await insert_ignore(connection, first.table, values)


def _runs(rows: list[_Row]) -> list[list[_Row]]:
    """Group rows that one statement can write.

    Order is kept, but that sessions are put before all that names them, and changed after it:
    else many short ones, whose rows stand in turns, cost a statement for each row.
    """
    begun = [row for row in rows if row.table is RealtimeSession and not row.change]
    changed = [row for row in rows if row.table is RealtimeSession and row.change]
    between = [row for row in rows if row.table is not RealtimeSession]
    runs: list[list[_Row]] = []
    for row in (*begun, *between, *changed):
        last = runs[-1][0] if runs else None
        if last is not None and last.table is row.table and last.change == row.change:
            runs[-1].append(row)
        else:
            runs.append([row])
    return runs


def _refused(error: Exception) -> bool:
    """Say whether the database refuses what a row holds, and would do so again."""
    if isinstance(error, DataError | IntegrityError):
        return True
    if isinstance(error, DBAPIError):
        # asyncpg's data exceptions (SQLSTATE class 22) come as plain errors.
        return str(getattr(error.orig, "sqlstate", "")).startswith("22")
    return isinstance(error, StatementError)


def _table(row: _Row) -> str:
    return str(row.table.__tablename__)


def _values(row: _Row) -> dict[str, Any]:
    if row.table is not Event:
        return row.values
    body = row.values["body"]
    value = orjson.loads(body) if isinstance(body, str) else body
    return {**row.values, "body": recordable(value)}


def _alike(rows: list[_Row]) -> list[list[_Row]]:
    """Group neighbours that change the same columns."""
    return [list(same) for _, same in groupby(rows, key=lambda row: row.values.keys())]


async def _change(connection: Any, rows: list[_Row]) -> None:
    table = rows[0].table
    columns = table.__table__.primary_key
    key = {column.name for column in columns} | {"organisation_id", "project_id"}
    where = [getattr(table, name) == bindparam(f"where_{name}") for name in sorted(key)]
    given = [
        {f"where_{name}" if name in key else name: value for name, value in row.values.items()}
        for row in rows
    ]
    await connection.execute(update(table).where(*where), given)
