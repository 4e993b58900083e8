"""Calls whose process died: closed by the one that follows it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import and_, or_, select, update

from gateway.store.database import Database
from gateway.store.tables import CallRow, RealtimeSession
from realtime.session.inputs import EndReason


async def close_lost_calls(
    database: Database, *, node: str, created_before: int, now_s: int
) -> Counter[str]:
    """End the calls that cannot be live any more; return how many there were by their way in.

    Those of this installation, which has just started, and those of any other
    that began before `created_before`, longer ago than a call may last. Their
    `ended_at` is when that was noticed.
    """
    lost = and_(
        CallRow.ended_at.is_(None), or_(CallRow.node == node, CallRow.created_at < created_before)
    )
    ended: dict[str, Any] = {"ended_at": now_s, "end_reason": EndReason.LOST.value}
    sessions = select(CallRow.session_id).where(lost, CallRow.session_id.is_not(None))
    async with database.transaction() as connection:
        await connection.execute(
            update(RealtimeSession)
            .where(RealtimeSession.id.in_(sessions), RealtimeSession.ended_at.is_(None))
            .values(**ended)
        )
        closed = await connection.execute(
            update(CallRow).where(lost).values(**ended).returning(CallRow.ingress)
        )
        return Counter(closed.scalars())
