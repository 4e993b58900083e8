"""The live sessions of this process, by id, key and project (DECISIONS 1.5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from gateway.identity.principal import Principal
from gateway.sessions.driver import SessionDriver
from realtime.errors import WireFault
from realtime.session.inputs import EndReason, Revoked

RESTART_CODE: Final = 1012


class TooManySessions(WireFault):
    """A project has as many sessions of a model as its declaration lets it.

    The close code is 1013, "try again later", as for every limit; our choice.
    """

    type = "requests"
    code = "rate_limit_exceeded"
    status = 429
    close_code = 1013

    def __init__(self, model: str, most: int) -> None:
        super().__init__(
            f"Too many sessions of {model} at a time: Limit {most}. Please try again later."
        )


class Draining(WireFault):
    """This process is about to stop; another takes new sessions.

    The close code is the one that sessions are ended with, which clients retry; our choice.
    """

    type = "server_error"
    code = "server_draining"
    status = 503
    close_code = RESTART_CODE

    def __init__(self) -> None:
        super().__init__("This server is stopping and takes no new sessions. Please try again.")


class Directory:
    """Finds live sessions, so that a revocation or a drain can reach them."""

    def __init__(self) -> None:
        self._live: dict[str, tuple[Principal, SessionDriver]] = {}
        self._beside: dict[object, tuple[Principal, Callable[[WireFault], None]]] = {}
        self._places: Counter[tuple[str, str]] = Counter()
        self.draining = False

    def __len__(self) -> int:
        return len(self._live)

    def check_open(self) -> None:
        """Say nothing while new sessions are taken.

        Raises:
            Draining: they are not.
        """
        if self.draining:
            raise Draining

    def enter(self, project_id: str, model: str, most: int | None) -> None:
        """Take a place among a project's sessions of a model; `leave` when the session is over.

        Raises:
            TooManySessions: there are `most`.
        """
        if most is not None and self._places[project_id, model] >= most:
            raise TooManySessions(model, most)
        self._places[project_id, model] += 1

    def leave(self, project_id: str, model: str) -> None:
        """Give a place back."""
        self._places[project_id, model] -= 1
        if not self._places[project_id, model]:
            del self._places[project_id, model]

    def add(self, session_id: str, principal: Principal, runner: SessionDriver) -> None:
        """A session began."""
        self._live[session_id] = (principal, runner)

    def remove(self, session_id: str) -> None:
        """A session ended."""
        self._live.pop(session_id, None)

    @contextmanager
    def beside(self, principal: Principal, end: Callable[[WireFault], None]) -> Iterator[None]:
        """Somebody controls a session that another may have begun; `end` parts them."""
        held = object()
        self._beside[held] = (principal, end)
        try:
            yield
        finally:
            del self._beside[held]

    def keys(self) -> set[str]:
        """Return the keys that live sessions began with, and those that control one."""
        present = (*self._live.values(), *self._beside.values())
        return {who.key_id for who, _ in present}

    def revoke_key(self, key_id: str, fault: WireFault) -> int:
        """End the sessions of a key, and what it controls; return how many sessions there were."""
        beside = [end for who, end in self._beside.values() if who.key_id == key_id]
        runners = [runner for who, runner in self._live.values() if who.key_id == key_id]
        for runner in runners:
            runner.post(Revoked(fault))
        for end in beside:
            end(fault)
        return len(runners)

    def shut_down(self) -> None:
        """End every session, with the close code that clients retry."""
        for _, runner in list(self._live.values()):
            runner.shutdown(EndReason.SERVER_SHUTDOWN, code=RESTART_CODE, text="Service restart")
