"""Client events that the upstream has not answered: said again if the connection is lost."""

from __future__ import annotations

from typing import Final

from realtime.relay.askers import clients_id
from realtime.relay.inputs import Json

MOST: Final = 256
RETRIEVE: Final = "conversation.item.retrieve"
ANSWERED: Final = frozenset(
    {
        "session.update",
        "conversation.item.create",
        "conversation.item.delete",
        RETRIEVE,
        "response.create",
    }
)
"""Client events that mean the same on another connection; those about its audio do not."""


class Unanswered:
    """At most MOST events in the order they were sent; the oldest gives way."""

    def __init__(self) -> None:
        self._events: list[Json] = []

    def sent(self, event: Json) -> None:
        """An event went up."""
        if event.get("type") in ANSWERED:
            self._events.append(event)
            del self._events[:-MOST]

    def answered(self, kind: str) -> Json | None:
        """The oldest of a kind is answered; return it, None if none was asked."""
        for place, event in enumerate(self._events):
            if event["type"] == kind:
                return self._events.pop(place)
        return None

    def retrieved(self, item_id: object) -> Json | None:
        """An item was shown; return who asked for it, else the oldest that asked for any."""
        for place, event in enumerate(self._events):
            if event["type"] == RETRIEVE and event.get("item_id") == item_id:
                return self._events.pop(place)
        return self.answered(RETRIEVE)

    def created(self, item: Json) -> None:
        """An item came to be: maybe one that a client sent."""
        for place, event in enumerate(self._events):
            asked = event.get("item")
            if event["type"] == "conversation.item.create" and isinstance(asked, dict):
                same = asked.get("id") == item.get("id")
                if same or ("id" not in asked and asked.get("type") == item.get("type")):
                    del self._events[place]
                    return

    def refused(self, event_id: object) -> None:
        """An `error` came, for the event it names, else for the oldest that bears no id."""
        for place, event in enumerate(self._events):
            asked_id = event.get("event_id")
            if event_id in (asked_id, clients_id(asked_id)):
                del self._events[place]
                return

    def blamed(self, kind: str | None, *, unnamed: bool) -> Json | None:
        """An `error` came that names no event: take the oldest it may be about.

        Args:
            kind: the type that it is about, None if it does not show.
            unnamed: only events without an id can be meant, since others are named there.
        """
        for place, event in enumerate(self._events):
            if kind not in {None, event["type"]}:
                continue
            if not unnamed or event.get("event_id") is None:
                return self._events.pop(place)
        return None

    def wants_response(self) -> bool:
        """Say whether a response was asked for."""
        return any(event["type"] == "response.create" for event in self._events)

    def take(self) -> list[Json]:
        """Return what is unanswered and forget it."""
        taken, self._events = self._events, []
        return taken
