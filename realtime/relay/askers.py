"""Which controller of a relayed session sent which event: an error is told to nobody else."""

from __future__ import annotations

from typing import Final

from realtime.session.inputs import ControllerId

MOST: Final = 256


class Askers:
    """The senders of the latest events that bear an id; the oldest give way."""

    def __init__(self) -> None:
        self._by_event: dict[str, ControllerId] = {}

    def note(self, event_id: str, controller: ControllerId) -> None:
        """An event went up."""
        self._by_event.pop(event_id, None)
        self._by_event[event_id] = controller
        if len(self._by_event) > MOST:
            del self._by_event[next(iter(self._by_event))]

    def take(self, event_id: object) -> ControllerId | None:
        """Return who sent it, None if nobody knows."""
        return self._by_event.pop(event_id, None) if isinstance(event_id, str) else None
