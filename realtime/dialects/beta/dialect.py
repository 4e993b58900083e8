"""One beta client of a session: what its translation must remember.

The temperature has no place in GA, so it is kept here and echoed. The beta
tells the allowance when a response begins, and GA when one has ended, so the
numbers are asked for anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from realtime.dialects.beta.incoming import ga_event, temperature_of
from realtime.dialects.beta.models import DEFAULT_TEMPERATURE
from realtime.dialects.beta.names import JsonObject
from realtime.dialects.beta.outgoing import beta_event
from realtime.ports import IdSource

UPDATES = ("session.update", "transcription_session.update")
UNNAMED = "unnamed"
"""Prefix of the ids that we give to events without one, to know the error that answers them."""
MOST_ASKED = 1_024
"""Requests whose answer is awaited; of a client far ahead of us the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request of the client that is not answered yet."""

    event_id: str
    temperature: float | None


class BetaDialect:
    """Translates both ways for one client."""

    def __init__(
        self,
        *,
        ids: IdSource,
        rate_limits: Callable[[], list[JsonObject]],
        conversation_id: str | None,
        temperature: float | None = None,
    ) -> None:
        """Begin; a transcription session has no conversation."""
        self._ids = ids
        self._rate_limits = rate_limits
        self._conversation_id = conversation_id
        self._temperature = DEFAULT_TEMPERATURE if temperature is None else temperature
        self._updates: deque[_Asked] = deque(maxlen=MOST_ASKED)
        self._creates: deque[_Asked] = deque(maxlen=MOST_ASKED)
        self._responses: dict[str, float] = {}

    # --- from the client ---

    def incoming(self, data: Any) -> Any:
        """Return what the client sent in GA.

        Raises:
            WireFault: what is wrong with it.
        """
        event = ga_event(data)
        kind = data.get("type") if isinstance(data, dict) else None
        if kind in UPDATES:
            return self._remembered(event, self._updates, temperature_of(data))
        if kind == "response.create" and temperature_of(data) is not None:
            return self._remembered(event, self._creates, temperature_of(data))
        return event

    def _remembered(
        self, event: JsonObject, asked: deque[_Asked], temperature: float | None
    ) -> JsonObject:
        if not isinstance(event.get("event_id"), str):
            event = {**event, "event_id": self._ids(UNNAMED)}
        asked.append(_Asked(event["event_id"], temperature))
        return event

    # --- to the client ---

    def outgoing(self, event: JsonObject) -> list[JsonObject]:
        """Return the events that a GA event means to the client; maybe none."""
        temperature = self._temperature
        after: list[JsonObject] = []
        match event["type"]:
            case "session.created" if self._conversation_id is not None:
                after = [self._conversation_created(self._conversation_id)]
            case "session.updated":
                temperature = self._temperature = self._accepted()
            case "response.created":
                temperature = self._began(event["response"]["id"])
                after = [self._allowance()]
            case "response.done":
                temperature = self._responses.pop(event["response"]["id"], temperature)
            case "error":
                event = self._refused(event)
        shown = beta_event(event, temperature=temperature)
        return after if shown is None else [shown, *after]

    def _conversation_created(self, conversation_id: str) -> JsonObject:
        return {
            "type": "conversation.created",
            "event_id": self._ids("event"),
            "conversation": {"id": conversation_id, "object": "realtime.conversation"},
        }

    def _allowance(self) -> JsonObject:
        return {
            "type": "rate_limits.updated",
            "event_id": self._ids("event"),
            "rate_limits": self._rate_limits(),
        }

    def _accepted(self) -> float:
        """Return the session's temperature after an update: answers come in the order asked.

        An update by another client of the session answers the oldest of ours
        too early, which shows its temperature early and nothing else.
        """
        wanted = self._updates.popleft().temperature if self._updates else None
        return self._temperature if wanted is None else wanted

    def _began(self, response_id: str) -> float:
        """Return the temperature of a response that begins."""
        wanted = self._creates.popleft().temperature if self._creates else None
        chosen = self._temperature if wanted is None else wanted
        self._responses[response_id] = chosen
        return chosen

    def _refused(self, event: JsonObject) -> JsonObject:
        """Forget what was refused, and the id that was ours."""
        error = event["error"]
        if self._conversation_id is None and error["param"] == "type":
            message = error["message"].replace("'session.update'", "'transcription_session.update'")
            event = {**event, "error": {**error, "message": message}}
        event_id = error["event_id"]
        if event_id is None:
            return event
        for asked in (self._updates, self._creates):
            for one in [one for one in asked if one.event_id == event_id]:
                asked.remove(one)
        if event_id.startswith(f"{UNNAMED}_"):
            return {**event, "error": {**event["error"], "event_id": None}}
        return event
