"""Ends the sessions of keys that were revoked, here or by another process.

A new session with a revoked key is refused at once where the revocation was
made and within the identity's memory elsewhere; a live one ends here.
"""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway.identity.service import Identity
from gateway.sessions.directory import Directory
from gateway.telemetry import metrics
from realtime.errors import KeyRevoked

QUERY_TIMEOUT_S = 5.0

_log = structlog.get_logger("revocation")


class RevocationWatch:
    """Asks the database about the keys of live sessions, every `poll_s`."""

    def __init__(self, identity: Identity, directory: Directory, *, poll_s: float) -> None:
        self._identity = identity
        self._directory = directory
        self._poll_s = poll_s

    async def run(self) -> None:
        """Watch until cancelled; a database that is away is asked again."""
        while True:
            await asyncio.sleep(self._poll_s)
            try:
                await self.look()
            except (SQLAlchemyError, OSError) as error:
                _log.warning("revocations_unknown", error=type(error).__name__)

    async def look(self) -> None:
        """End what must end now."""
        keys = self._directory.keys()
        if not keys:
            return
        async with asyncio.timeout(QUERY_TIMEOUT_S):
            revoked = await self._identity.revoked_among(keys)
        for key_id in revoked:
            ended = self._directory.revoke_key(key_id, KeyRevoked())
            metrics.SESSIONS_REVOKED.inc(ended)
            _log.info("key_revoked", key_id=key_id, sessions=ended)
