"""Inserts that may come twice, in the words of both dialects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.tables import Base


def _insert(connection: AsyncConnection) -> Any:
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert


async def insert_ignore(
    connection: AsyncConnection, table: type[Base], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows; one whose key exists is left as it is."""
    if rows:
        statement = _insert(connection)(table).on_conflict_do_nothing()
        await connection.execute(statement, list(rows))


async def upsert(
    connection: AsyncConnection,
    table: type[Base],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
) -> None:
    """Insert rows; one whose key exists takes the new values."""
    if not rows:
        return
    statement = _insert(connection)(table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in key}
    await connection.execute(
        statement.on_conflict_do_update(index_elements=list(key), set_=changed), list(rows)
    )
