"""Transactions behave alike on both databases."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from gateway.store.database import Database
from gateway.store.tables import Organisation, Project
from gateway.store.upsert import insert_ignore, upsert


def organisation(number: int, name: str = "a") -> dict[str, object]:
    """Return a row."""
    return {"id": f"org-{number}", "name": name, "created_at": number}


async def count(database: Database) -> int:
    """Return the number of organisations."""
    async with database.transaction() as connection:
        return int(await connection.scalar(select(func.count()).select_from(Organisation)) or 0)


class TestTransaction:
    """All or nothing."""

    async def test_error_takes_everything_back(self, database: Database) -> None:
        """A transaction that raises leaves nothing."""

        async def fail() -> None:
            async with database.transaction() as connection:
                await insert_ignore(connection, Organisation, [organisation(1)])
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await fail()
        assert await count(database) == 0

    async def test_foreign_keys_are_enforced(self, database: Database) -> None:
        """SQLite too refuses a row whose owner is not there."""
        orphan = {
            "id": "p",
            "organisation_id": "none",
            "name": "n",
            "settings": {},
            "created_at": 1,
        }
        with pytest.raises(IntegrityError):
            async with database.transaction() as connection:
                await insert_ignore(connection, Project, [orphan])

    async def test_read_then_write_by_many_loses_nothing(self, database: Database) -> None:
        """Concurrent increments all count, and no writer fails with a lock."""
        async with database.transaction() as connection:
            await insert_ignore(connection, Organisation, [organisation(0)])

        async def increment() -> None:
            async with database.transaction() as connection:
                if database.dialect == "postgresql":
                    chosen = select(Organisation.created_at).with_for_update()
                else:
                    chosen = select(Organisation.created_at)
                value = int(await connection.scalar(chosen) or 0)
                await asyncio.sleep(0)
                await connection.execute(update(Organisation).values(created_at=value + 1))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(increment())
        async with database.transaction() as connection:
            assert await connection.scalar(select(Organisation.created_at)) == 20

    async def test_reading_does_not_wait_for_a_writer(self, database: Database) -> None:
        """Who only reads is not held up by a transaction that goes on."""
        async with database.transaction() as writing:
            await insert_ignore(writing, Organisation, [organisation(1)])
            async with asyncio.timeout(30), database.reading() as reading:
                found = await reading.scalar(select(func.count()).select_from(Organisation))
        assert found == 0

    async def test_probe_names_the_dialect(self, database: Database) -> None:
        """`doctor` says which database serves."""
        assert await database.probe() == {"dialect": database.dialect}


class TestSqlite:
    """What is set on every connection."""

    async def test_pragmas_hold(self, tmp_path: Path) -> None:
        """Write-ahead log, foreign keys and a wait for locks."""
        database = Database(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}")
        async with database.transaction() as connection:
            found = {
                name: await connection.scalar(text(f"PRAGMA {name}"))
                for name in ("journal_mode", "foreign_keys", "busy_timeout")
            }
        await database.close()
        assert found == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 5_000}


class TestUpsert:
    """Inserts that may come twice."""

    async def test_insert_ignore_keeps_the_first(self, database: Database) -> None:
        """A row that is there stays as it is."""
        async with database.transaction() as connection:
            await insert_ignore(connection, Organisation, [organisation(1, "first")])
            await insert_ignore(connection, Organisation, [organisation(1, "second")])
            assert await connection.scalar(select(Organisation.name)) == "first"

    async def test_upsert_takes_the_last(self, database: Database) -> None:
        """A row that is there takes the new values."""
        async with database.transaction() as connection:
            await upsert(connection, Organisation, [organisation(1, "first")], key=["id"])
            await upsert(connection, Organisation, [organisation(1, "second")], key=["id"])
            assert await connection.scalar(select(Organisation.name)) == "second"

    async def test_no_rows_is_no_statement(self, database: Database) -> None:
        """An empty batch does nothing."""
        async with database.transaction() as connection:
            await insert_ignore(connection, Organisation, [])
            await upsert(connection, Organisation, [], key=["id"])
        assert await count(database) == 0
