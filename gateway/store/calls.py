"""Calls whose process died: closed by one that lives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from sqlalchemy import and_, or_, select, update

from gateway.store.database import Database
from gateway.store.tables import CallRow, RealtimeSession
from realtime.session.inputs import EndReason


async def close_lost_calls(
    database: Database,
    *,
    node: str | None,
    started_s: int,
    created_before: int,
    now_s: int,
    live: Collection[str] = (),
) -> Counter[str]:
    """End the calls that cannot be live any more; return how many there were by their way in.

    Those that began at `node` up to `started_s`, when its process that is left
    started (None where more than one may run there), and any that began before
    `created_before`, longer ago than a call may last; but none of those that are
    `live` here. Their `ended_at` is when that was noticed.
    """
    # Times are whole seconds: what is live here is excepted by name.
    own = and_(CallRow.node == node, CallRow.created_at <= started_s)
    lost = and_(
        CallRow.ended_at.is_(None),
        CallRow.id.not_in(live),
        or_(own, CallRow.created_at < created_before),
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
