"""The live sessions of this process, by id, key and project (DECISIONS 1.5)."""

from __future__ import annotations

from gateway.identity.principal import Principal
from gateway.sessions.driver import SessionDriver
from realtime.errors import WireFault
from realtime.session.inputs import EndReason, Revoked


class Directory:
    """Finds live sessions, so that a revocation or a drain can reach them."""

    def __init__(self) -> None:
        self._live: dict[str, tuple[Principal, SessionDriver]] = {}
        self.draining = False

    def __len__(self) -> int:
        return len(self._live)

    def add(self, session_id: str, principal: Principal, runner: SessionDriver) -> None:
        """A session began."""
        self._live[session_id] = (principal, runner)

    def remove(self, session_id: str) -> None:
        """A session ended."""
        self._live.pop(session_id, None)

    def keys(self) -> set[str]:
        """Return the keys that live sessions began with."""
        return {who.key_id for who, _ in self._live.values()}

    def revoke_key(self, key_id: str, fault: WireFault) -> int:
        """End the sessions of a key; return how many there were."""
        runners = [runner for who, runner in self._live.values() if who.key_id == key_id]
        for runner in runners:
            runner.post(Revoked(fault))
        return len(runners)

    def shut_down(self) -> None:
        """End every session, with the close code that clients retry."""
        for _, runner in list(self._live.values()):
            runner.shutdown(EndReason.SERVER_SHUTDOWN, code=1012, text="Service restart")
