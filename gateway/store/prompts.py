"""Prompts and their versions, by project."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from sqlalchemy import func, select, update

from gateway.store.database import Database
from gateway.store.tables import Project, Prompt, PromptVersion
from gateway.store.upsert import insert_ignore
from realtime.prompts import PromptTemplate
from realtime.tools.mcp import SECRET_FIELDS

Row: TypeAlias = dict[str, Any]
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
FIND_TIMEOUT_S = 5.0
PROMPT_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MOST_VERSION = 2**31 - 1


def new_prompt_id() -> str:
    """Return an id for a prompt that got none (CONTRACT 17: prefix and 21 characters)."""
    return "pmpt_" + "".join(secrets.choice(_ALPHABET) for _ in range(21))


class PromptStore:
    """Adds versions and finds them; a version never changes."""

    def __init__(self, database: Database, *, unix_s: Callable[[], float] = time.time) -> None:
        self._database = database
        self._unix_s = unix_s

    async def add(self, project_id: str, prompt_id: str, body: dict[str, Any]) -> int:
        """Add a version, which is the current one from now on; return its number.

        Raises:
            LookupError: there is no such project.
            ValueError: the id is none, or the body holds a secret.
        """
        if any(name in tool for tool in body.get("tools") or [] for name in SECRET_FIELDS):
            raise ValueError(
                "a prompt is kept in clear: its tools may hold no authorization and no headers"
            )
        if not PROMPT_ID.fullmatch(prompt_id):
            raise ValueError(f"{prompt_id!r} is no id: letters, digits, `_.-`, 64 at most")
        now = int(self._unix_s())
        which = (Prompt.project_id == project_id, Prompt.id == prompt_id)
        async with self._database.transaction() as connection:
            owner = await connection.scalar(
                select(Project.organisation_id).where(Project.id == project_id)
            )
            if owner is None:
                raise LookupError(f"There is no project {project_id}.")
            tenant = {"organisation_id": owner, "project_id": project_id}
            first = {**tenant, "id": prompt_id, "current_version": 0, "created_at": now}
            await insert_ignore(connection, Prompt, [first])
            # The row is changed first, which makes a second writer wait for this one.
            number = Prompt.current_version + 1
            await connection.execute(update(Prompt).where(*which).values(current_version=number))
            version = await connection.scalar(select(Prompt.current_version).where(*which))
            row = {
                **tenant,
                "prompt_id": prompt_id,
                "version": version,
                "body": body,
                "created_at": now,
            }
            await insert_ignore(connection, PromptVersion, [row])
        return int(version or 0)

    async def find(
        self, project_id: str, prompt_id: str, version: str | None = None
    ) -> PromptTemplate | None:
        """Return a version, the current one for None; None if the project has no such one.

        Raises:
            TimeoutError: the database took longer than a caller waits.
        """
        if not PROMPT_ID.fullmatch(prompt_id):
            return None  # also what no database could take
        async with asyncio.timeout(FIND_TIMEOUT_S):
            body = await self.body(project_id, prompt_id, version)
        return None if body is None else PromptTemplate.of(body)

    async def body(
        self, project_id: str, prompt_id: str, version: str | None = None
    ) -> dict[str, Any] | None:
        """Return a version as it was added."""
        chosen = (
            select(PromptVersion.body)
            .join(
                Prompt,
                (Prompt.project_id == PromptVersion.project_id)
                & (Prompt.id == PromptVersion.prompt_id),
            )
            .where(PromptVersion.project_id == project_id, PromptVersion.prompt_id == prompt_id)
        )
        if version is None:
            chosen = chosen.where(PromptVersion.version == Prompt.current_version)
        elif version.isascii() and version.isdigit() and int(version) <= MOST_VERSION:
            chosen = chosen.where(PromptVersion.version == int(version))
        else:
            return None
        async with self._database.reading() as connection:
            found = await connection.scalar(chosen)
        return None if found is None else dict(found)

    async def every(self, project_id: str) -> list[Row]:
        """Return a project's prompts with the number of their versions."""
        versions = func.count(PromptVersion.version).label("versions")
        statement = (
            select(Prompt.id, Prompt.current_version, versions, Prompt.created_at)
            .join(
                PromptVersion,
                (Prompt.project_id == PromptVersion.project_id)
                & (Prompt.id == PromptVersion.prompt_id),
            )
            .where(Prompt.project_id == project_id)
            .group_by(Prompt.project_id, Prompt.id)
            .order_by(Prompt.id)
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(statement)
        return [dict(row) for row in rows.mappings()]
