"""Which controller of a relayed call sent which event: its errors and items go to nobody else."""

from __future__ import annotations

from typing import Final

from realtime.relay.inputs import Json
from realtime.session.inputs import ControllerId

MOST: Final = 256
ASKED: Final = "relay_ask_"
"""How the id begins that an event goes up under, whose sender gave it none."""


def clients_id(event_id: object) -> object:
    """Return an event's id as its sender knows it: None if it is ours."""
    is_ours = isinstance(event_id, str) and event_id.startswith(ASKED)
    return None if is_ours else event_id


class Askers:
    """The senders of the latest events that bear an id; the oldest give way."""

    def __init__(self) -> None:
        self._by_event: dict[str, tuple[ControllerId, str]] = {}
        self._unnamed = 0

    def named(self, event: Json, controller: ControllerId) -> Json:
        """An event goes up; return it with an id by which its answer can be told."""
        event_id = event.get("event_id")
        if event_id is None:
            self._unnamed += 1
            event_id = f"{ASKED}{self._unnamed}"
            event = {**event, "event_id": event_id}
        if isinstance(event_id, str):
            self._note(event_id, controller, event["type"])
        return event

    def _note(self, event_id: str, controller: ControllerId, kind: str) -> None:
        self._by_event.pop(event_id, None)
        self._by_event[event_id] = (controller, kind)
        if len(self._by_event) > MOST:
            del self._by_event[next(iter(self._by_event))]

    def latest(self, kind: str) -> str | None:
        """Return the id of the last event of a kind, None if none is remembered."""
        return next((i for i, (_, of) in reversed(self._by_event.items()) if of == kind), None)

    def take(self, event_id: object) -> ControllerId | None:
        """Return who sent it, None if nobody knows."""
        found = self._by_event.pop(event_id, None) if isinstance(event_id, str) else None
        return None if found is None else found[0]
