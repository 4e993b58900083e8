"""Where a session's sub-machines put their effects, in order."""

from __future__ import annotations

from collections.abc import Callable

from realtime.errors import WireFault
from realtime.events.server import ErrorBody, ErrorEvent
from realtime.events.translation import AnyServerEvent
from realtime.ports import IdSource
from realtime.session.effects import Effect, Send
from realtime.session.inputs import ControllerId

PAD_TO = 16
"""Deltas are padded to the next multiple of 16 characters (CONTRACT 17)."""


class Outbox:
    """Effects waiting for the shell, and the ids of the events among them."""

    def __init__(self, ids: IdSource, noise: Callable[[int], str]) -> None:
        self.ids = ids
        self._noise = noise
        self._effects: list[Effect] = []

    def event_id(self) -> str:
        """Return a fresh event id."""
        return self.ids("event")

    def do(self, effect: Effect) -> None:
        """Add an effect."""
        self._effects.append(effect)

    def send(self, event: AnyServerEvent, *, to: ControllerId | None = None) -> None:
        """Add an event for all controllers, or for one."""
        self._effects.append(Send(event, to))

    def send_fault(
        self, fault: WireFault, *, event_id: str | None, to: ControllerId | None = None
    ) -> None:
        """Add an `error` event; `event_id` is the client's."""
        body = ErrorBody(
            type=fault.type,
            code=fault.code,
            message=fault.message,
            param=fault.param,
            event_id=event_id,
        )
        self.send(ErrorEvent(event_id=self.event_id(), error=body), to=to)

    def padding(self, delta: str) -> str:
        """Return the `obfuscation` of a text delta."""
        return self._noise(PAD_TO - len(delta) % PAD_TO)

    def drain(self) -> list[Effect]:
        """Return the effects in order and forget them."""
        drained, self._effects = self._effects, []
        return drained
