"""When a skill's answer begins, goes on and ends, told from bus messages alone.

No I/O and no clock: `Turn.take` turns a message into outcomes, and `settling`
says that the answer is over as soon as the bus has been quiet for a while.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ovos_bridge.messages import (
    CANCELLED,
    HANDLED,
    HANDLER_COMPLETE,
    HANDLER_START,
    LISTEN,
    NO_MATCH,
    SPEAK,
    UTTERANCE,
    BusMessage,
)


@dataclass(frozen=True, slots=True)
class Say:
    """The skill said something; `asks` when the caller is to reply to it."""

    text: str
    asks: bool


@dataclass(frozen=True, slots=True)
class Over:
    """The answer is complete. `asks`: a skill waits for the caller's reply."""

    matched: bool = True
    asks: bool = False


Outcome: TypeAlias = Say | Over


class Turn:
    """One utterance on its way through core."""

    def __init__(self, ident: str, *, asked_by: str = "") -> None:
        """`asked_by` is the ident of the turn whose question this utterance replies to.

        What a skill does with the reply still carries the question's ident.
        """
        self.ident = ident
        self._asked_by = asked_by
        self._matched = True
        self.settling = False
        self.over = False

    def concerns(self, message: BusMessage) -> bool:
        """Return whether a message of the session belongs to this turn."""
        return message.ident in ("", self.ident) or (
            self._asked_by != "" and message.ident == self._asked_by
        )

    def take(self, message: BusMessage) -> tuple[Outcome, ...]:
        """Return what a message means for the answer; nothing for one of another turn."""
        if self.over or message.type == UTTERANCE or not self.concerns(message):
            return ()
        match message.type:
            case kind if kind == SPEAK:
                return self._spoken(message)
            case kind if kind == LISTEN:
                return self._end(asks=True)
            case kind if kind in (HANDLED, CANCELLED):
                return self._end(asks=False)
            case kind if kind == NO_MATCH:
                self._matched = False
            case kind if kind == HANDLER_START:
                self.settling = False
            case kind if kind == HANDLER_COMPLETE or _stops(kind):
                # Stopping a skill ends without "handled", and so does what was stopped.
                self.settling = True
        return ()

    def _spoken(self, message: BusMessage) -> tuple[Outcome, ...]:
        said = message.data.get("utterance")
        text = said.strip() if isinstance(said, str) else ""
        asks = message.data.get("expect_response") is True
        outcomes: tuple[Outcome, ...] = (Say(text, asks),) if text else ()
        # A question has no "handled": the turn goes to the caller.
        return outcomes + (self._end(asks=True) if asks else ())

    def _end(self, *, asks: bool) -> tuple[Outcome, ...]:
        self.over = True
        return (Over(matched=self._matched, asks=asks),)


def _stops(kind: str) -> bool:
    return kind.startswith("stop:") or kind.endswith((".stop", ".stop.response"))
