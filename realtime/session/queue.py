"""Client events in the order they came, also while admission is asked about one.

Invariant: an event takes effect when every event before it has, or was refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from realtime.errors import InvalidValue, WireFault
from realtime.events.client import (
    SUPPORTED_IN_TRANSCRIPTION,
    ClientEvent,
    ItemCreate,
    ResponseCreate,
    SessionUpdate,
)
from realtime.session.inputs import ControllerId, FromClient, InvalidFromClient
from realtime.session.state import SessionState

GUARDED: dict[type[ClientEvent], str] = {
    SessionUpdate: "session.update",
    ItemCreate: "conversation.item.create",
    ResponseCreate: "response.create",
}
"""Client events that admission is asked about (DECISIONS 1.5)."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A client event behind a question, with the audio position it came at."""

    given: FromClient | InvalidFromClient
    at: int


class ClientQueue:
    """Holds events back while an answer is awaited.

    `ask` asks admission and returns the question's number; `carry_out` lets an
    event take effect and may raise a `WireFault`.
    """

    def __init__(
        self,
        state: SessionState,
        *,
        ask: Callable[[str, ClientEvent], int],
        carry_out: Callable[[ClientEvent, ControllerId, int], None],
    ) -> None:
        self._state = state
        self._ask = ask
        self._carry_out = carry_out
        self._asked: tuple[int, _Waiting] | None = None
        self._waiting: list[_Waiting] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, given: FromClient | InvalidFromClient, at: int) -> None:
        """Take an event that came at an audio position."""
        waiting = _Waiting(given, at)
        if self._asked is not None or self._waiting:
            self._waiting.append(waiting)
        else:
            self._consider(waiting)

    def _consider(self, waiting: _Waiting) -> None:
        given, outbox = waiting.given, self._state.outbox
        if isinstance(given, InvalidFromClient):
            outbox.send_fault(given.fault, event_id=given.event_id, to=given.controller)
            return
        if not self._state.converses and given.event.type not in SUPPORTED_IN_TRANSCRIPTION:
            kind = given.event.type
            fault = InvalidValue.unsupported(kind, SUPPORTED_IN_TRANSCRIPTION, param="type")
            outbox.send_fault(fault, event_id=given.event.event_id, to=given.controller)
            return
        action = GUARDED.get(type(given.event))
        if action is None:
            self._apply(given, waiting.at)
        else:
            self._asked = (self._ask(action, given.event), waiting)

    def _apply(self, given: FromClient, at: int) -> None:
        try:
            self._carry_out(given.event, given.controller, at)
        except WireFault as fault:
            self._state.outbox.send_fault(fault, event_id=given.event.event_id, to=given.controller)

    def answered(self, question: int, fault: WireFault | None) -> None:
        """Admission said yes, or why not; an answer to another's question is ignored."""
        if self._asked is None or self._asked[0] != question:
            return
        waiting, self._asked = self._asked[1], None
        given = waiting.given
        if isinstance(given, FromClient):
            if fault is None:
                self._apply(given, waiting.at)
            else:
                self._state.outbox.send_fault(
                    fault, event_id=given.event.event_id, to=given.controller
                )
        while self._waiting and self._asked is None:
            self._consider(self._waiting.pop(0))
