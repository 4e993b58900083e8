"""Drives a session handler: the single writer that posts inputs and carries effects out.

The socket's task calls `post` synchronously; what an effect posts while inputs
are being handled waits its turn in the same loop (DECISIONS 1.11). Nothing in
here blocks; what must wait is a task of the call's group and comes back as an
input. What only one kind of session does stands in its own runner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import structlog

from gateway.limits.port import RateLimited
from gateway.sessions.admission import Admission, Denied, Verdict
from gateway.sessions.allowance import Allowance
from gateway.sessions.controllers import Controllers
from gateway.sessions.deadline import Deadline
from gateway.sessions.encoding import frame
from gateway.sessions.gate import Gate
from gateway.sessions.leg import MediaLeg
from gateway.sessions.observer import SessionObserver
from realtime.errors import ServerFault
from realtime.events.server import RateLimitsUpdated
from realtime.session import effects as fx
from realtime.session.handler import SessionHandler
from realtime.session.inputs import (
    Allowed,
    ControllerId,
    EndReason,
    Input,
    Narrowed,
    Opened,
    PlaybackCleared,
    Refused,
    Shutdown,
    SpeculationRoom,
    TokensRefused,
    TokensReserved,
)

BROKEN_CODE = 1011
"""Closes a session that a fault of ours broke; SDKs connect anew (CONTRACT 4)."""

_log = structlog.get_logger("session")


class SessionDriver:
    """One live session, whatever its handler is."""

    _effects: ClassVar[Mapping[type, Callable[[Any, Any], None]]]
    """One table for all sessions of a kind: one each was 7 KiB of every session's memory."""

    def __init__(
        self,
        handler: SessionHandler,
        *,
        session_id: str,
        admission: Admission,
        allowance: Allowance,
        principal_facts: dict[str, Any],
        observer: SessionObserver,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        leg: MediaLeg | None = None,
    ) -> None:
        self._handler = handler
        self._leg = leg
        self._session_id = session_id
        self._admission = admission
        self._allowance = allowance
        self._principal_facts = principal_facts
        self._observer = observer
        self._spawn = spawn
        self._loop = asyncio.get_running_loop()
        self._deadline = Deadline(self._loop, self._expire)
        self._broken = False
        self._inbox: list[Input] = []
        self._handling = False
        self.controllers = Controllers()
        self.withheld: frozenset[str] = frozenset()
        """Tools that policy took away before the session began."""
        self._taken_away: frozenset[str] = frozenset()
        self.ended = Gate()
        self.end_reason: EndReason | None = None

    def now_ms(self) -> int:
        """Return the loop's clock in whole milliseconds."""
        return int(self._loop.time() * 1000)

    @property
    def closed(self) -> bool:
        """True once the session ended."""
        return self._broken or self._handler.closed

    @property
    def flooded(self) -> bool:
        """Say whether more client events wait than may, though nobody could be stopped."""
        return self._handler.congested

    def withhold(self, tools: frozenset[str]) -> None:
        """Policy takes tools away: responses from now on go without them."""
        new = tools - self._taken_away
        if new:
            self._taken_away |= new
            self.post(Narrowed(new))

    def rate_limits(self) -> list[dict[str, Any]]:
        """Return what `rate_limits.updated` would say now."""
        return [asdict(entry) for entry in self._allowance.shown()]

    # --- inputs ---

    def begin(self, controller: ControllerId) -> None:
        """The first client is there, or a call without one (0)."""
        self.post(Opened(controller))
        self.withhold(self.withheld)

    def post(self, given: Input) -> None:
        """Apply an input and everything that follows from it.

        A fault of ours ends this session and no other: the caller may be the
        connection to a part that serves them all.
        """
        if self._broken:
            return
        if self._handling:
            self._inbox.append(given)
            return
        try:
            self._settle(given)
        except Exception:
            _log.exception("session_failed", session_id=self._session_id)
            self._break_off()

    def _expire(self) -> None:
        try:
            # The timer may fire within the clock's resolution before the instant.
            self._handler.expire(max(self.now_ms(), self._handler.deadline() or 0))
            self._settle(None)
        except Exception:
            _log.exception("session_failed", session_id=self._session_id)
            self._break_off()

    def _settle(self, given: Input | None) -> None:
        self._handling = True
        try:
            if given is None:
                self._carry_out()
            else:
                self._handle(given)
            while self._inbox:
                posted, self._inbox = self._inbox, []
                for one in posted:
                    self._handle(one)
        finally:
            self._handling = False
        self._deadline.move(self._handler.deadline())

    def _handle(self, given: Input) -> None:
        self._handler.receive(given, self.now_ms())
        self._carry_out()

    def _carry_out(self) -> None:
        for effect in self._handler.effects():
            self._effects[type(effect)](self, effect)

    def _break_off(self) -> None:
        self._broken = True
        self._inbox.clear()
        if not self.ended.is_set():
            self._over(EndReason.SERVER_FAULT, BROKEN_CODE, ServerFault().message)

    def shutdown(self, reason: EndReason, *, code: int = 1001, text: str = "") -> None:
        """End the session from outside; does nothing once it ended."""
        self.post(Shutdown(reason, code, text))

    # --- effects ---

    def _send(self, effect: fx.Send) -> None:
        text = frame(effect.event)
        self.controllers.send(text, effect.to)
        self._observer.sent(effect.event, text, self.now_ms())

    def _ask(self, effect: fx.Ask) -> None:
        facts = {**self._principal_facts, **effect.facts}
        verdict = self._admission.admit_nowait(effect.action, facts)
        if verdict is not None:
            self._answer(effect.question, verdict)
        else:
            self._spawn(self._ask_and_wait(effect, facts))

    async def _ask_and_wait(self, effect: fx.Ask, facts: dict[str, Any]) -> None:
        self._answer(effect.question, await self._admission.admit(effect.action, facts))

    async def permit(self, action: str, facts: Mapping[str, Any]) -> str | None:
        """Ask admission about a tool; return its refusal in words for the client."""
        verdict = await self._admission.admit(action, {**self._principal_facts, **facts})
        if not isinstance(verdict, Denied):
            return None
        self._observer.denied(verdict)
        return verdict.fault().message

    def _answer(self, question: int, verdict: Verdict) -> None:
        if isinstance(verdict, Denied):
            self._observer.denied(verdict)
            self.post(Refused(question, verdict.fault()))
        else:
            self.withhold(verdict.withheld_tools)
            self.post(Allowed(question))

    def _reserve(self, effect: fx.ReserveTokens) -> None:
        if effect.speculative:
            room = self._allowance.has_room(effect)
            self.post(SpeculationRoom(effect.response_id, room))
            return
        try:
            self._allowance.reserve(effect)
        except RateLimited as fault:
            self.post(TokensRefused(effect.response_id, fault))
        else:
            self.post(TokensReserved(effect.response_id))

    def _record_usage(self, effect: fx.RecordUsage) -> None:
        self._allowance.settle(effect)
        self._observer.usage(effect)

    def _send_rate_limits(self, effect: fx.SendRateLimits) -> None:
        shown = self._allowance.shown()
        self._send(fx.Send(RateLimitsUpdated(event_id=effect.event_id, rate_limits=shown)))

    def _finish_playback(self, effect: fx.FinishPlayback) -> None:
        if self._leg is not None:
            self._leg.finish(effect.response_id)

    def _clear_playback(self, effect: fx.ClearPlayback) -> None:
        if self._leg is not None:
            for response_id, heard_ms in self._leg.clear(effect.response_ids).items():
                self.post(PlaybackCleared(response_id, heard_ms))

    def _close(self, effect: fx.Close) -> None:
        self._over(effect.end_reason, effect.code, effect.reason)

    def _over(self, reason: EndReason, code: int, text: str) -> None:
        self.end_reason = reason
        self._deadline.move(None)
        self.controllers.close(code, text)
        self.ended.set()
        self._stop()
        self._allowance.close()

    def _stop(self) -> None:
        """End what only this kind of session has."""


_Driver = SessionDriver
SHARED_EFFECTS: Mapping[type, Callable[[Any, Any], None]] = {
    fx.Ask: _Driver._ask,
    fx.ReserveTokens: _Driver._reserve,
    fx.RecordUsage: _Driver._record_usage,
    fx.SendRateLimits: _Driver._send_rate_limits,
    fx.FinishPlayback: _Driver._finish_playback,
    fx.ClearPlayback: _Driver._clear_playback,
    fx.Close: _Driver._close,
}
"""What every kind of session does in the same way."""
