"""Responses that no client event asks for: after a turn, after a silence, from the engine itself.

Each is asked of admission first. Invariants: one at a time, and none while the
caller speaks or a response of the conversation is live.
"""

from __future__ import annotations

from collections.abc import Callable

from realtime.engine import Volunteered
from realtime.errors import ActiveResponse, WireFault
from realtime.session.answers import Answers
from realtime.session.config import ServerVad
from realtime.session.state import SessionState
from realtime.turns.listening import Listening

MOST_VOLUNTEERED = 8
"""What the engine wants to say and has to wait with; beyond it the oldest is dropped."""


class Initiative:
    """Decides when the session answers by itself; `ask` puts a question to admission."""

    def __init__(
        self,
        state: SessionState,
        listening: Listening,
        answers: Answers,
        ask: Callable[[], int],
    ) -> None:
        self._state = state
        self._listening = listening
        self._answers = answers
        self._ask = ask
        self._asked: dict[int, Volunteered | None] = {}
        self._asked_approved: int | None = None
        self._volunteered: list[Volunteered] = []
        self._answered = 0
        self._quiet_since: tuple[int, int] | None = None
        """When and where in the audio the answer was played to its end, None while it matters."""

    # --- occasions ---

    def turn_ended(self) -> None:
        """The caller said something."""
        detection = self._state.config.audio.input.turn_detection
        if detection is None or not detection.create_response:
            return
        if self._answers.default_id is not None:
            # With interrupt_response off the automatic response may fail to
            # start; the service says so without an event id (CONTRACT 8.6).
            fault = ActiveResponse(self._answers.default_id)
            self._state.outbox.send_fault(fault, event_id=None)
            return
        self._asked[self._ask()] = None

    @property
    def turn_waits(self) -> bool:
        """A turn has ended, and admission was asked whether it may be answered."""
        return None in self._asked.values()

    def volunteered(self, report: Volunteered) -> None:
        """The engine has something to say."""
        if self._state.converses and report.text.strip():
            self._volunteered = [*self._volunteered, report][-MOST_VOLUNTEERED:]

    def advance(self, now_ms: int) -> None:
        """Notice silence, and say what waits as soon as nobody else speaks."""
        self._go_on_after_approval()
        if not self._is_quiet():
            self._quiet_since = None
            return
        if self._answers.ended > self._answered:
            self._answered = self._answers.ended
            self._quiet_since = (now_ms, self._listening.appended)
        if self._idle_timeout_ms() is None:
            # What is turned on later counts from the next answer.
            self._quiet_since = None
        due = self.deadline()
        if due is not None and now_ms >= due and self._quiet_since is not None:
            since = self._quiet_since[1]
            self._quiet_since = None
            self._listening.idle(since)
            self.turn_ended()
        elif self._volunteered and not self._asked:
            self._asked[self._ask()] = self._volunteered.pop(0)

    def _go_on_after_approval(self) -> None:
        """Begin what the client agreed to, once the conversation's response is over."""
        answers = self._answers
        if answers.approvals.due and answers.default_id is None and self._asked_approved is None:
            self._asked_approved = self._ask()

    def _is_quiet(self) -> bool:
        answers = self._answers
        return answers.default_id is None and not answers.playing and not self._listening.speaking

    def deadline(self) -> int | None:
        """Return when the silence is long enough (CONTRACT 8.8), None while nothing runs."""
        timeout_ms = self._idle_timeout_ms()
        if self._quiet_since is None or timeout_ms is None:
            return None
        return self._quiet_since[0] + timeout_ms

    def _idle_timeout_ms(self) -> int | None:
        detection = self._state.config.audio.input.turn_detection
        return detection.idle_timeout_ms if isinstance(detection, ServerVad) else None

    # --- admission's answers ---

    def allowed(self, question: int, now_ms: int) -> bool:
        """Begin the response; return False if the question was none of these."""
        if question == self._asked_approved:
            self._asked_approved = None
            self._answers.approved(now_ms)
            return True
        if question not in self._asked:
            return False
        volunteered = self._asked.pop(question)
        if volunteered is None:
            self._answer_turn(now_ms)
        elif self._is_quiet():
            self._answers.say(volunteered, now_ms)
        else:  # somebody was quicker while admission was asked
            self._volunteered.insert(0, volunteered)
        return True

    def _answer_turn(self, now_ms: int) -> None:
        try:
            self._answers.create(None, now_ms)
        except ActiveResponse as fault:  # the client was quicker while admission was asked
            self._state.outbox.send_fault(fault, event_id=None)

    def refused(self, question: int, fault: WireFault) -> bool:
        """Fail the response; return False if the question was none of these."""
        if question == self._asked_approved:
            self._asked_approved = None
            self._answers.approvals.take()
            if self._answers.default_id is None:
                self._answers.create_refused(fault)
            return True
        if question not in self._asked:
            return False
        if self._asked.pop(question) is None and self._answers.default_id is None:
            self._answers.create_refused(fault)
        return True
