"""Calls: one object for every way in, found by id (TELEPHONY 4.1; CONTRACT 3.4)."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from gateway.identity.principal import Principal
from gateway.sessions.call_book import CallBook
from gateway.sessions.controllers import Controller
from gateway.sessions.opening import AnyConversation
from gateway.sessions.translation_opening import OpenedTranslation
from realtime.errors import WireFault
from realtime.session.inputs import ControllerId, EndReason, Joined

AnyCalled: TypeAlias = AnyConversation | OpenedTranslation

LEAST_COLLECTED: Final = 50
"""Calls whose remains are worth a look at everything that lives, which halts the loop for it."""
MOST_SIDEBANDS: Final = 8
"""Sidebands of one call at a time; every event is made for each."""


class UnknownCall(WireFault):
    """No live call of the caller's project has this id."""

    status = 404
    code = "call_id_not_found"

    def __init__(self, call_id: str) -> None:
        super().__init__(f"No call found with id '{call_id}'.")


class CallElsewhere(WireFault):
    """The call is live, but another instance has it: it is not over. Our choice."""

    type = "server_error"
    status = 503
    code = "call_elsewhere"
    close_code = 1013

    def __init__(self) -> None:
        super().__init__("This call cannot be reached from here. Please try again.")


class CallNotRinging(WireFault):
    """`accept` and `reject` are for calls that ring (DECISIONS 2.7)."""

    status = 400
    code = "call_not_ringing"

    def __init__(self) -> None:
        super().__init__("This call is not ringing: it was accepted when it was created.")


class ReferNotSupported(WireFault):
    """Nobody can transfer a WebRTC call (DECISIONS 2.7)."""

    status = 400
    code = "refer_not_supported"

    def __init__(self) -> None:
        super().__init__("This kind of call cannot be transferred.")


class TooManyCalls(WireFault):
    """As many calls as this process takes are live."""

    status = 503
    type = "server_error"
    code = "too_many_calls"

    def __init__(self) -> None:
        super().__init__("This server has as many calls as it takes. Try again later.")


class TooManySidebands(WireFault):
    """A call has as many sidebands as it takes; tried again, one may have left. Our choice."""

    status = 429
    code = "too_many_sidebands"
    close_code = 1013

    def __init__(self) -> None:
        super().__init__(f"This call has {MOST_SIDEBANDS} sidebands, as many as it takes.")


@dataclass(slots=True, kw_only=True)
class Call:
    """A live call; media, a session, and whoever controls it."""

    principal: Principal
    opened: AnyCalled
    book: CallBook
    begun: bool = False
    sidebands: int = 0
    """Sockets beside the caller's channel."""

    @property
    def call_id(self) -> str:
        """The call's public id."""
        return self.book.call_id

    def join(self, controller: Controller) -> ControllerId:
        """Add a controller; the first begins the session, all are shown it."""
        runner = self.opened.runner
        number = runner.controllers.add(controller)
        if self.begun:
            runner.post(Joined(number))
        else:
            self.begun = True
            runner.begin(number)
        return number

    def begin(self) -> None:
        """Begin the session though nobody controls it: the offer had no data channel."""
        if not self.begun:
            self.begun = True
            self.opened.runner.begin(0)

    @contextmanager
    def room(self) -> Iterator[None]:
        """Hold a sideband's place.

        Raises:
            TooManySidebands: there is none.
        """
        if self.sidebands >= MOST_SIDEBANDS:
            raise TooManySidebands
        self.sidebands += 1
        try:
            yield
        finally:
            self.sidebands -= 1

    @property
    def over(self) -> bool:
        """The session has ended."""
        return self.opened.runner.closed

    def hang_up(self) -> None:
        """End the call."""
        self.end(EndReason.HUNG_UP)

    def end(self, reason: EndReason, *, code: int = 1000) -> None:
        """End the call; `code` closes its sidebands. Nothing once it is over."""
        self.opened.runner.shutdown(reason, code=code)

    def reachable_by(self, principal: Principal) -> bool:
        """Say whether a caller may control this call (DECISIONS 2.7)."""
        if principal.project_id != self.principal.project_id:
            return False
        secret = principal.client_secret_id
        return secret is None or secret == self.principal.client_secret_id


class Calls:
    """The live calls of this process; bounded."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._calls: dict[str, Call] = {}
        self._preparing = 0
        self._tasks: asyncio.TaskGroup | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._left = 0
        """Calls that ended since garbage was collected."""

    def live_in(self, tasks: asyncio.TaskGroup) -> None:
        """Let every call be a task of this group."""
        self._tasks = tasks

    def __len__(self) -> int:
        return len(self._calls)

    def ids(self) -> list[str]:
        """Return the live calls' ids."""
        return list(self._calls)

    def of_project(self, project_id: str) -> int:
        """Return how many calls of a project are live."""
        return sum(call.principal.project_id == project_id for call in self._calls.values())

    @contextmanager
    def room(self) -> Iterator[None]:
        """Hold a place while a call is prepared; refuse it before anything is made for it.

        Raises:
            TooManyCalls: there is no room.
        """
        if self._tasks is None or len(self._calls) + self._preparing >= self._most:
            raise TooManyCalls
        self._preparing += 1
        try:
            yield
        finally:
            self._preparing -= 1

    def add(self, call: Call, serving: Coroutine[Any, Any, None]) -> None:
        """A call begins; `serving` removes it at its end and never raises.

        Raises:
            TooManyCalls: nothing serves calls now.
        """
        if self._tasks is None:
            serving.close()
            raise TooManyCalls
        self._calls[call.call_id] = call
        task = self._tasks.create_task(serving)
        self._serving.add(task)
        task.add_done_callback(self._served)

    def _served(self, task: asyncio.Task[None]) -> None:
        """A call is gone but for its memory: a library's objects, tied to each other in circles.

        Python would let some 200 calls' wait before it looks, as the process is large. Those
        that live are looked at too, so as many must have ended.
        """
        self._serving.discard(task)
        self._left += 1
        if self._left >= max(LEAST_COLLECTED, len(self._calls)):
            self._left = 0
            gc.collect()

    async def wait_over(self, timeout_s: float) -> None:
        """Wait until every call's books are closed and its media is gone."""
        if self._serving:
            await asyncio.wait(self._serving, timeout=timeout_s)

    def remove(self, call_id: str) -> None:
        """A call ended."""
        self._calls.pop(call_id, None)

    def find(self, call_id: str, principal: Principal) -> Call:
        """Return a call.

        Raises:
            UnknownCall: there is none that the caller may control.
        """
        call = self._calls.get(call_id)
        if call is None or call.over or not call.reachable_by(principal):
            raise UnknownCall(call_id)
        return call
