"""What may be asked of the record, always within one project.

Another project's row is not there: a look-up by a foreign id finds nothing,
so that the edges cannot tell "not yours" from "does not exist".
"""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import Select, select

from gateway.store.database import Database
from gateway.store.tables import CallRow, Event, Item, RealtimeSession, ToolCallRow, Usage

Row: TypeAlias = dict[str, Any]
Recorded: TypeAlias = RealtimeSession | CallRow | Item | Event | Usage | ToolCallRow
MOST_ROWS = 1_000


class ProjectRepository:
    """Reads the rows of one project."""

    def __init__(self, database: Database, *, organisation_id: str, project_id: str) -> None:
        self._database = database
        self._organisation_id = organisation_id
        self._project_id = project_id

    async def sessions(self, *, limit: int = 100) -> list[Row]:
        """Return the newest sessions first."""
        newest = RealtimeSession.started_at.desc()
        return await self._rows(
            self._of(RealtimeSession).order_by(newest, RealtimeSession.id), limit
        )

    async def session(self, session_id: str) -> Row | None:
        """Return a session, None if this project has no such one."""
        rows = await self._rows(
            self._of(RealtimeSession).where(RealtimeSession.id == session_id), 1
        )
        return rows[0] if rows else None

    async def items(self, session_id: str, *, limit: int = MOST_ROWS) -> list[Row]:
        """Return a session's items."""
        return await self._rows(self._of(Item).where(Item.session_id == session_id), limit)

    async def events(
        self, session_id: str, *, after_seq: int = 0, limit: int = MOST_ROWS
    ) -> list[Row]:
        """Return a session's events in order, those after `after_seq`."""
        chosen = self._of(Event).where(Event.session_id == session_id, Event.seq > after_seq)
        return await self._rows(chosen.order_by(Event.seq), limit)

    async def usage(self, session_id: str, *, limit: int = MOST_ROWS) -> list[Row]:
        """Return the tokens of a session's responses."""
        chosen = self._of(Usage).where(Usage.session_id == session_id)
        return await self._rows(chosen.order_by(Usage.created_at), limit)

    async def tool_calls(self, session_id: str, *, limit: int = MOST_ROWS) -> list[Row]:
        """Return a session's action log in order."""
        chosen = self._of(ToolCallRow).where(ToolCallRow.session_id == session_id)
        return await self._rows(chosen.order_by(ToolCallRow.at_ms, ToolCallRow.call_id), limit)

    async def calls(self, *, limit: int = 100) -> list[Row]:
        """Return the newest calls first."""
        newest = CallRow.created_at.desc()
        return await self._rows(self._of(CallRow).order_by(newest, CallRow.id), limit)

    async def call(self, call_id: str) -> Row | None:
        """Return a call, None if this project has no such one."""
        rows = await self._rows(self._of(CallRow).where(CallRow.id == call_id), 1)
        return rows[0] if rows else None

    def _of(self, table: type[Recorded]) -> Select[Any]:
        return select(table).where(
            table.organisation_id == self._organisation_id, table.project_id == self._project_id
        )

    async def _rows(self, chosen: Select[Any], limit: int) -> list[Row]:
        async with self._database.reading() as connection:
            found = await connection.execute(chosen.limit(min(limit, MOST_ROWS)))
        return [dict(row) for row in found.mappings()]
