"""The database as commands use it: brought up to date, with its project, closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.identity.secrets import Pepper
from gateway.identity.service import Identity
from gateway.settings import Settings
from gateway.store import migrate
from gateway.store.database import Database


@asynccontextmanager
async def opened_database(settings: Settings) -> AsyncIterator[Database]:
    """Yield the database."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    # Alembic's own loop runs in a thread of its own, beside this one.
    await asyncio.to_thread(migrate.upgrade, settings.database)
    database = Database(settings.database)
    try:
        identity = Identity(database, Pepper.load(settings.data_dir / "pepper"))
        await identity.ensure_default_project()
        yield database
    finally:
        await database.close()
