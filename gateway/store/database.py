"""Engine and transactions; SQLite and PostgreSQL behave alike behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000", "foreign_keys=ON")

READS = "voiceengine_reads"
"""Execution option of connections that write nothing."""


def _tune_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # SQLAlchemy begins transactions itself (below), so the driver must not.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Any) -> None:
        # A deferred transaction that reads and then writes fails with "database
        # is locked" at once, whatever the busy timeout. One that only reads must
        # not queue for the one writer's place.
        reads = connection.get_execution_options().get(READS, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


class Database:
    """One database."""

    def __init__(self, url: str) -> None:
        self._engine = create_async_engine(url, pool_pre_ping=not url.startswith("sqlite"))
        if url.startswith("sqlite"):
            _tune_sqlite(self._engine)
        self._reader = self._engine.execution_options(**{READS: True})

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection inside a transaction that commits at the end."""
        async with self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection that only reads, beside whoever writes."""
        async with self._reader.begin() as connection:
            yield connection

    async def probe(self) -> dict[str, Any]:
        """Ask the database something."""
        async with self.reading() as connection:
            await connection.execute(text("SELECT 1"))
        return {"dialect": self.dialect}

    async def close(self) -> None:
        """Close the pool."""
        await self._engine.dispose()
