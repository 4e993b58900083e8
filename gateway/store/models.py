"""Declarations of models in the database, by project."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select

from gateway.store.database import Database
from gateway.store.tables import Model, Project
from gateway.store.upsert import upsert


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A declaration as it is kept."""

    project_id: str
    name: str
    declaration: dict[str, Any]


class ModelStore:
    """Keeps declarations; secrets stand in them by reference only."""

    def __init__(self, database: Database, *, unix_s: Callable[[], float] = time.time) -> None:
        self._database = database
        self._unix_s = unix_s

    async def every(self) -> list[StoredModel]:
        """Return the declarations of all projects, for the process that serves them all."""
        columns = (Model.project_id, Model.name, Model.declaration)
        async with self._database.reading() as connection:
            rows = await connection.execute(select(*columns).order_by(Model.project_id, Model.name))
        return [StoredModel(*row) for row in rows]

    async def put(self, project_id: str, name: str, declaration: dict[str, Any]) -> None:
        """Keep a project's declaration of a name, in place of the one before.

        Raises:
            LookupError: there is no such project.
        """
        async with self._database.transaction() as connection:
            owner = await connection.scalar(
                select(Project.organisation_id).where(Project.id == project_id)
            )
            if owner is None:
                raise LookupError(f"There is no project {project_id}.")
            row = {
                "project_id": project_id,
                "name": name,
                "organisation_id": owner,
                "declaration": declaration,
                "updated_at": int(self._unix_s()),
            }
            await upsert(connection, Model, [row], key=("project_id", "name"))

    async def remove(self, project_id: str, name: str) -> bool:
        """Forget a declaration; return whether there was one."""
        statement = delete(Model).where(Model.project_id == project_id, Model.name == name)
        async with self._database.transaction() as connection:
            result = await connection.execute(statement)
        return bool(result.rowcount)
