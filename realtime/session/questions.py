"""Questions that a session asks of the outside, each with a number of its own."""

from __future__ import annotations

from typing import Any

from realtime.events.client import ClientEvent
from realtime.prompts import prompt_of_event
from realtime.session.effects import Ask, FindPrompt
from realtime.session.state import SessionState

AUTOMATIC_RESPONSE = "response.automatic"


class Questions:
    """Asks admission and the store of prompts; the answers come as inputs."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._asked = 0

    def ask(self, action: str, event: ClientEvent | None, **more: Any) -> int:
        """Ask admission about an action; return the question's number."""
        self._asked += 1
        facts: dict[str, Any] = {"model": self._state.config.model, **more}
        if event is not None:
            facts["event"] = event
        self._state.outbox.do(Ask(self._asked, action, facts))
        return self._asked

    def ask_response(self, *, speculative: bool = False) -> int:
        """Ask whether a response may be made that no client asked for."""
        more = {"speculative": True} if speculative else {}
        return self.ask(AUTOMATIC_RESPONSE, None, **more)

    def find_prompt(self, event: ClientEvent) -> int | None:
        """Ask for the prompt that an event names; return the question, None if it names none."""
        named = prompt_of_event(event)
        if named is None:
            return None
        self._asked += 1
        wanted, _ = named
        self._state.outbox.do(FindPrompt(self._asked, wanted.id, wanted.version))
        return self._asked
