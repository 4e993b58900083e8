"""One OVOS session on the bus: its state, and the turn that it is in."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from ovos_bridge import sessions
from ovos_bridge.bus import Bus
from ovos_bridge.messages import (
    CANCELLED,
    HANDLED,
    IDENT_MARK,
    OUTPUT_END,
    OUTPUT_START,
    SPEAK,
    UTTERANCE,
    BusMessage,
)
from ovos_bridge.turns import Outcome, Say, Turn
from realtime.engine import Volunteered

RELEASE_AFTER_S = (0.05, 0.25, 1.0)
"""A skill begins to wait for the end of its speech a moment after it spoke, so the word
that it has ended is repeated; a missed one would hold the skill for 15 s."""

MOST_CUT_OFF = 16
"""Turns that the caller cut off and core has not ended yet; older ones are forgotten."""


class TurnOwner(Protocol):
    """The run that a turn is made for."""

    def heard_from_core(self, outcomes: tuple[Outcome, ...], *, settling: bool) -> None:
        """Take what a message of the turn meant."""

    def core_lost(self) -> None:
        """The turn will not be answered any more."""


class Conversation:
    """The bus's side of one caller, or of one response that must leave no trace.

    What skills say is confirmed as heard at once, so that a multi-part answer is
    complete long before it has been played; only a question is confirmed when it
    has really been heard, since the time to reply runs from there.
    """

    def __init__(
        self,
        bus: Bus,
        session: dict[str, Any],
        *,
        facts: Callable[[], tuple[tuple[str, ...], frozenset[str]]],
        volunteer: Callable[[Volunteered], None] | None = None,
    ) -> None:
        """`facts` returns core's pipeline and the skills that converse.

        `volunteer` gets what a skill says after its answer was over, or without a question.
        """
        self._bus = bus
        self._volunteer = volunteer
        self._cut_off: dict[str, None] = {}
        self._session = session
        self._facts = facts
        self._turn: Turn | None = None
        self._owner: TurnOwner | None = None
        self._question: BusMessage | None = None
        self._question_playing = False
        self._spoken_aloud = True
        self._timers: list[asyncio.TimerHandle] = []
        bus.listen(session["session_id"], self)

    @property
    def asked(self) -> bool:
        """A skill waits for the caller's reply."""
        return bool(sessions.waiting_skills(self._session))

    def say(self, utterance: str, owner: TurnOwner, *, language: str, spoken: bool) -> bool:
        """Send the caller's words to core; False when there is no bus.

        `spoken` says that `playback` will tell when the answer is heard.
        """
        self._cancel_timers()
        self._release_question()
        self._spoken_aloud = spoken
        asked_by = self._question.ident if self._question is not None else ""
        self._question = None
        ident = f"{self._session['session_id']}{IDENT_MARK}{uuid.uuid4().hex}"
        turn = Turn(ident, asked_by=asked_by)
        if language != self._session.get("lang"):
            self._session |= sessions.spoken_in(language)
        pipeline, conversational = self._facts()
        session = sessions.for_sending(
            self._session, pipeline=pipeline, conversational=conversational
        )
        context = {
            "session": session,
            "source": "gateway",
            "destination": ["skills"],
            "ident": turn.ident,
        }
        data = {"utterances": [utterance], "lang": language}
        self._turn, self._owner = turn, owner
        return self._bus.send(BusMessage(UTTERANCE, data, context))

    def drop(self, owner: TurnOwner, *, cut_off: bool) -> None:
        """The owner takes nothing more; `cut_off` says that the rest is not wanted at all.

        What comes from a turn that nobody cut off is volunteered.
        """
        if self._owner is owner:
            self._owner = None
            if cut_off and self._turn is not None and not self._turn.over:
                self._cut_off[self._turn.ident] = None
                while len(self._cut_off) > MOST_CUT_OFF:
                    del self._cut_off[next(iter(self._cut_off))]
            self._cancel_timers()
            self._send_heard(self._session)

    def playback(self, *, playing: bool) -> None:
        """The caller began or stopped hearing us."""
        if self._question is None:
            return
        if playing and not self._question_playing:
            self._question_playing = True
            self._bus.send(BusMessage(OUTPUT_START, {}, dict(self._question.context)))
        elif not playing:
            self._release_question()

    def close(self) -> None:
        """Leave the bus."""
        self._release_question()
        self._cancel_timers()
        self._bus.unlisten(self._session["session_id"])
        self._owner = self._turn = self._volunteer = None

    # --- SessionListener ---

    def received(self, message: BusMessage) -> None:
        """Take a message of the session."""
        turn = self._turn
        if message.type == UTTERANCE:
            return
        own = message.session_id == self._session["session_id"]
        concerns = own and turn is not None and turn.concerns(message)
        if concerns and message.type not in (OUTPUT_START, OUTPUT_END):
            self._session = dict(message.session)
        if turn is not None and concerns and not turn.over:
            self._in_turn(turn, message)
        elif message.type == SPEAK:
            self._unasked(message)
        elif message.type in (HANDLED, CANCELLED):
            self._cut_off.pop(message.ident, None)

    def _in_turn(self, turn: Turn, message: BusMessage) -> None:
        outcomes = turn.take(message)
        owner = self._owner
        for outcome in outcomes:
            if isinstance(outcome, Say):
                self._spoken(message, outcome)
                if owner is None:
                    self._offer(message, outcome.text)
            elif not outcome.asks:
                self._cancel_timers()
        if turn.over:
            self._owner = None
            self._cut_off.pop(turn.ident, None)
        if owner is not None:
            owner.heard_from_core(outcomes, settling=turn.settling)

    def _unasked(self, message: BusMessage) -> None:
        said = message.data.get("utterance")
        if isinstance(said, str) and said.strip():
            self._confirm_soon(dict(message.context))
            self._offer(message, said.strip())

    def _offer(self, message: BusMessage, text: str) -> None:
        late = message.ident in self._cut_off or (not message.ident and self._cut_off)
        if self._volunteer is not None and not late:
            language = message.data.get("lang")
            self._volunteer(Volunteered(text, language if isinstance(language, str) else None))

    def lost(self) -> None:
        """The bus, or core behind it, is gone."""
        self._cancel_timers()
        owner, self._owner, self._turn, self._question = self._owner, None, None, None
        self._cut_off.clear()
        for skill in sessions.waiting_skills(self._session):
            self._session["utterance_states"].pop(skill)
        if owner is not None:
            owner.core_lost()

    # --- playback as skills see it ---

    def _spoken(self, message: BusMessage, said: Say) -> None:
        if said.asks:
            self._question, self._question_playing = message, False
            if self._spoken_aloud and self._owner is not None:
                return
        self._confirm_soon(dict(message.context))

    def _confirm_soon(self, context: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        self._timers += [
            loop.call_later(delay_s, self._confirm, context) for delay_s in RELEASE_AFTER_S
        ]

    def _confirm(self, context: dict[str, Any]) -> None:
        self._bus.send(BusMessage(OUTPUT_START, {}, context))
        self._bus.send(BusMessage(OUTPUT_END, {}, context))

    def _release_question(self) -> None:
        if self._question is not None and self.asked:
            context = dict(self._question.context)
            self._bus.send(BusMessage(OUTPUT_END, {}, context))
            self._confirm_soon(context)

    def _send_heard(self, session: dict[str, Any]) -> None:
        self._bus.send(BusMessage(OUTPUT_END, {}, {"session": session, "source": "gateway"}))

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
