"""A relayed session's client events on their way up: in order, asked about, held while they must.

An event waits while admission is asked about one before it, while there is no connection, and,
if it asks for a response, while tools are imported that the response could use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from realtime.errors import WireFault
from realtime.prompts import PromptTemplate
from realtime.relay.calls import Answer
from realtime.relay.downstream import OURS, Downstream
from realtime.relay.effects import SendRelayed, SendUpstream
from realtime.relay.inputs import Json, RelayedFromClient
from realtime.relay.limits import RelayLimits
from realtime.relay.unanswered import Unanswered
from realtime.session.effects import Ask, FindPrompt
from realtime.session.inputs import InvalidFromClient
from realtime.session.outbox import Outbox

GUARDED: Final = frozenset({"session.update", "conversation.item.create", "response.create"})
"""Client events that admission is asked about (DECISIONS 1.5)."""


BUFFER: Final = "input_audio_buffer."


class Upward:
    """The client's side of a relayed session."""

    def __init__(
        self, outbox: Outbox, down: Downstream, unanswered: Unanswered, *, limits: RelayLimits
    ) -> None:
        self._outbox = outbox
        self._down = down
        self._unanswered = unanswered
        self._limits = limits
        self._questions = 0
        self._asked: tuple[int, RelayedFromClient] | None = None
        self.waiting: list[RelayedFromClient | InvalidFromClient] = []
        """What came and has not been considered."""
        self._waiting_bytes = 0

    @property
    def congested(self) -> bool:
        """True while as much waits as may."""
        return (
            len(self.waiting) >= self._limits.max_waiting_events
            or self._waiting_bytes >= self._limits.max_waiting_bytes
        )

    @property
    def passing(self) -> bool:
        """True while nothing waits, and there is a connection."""
        return self._down.up and self._asked is None and not self.waiting

    @property
    def hearing(self) -> bool:
        """True while a leg's audio may go up: nothing about the input buffer waits before it."""
        return self._down.up and not any(
            isinstance(one, RelayedFromClient) and one.event["type"].startswith(BUFFER)
            for one in self.waiting
        )

    def wants_response(self) -> bool:
        """Say whether a request for a response waits."""
        return any(
            isinstance(waiting, RelayedFromClient) and waiting.event["type"] == "response.create"
            for waiting in self.waiting
        )

    def take(self, given: RelayedFromClient | InvalidFromClient, now_ms: int) -> None:
        """Take an event: it goes up, is asked about, or waits; silence waits for nothing."""
        if self._is_for_leg(given):
            self._down.playing.clear()
            return
        if self.passing and not self._must_wait(given, now_ms):
            self._consider(given, now_ms)
            return
        self.waiting.append(given)
        self._waiting_bytes += _size(given)

    def _is_for_leg(self, given: RelayedFromClient | InvalidFromClient) -> bool:
        if not self._down.playing.has_leg or not isinstance(given, RelayedFromClient):
            return False
        return bool(given.event["type"] == "output_audio_buffer.clear")

    def resume(self, now_ms: int) -> None:
        """Something that was waited for may be there: take what waits as far as it goes."""
        while self.waiting and self._asked is None and self._down.up:
            if self._must_wait(self.waiting[0], now_ms):
                return
            given = self.waiting.pop(0)
            self._waiting_bytes -= _size(given)
            self._consider(given, now_ms)

    def _must_wait(self, given: RelayedFromClient | InvalidFromClient, now_ms: int) -> bool:
        """Say whether a request for a response waits for tools."""
        if not isinstance(given, RelayedFromClient) or given.event["type"] != "response.create":
            return False
        if not self._limits.runs_mcp:
            return False
        try:
            self._down.offers.prepare(given.event, now_ms)
        except WireFault:
            return False  # it is told when its turn comes
        return self._down.offers.importing or self._down.calls.approved

    # --- admission ---

    def ask(self, action: str, event: Json | None) -> int:
        """Ask admission; return the question's number."""
        self._questions += 1
        facts: dict[str, Any] = {"model": self._down.model}
        if event is not None:
            facts["event"] = event
        self._outbox.do(Ask(self._questions, action, facts))
        return self._questions

    def _consider(self, given: RelayedFromClient | InvalidFromClient, now_ms: int) -> None:
        if isinstance(given, InvalidFromClient):
            self._outbox.send_fault(given.fault, event_id=given.event_id, to=given.controller)
        elif given.event["type"] in GUARDED:
            question = self.ask(given.event["type"], given.event)
            self._asked = (question, given)
        else:
            self._forward_of(given, now_ms)

    def answered(self, question: int, fault: WireFault | None, now_ms: int) -> None:
        """Admission answered; a question about something else is none of ours."""
        if self._asked is None or self._asked[0] != question:
            return
        asked, self._asked = self._asked[1], None
        if fault is not None:
            self._tell(fault, asked)
        elif not self._finds(question, asked):
            self._go(asked, now_ms)
        self.resume(now_ms)

    def _finds(self, question: int, asked: RelayedFromClient) -> bool:
        """Have the prompt looked up that an event names; return False if it names none."""
        prompts = self._down.prompts
        if not prompts.names(asked.event):
            return False
        try:
            wanted = prompts.wanted(asked.event)
        except WireFault as fault:
            self._tell(fault, asked)
            return True
        if wanted is not None:
            self._asked = (question, asked)
            self._outbox.do(FindPrompt(question, wanted.id, wanted.version))
            return True
        return False

    def found(self, question: int, template: PromptTemplate | None, now_ms: int) -> None:
        """The prompt of an event was looked up."""
        if self._asked is None or self._asked[0] != question:
            return
        asked, self._asked = self._asked[1], None
        self._go(asked, now_ms, template)
        self.resume(now_ms)

    def _go(
        self, asked: RelayedFromClient, now_ms: int, template: PromptTemplate | None = None
    ) -> None:
        try:
            if self._down.prompts.names(asked.event):
                asked = replace(asked, event=self._down.prompted(asked.event, template))
            if self._down.up:
                self._forward_of(asked, now_ms)
            else:
                self._unanswered.sent(self._named(asked))
        except WireFault as fault:
            self._tell(fault, asked)

    def _tell(self, fault: WireFault, asked: RelayedFromClient) -> None:
        event_id = asked.event.get("event_id")
        told = event_id if isinstance(event_id, str) else None
        self._outbox.send_fault(fault, event_id=told, to=asked.controller)

    # --- up ---

    def _forward_of(self, given: RelayedFromClient, now_ms: int) -> None:
        self.forward(self._named(given), now_ms)

    def _named(self, given: RelayedFromClient) -> Json:
        """Return an event with an id where its answer is not for all controllers: in a call."""
        if not self._down.playing.has_leg:
            return given.event
        return self._down.askers.named(given.event, given.controller)

    def forward(self, event: Json, now_ms: int) -> None:
        """Send an event up, or answer it where the upstream cannot.

        Raises:
            InvalidValue: it defines tools that cannot be, or names what is not there.
        """
        down = self._down
        if down.offers.active and self._is_ours(event, now_ms):
            return
        asked, event = event, down.going_up(event)
        if event["type"] == "response.create":
            down.calls.asked()
        if not down.is_owed:
            down.heard_ms = now_ms  # it is from now on that an answer is owed
        self._unanswered.sent(asked)
        if event["type"] == "input_audio_buffer.append":
            down.listening.waiting = True
        self._outbox.do(SendUpstream(event))

    def _is_ours(self, event: Json, now_ms: int) -> bool:
        """Answer what is about items and calls that only the client knows."""
        offers, calls = self._down.offers, self._down.calls
        kind, item = event["type"], event.get("item")
        if kind == "response.cancel" and calls.holding:
            for output in calls.break_off():
                self._down.answer(Answer([output], respond=False))
            return True
        if kind == "response.cancel" and calls.unwanted():
            # The upstream may have said everything and end it as completed, or refuse.
            self._outbox.do(SendUpstream({**event, "event_id": f"{OURS}cancel"}))
            return True
        if kind == "conversation.item.retrieve" and event.get("item_id") in offers.items:
            found = {**offers.items[event["item_id"]], "object": "realtime.item"}
            told = {"event_id": self._outbox.event_id(), "item": found}
            asker = self._down.askers.take(event.get("event_id"))
            self._outbox.do(SendRelayed({"type": "conversation.item.retrieved", **told}, to=asker))
            return True
        if isinstance(item, Mapping) and item.get("type") == "mcp_approval_response":
            self._down.answer(calls.approve(event, now_ms))
            return True
        return False


def _size(given: RelayedFromClient | InvalidFromClient) -> int:
    return given.size_bytes if isinstance(given, RelayedFromClient) else 0
