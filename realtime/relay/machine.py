"""The machine of a relayed session: what goes up, what comes down, and how it begins anew.

Events pass as they are; the machine looks at those that policy, allowance or
the record must see, and at those that a later connection must be told again.

Invariants: client events go up in the order they came, also while admission is
asked and while there is no connection; nothing that a later connection is told
again is shown twice; after the end no effect is produced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from realtime.errors import ServerFault, SessionExpired, WireFault
from realtime.ports import IdSource
from realtime.relay.askers import clients_id
from realtime.relay.calls import Calls
from realtime.relay.downstream import Downstream, is_own
from realtime.relay.effects import (
    DropUpstream,
    FallBack,
    RecordRelayed,
    Redial,
    SendRelayed,
    SendUpstream,
)
from realtime.relay.faults import UpstreamLostFault, UpstreamSilentFault, error_of
from realtime.relay.inputs import (
    FromUpstream,
    Json,
    Loss,
    RelayedFromClient,
    UpstreamLost,
    UpstreamReady,
    UpstreamUnreachable,
)
from realtime.relay.limits import RelayLimits
from realtime.relay.memory import RelayMemory
from realtime.relay.offers import Offers, RelayTools
from realtime.relay.prompts import RelayPrompts
from realtime.relay.trouble import Trouble
from realtime.relay.unanswered import Unanswered
from realtime.relay.upward import Upward
from realtime.session.effects import Close, Effect
from realtime.session.inputs import (
    Allowed,
    Drained,
    EndReason,
    Input,
    InvalidFromClient,
    Joined,
    Narrowed,
    Opened,
    PlaybackCleared,
    PromptFound,
    PromptUnavailable,
    Refused,
    Revoked,
    Shutdown,
    TokensRefused,
    ToolProgressed,
    ToolReturned,
    ToolsImported,
    ToolsNotImported,
)
from realtime.session.outbox import Outbox

RENEW_BEFORE_MS: Final = 180_000
"""So long before an upstream's session ends a quiet moment is waited for to begin another."""


class RelaySession:
    """A session whose model runs behind another Realtime endpoint."""

    def __init__(
        self,
        created: Json,
        *,
        model: str,
        expires_at: int,
        ids: IdSource,
        limits: RelayLimits | None = None,
        asked: Json | None = None,
        tools: RelayTools | None = None,
        prompt: Json | None = None,
        has_leg: bool = False,
        opened_ms: int = 0,
        lasts_ms: int | None = None,
    ) -> None:
        """Begin with the upstream's `session.created`, whose session may last `lasts_ms`.

        `asked` is what a client secret sets, with what its `prompt` supplies.
        """
        self._limits = limits or RelayLimits()
        self._created = created
        self._outbox = Outbox(ids, lambda _: "")
        self._memory = RelayMemory(created["session"])
        self._memory.asked(asked or {})
        self._unanswered = Unanswered()
        self._bound = asked or {}
        self._offers = Offers(
            self._outbox,
            import_ms=self._limits.import_ms,
            call_ms=self._limits.tool_call_ms,
            call_most_ms=self._limits.tool_call_most_ms,
            given=tools,
            delegated=not self._limits.runs_mcp,
        )
        self._calls = Calls(self._outbox, self._offers, rounds=self._limits.tool_rounds)
        self._down = Downstream(
            self._outbox,
            self._memory,
            self._unanswered,
            model=model,
            expires_at=expires_at,
            tools=(self._offers, self._calls),
            prompts=RelayPrompts(created["session"], resolves=self._limits.resolves_prompts),
            has_leg=has_leg,
        )
        self._down.prompts.adopt(prompt, self._bound)
        self._expires_ms = opened_ms + self._limits.max_duration_ms
        self._down.heard_ms = opened_ms
        self._upward = Upward(self._outbox, self._down, self._unanswered, limits=self._limits)
        self._trouble = Trouble(self._limits, now_ms=opened_ms)
        self._renew_ms = _renewal(lasts_ms, opened_ms)
        self._closed = False

    @property
    def closed(self) -> bool:
        """True once the session ended."""
        return self._closed

    @property
    def congested(self) -> bool:
        """True while as much waits for admission or for a connection as may."""
        return self._upward.congested

    @property
    def passing(self) -> bool:
        """True while input audio may go up past the machine, since nothing waits before it."""
        return self._upward.passing

    @property
    def refusing(self) -> bool:
        """True while answers run that the client must not get: every event is to be seen."""
        return self._down.refusing

    @property
    def hearing(self) -> bool:
        """True while a media leg's audio may go up past the machine."""
        return self._upward.hearing

    def appended(self) -> None:
        """Input audio went up, past the machine."""
        self._down.listening.waiting = True

    def pass_append(self) -> bool:
        """Say whether input audio may go up past the machine; then it is taken to have gone."""
        if not self._upward.passing:
            return False
        self._down.listening.waiting = True
        return True

    def heard(self, now_ms: int) -> None:
        """The upstream sent audio, past the machine."""
        self._down.heard_ms = now_ms

    def effects(self) -> list[Effect]:
        """Return what must be done, in order, and forget it."""
        return self._outbox.drain()

    def deadline(self) -> int | None:
        """Return the next instant at which `expire` must be called."""
        if self._closed:
            return None
        if not self._offers.active:
            return self._usual_deadline()
        dues = (self._usual_deadline(), self._offers.deadline(), self._calls.deadline())
        return min(due for due in dues if due is not None)

    def _usual_deadline(self) -> int:
        if self._up and self._down.is_owed:
            return min(self._expires_ms, self._down.heard_ms + self._limits.silence_ms)
        if self._renew_ms is not None and self._is_quiet():
            return min(self._expires_ms, self._renew_ms)
        return self._expires_ms

    def _is_quiet(self) -> bool:
        """Say whether another connection would cost the client nothing."""
        return (
            self.passing
            and not self._down.is_owed
            and self._down.listening.is_idle(self._memory.session)
            and not self._down.playing.audible
        )

    def expire(self, now_ms: int) -> None:
        """Say that the deadline has passed."""
        if self._closed:
            return
        if self._offers.active:
            self._offers.advance(now_ms)
            for answer in self._calls.late(now_ms):
                self._down.answer(answer)
            self._upward.resume(now_ms)
        silent_ms = self._down.heard_ms + self._limits.silence_ms
        if now_ms >= self._expires_ms:
            self._end(SessionExpired(self._limits.max_duration_ms // 60_000), EndReason.EXPIRED)
        elif self._up and self._down.is_owed and now_ms >= silent_ms:
            self._lose(UpstreamLost(Loss.SILENT), now_ms)
        elif self._renew_ms is not None and now_ms >= self._renew_ms and self._is_quiet():
            self._lose(UpstreamLost(Loss.RENEWED), now_ms)

    def receive(self, given: Input, now_ms: int) -> None:
        """Apply one input."""
        if self._closed:
            return
        handler = _HANDLERS.get(type(given))
        if handler is not None:
            handler(self, given, now_ms)

    # --- lifecycle ---

    @property
    def _up(self) -> bool:
        return self._down.up

    def _opened(self, _given: Opened, now_ms: int) -> None:
        if self._limits.runs_mcp and self._bound:
            self._offers.adopt(self._bound)
        self._offers.opened(self._created["session"])
        shown = self._down.shown_session(self._created)
        self._outbox.do(RecordRelayed(shown["session"]))
        self._outbox.do(SendRelayed(shown))
        self._offers.begin(now_ms)

    def _joined(self, given: Joined, _now_ms: int) -> None:
        again = {"type": "session.created", "event_id": self._outbox.event_id()}
        shown = self._down.shown_session({**again, "session": self._memory.session})
        self._outbox.do(SendRelayed(shown, to=given.controller))

    def _end(self, fault: WireFault, reason: EndReason) -> None:
        self._down.fail_all(fault if isinstance(fault, ServerFault) else UpstreamLostFault())
        self._outbox.send_fault(fault, event_id=None)
        self._close(fault.close_code or 1001, fault.close_reason, reason)

    def _close(self, code: int, text: str, reason: EndReason) -> None:
        self._down.settle_all()
        self._outbox.do(Close(code, text, reason))
        self._closed = True

    def _revoked(self, given: Revoked, _now_ms: int) -> None:
        self._end(given.fault, given.reason)

    def _narrowed(self, given: Narrowed, _now_ms: int) -> None:
        self._offers.narrow(given.tools, self._memory.session, up=self._up)

    def _shutdown(self, given: Shutdown, _now_ms: int) -> None:
        self._close(given.close_code, given.close_reason, given.reason)

    # --- client events, in order ---

    def _from_client(self, given: RelayedFromClient | InvalidFromClient, now_ms: int) -> None:
        self._upward.take(given, now_ms)

    def _allowed(self, given: Allowed, now_ms: int) -> None:
        self._down.automatic.pop(given.question, None)
        self._upward.answered(given.question, None, now_ms)

    def _refused(self, given: Refused, now_ms: int) -> None:
        self._down.refuse(self._down.automatic.pop(given.question, None), given.fault)
        self._upward.answered(given.question, given.fault, now_ms)

    def _prompt_found(self, given: PromptFound, now_ms: int) -> None:
        self._upward.found(given.question, given.template, now_ms)

    def _prompt_unavailable(self, given: PromptUnavailable, now_ms: int) -> None:
        self._upward.answered(given.question, given.fault, now_ms)

    def _tokens_refused(self, given: TokensRefused, _now_ms: int) -> None:
        self._down.refuse(given.response_id, given.fault)

    # --- a media leg's truth ---

    def _drained(self, given: Drained, _now_ms: int) -> None:
        self._down.playing.drained(given.response_id)

    def _cleared(self, given: PlaybackCleared, _now_ms: int) -> None:
        self._down.playing.cleared(given.response_id, given.heard_ms, up=self._up)

    # --- tools that the gateway runs ---

    def _progressed(self, given: ToolProgressed, now_ms: int) -> None:
        self._calls.progressed(given, now_ms)

    def _returned(self, given: ToolReturned, now_ms: int) -> None:
        answer = self._calls.returned(given)
        if answer is not None and self._upward.wants_response():
            answer.respond = False  # the client has asked for it itself
        self._down.answer(answer)
        self._upward.resume(now_ms)

    def _imported(self, given: ToolsImported, now_ms: int) -> None:
        self._offers.imported(given, up=self._up)
        self._upward.resume(now_ms)

    def _not_imported(self, given: ToolsNotImported, now_ms: int) -> None:
        self._offers.not_imported(given.item_id)
        self._upward.resume(now_ms)

    # --- the upstream ---

    def _from_upstream(self, given: FromUpstream, now_ms: int) -> None:
        self._down.heard_ms = now_ms
        if not self._up:
            return
        asks = self._down.take(given, now_ms)
        if asks is not None:
            self._down.automatic[self._upward.ask("response.automatic", None)] = asks
        if self._down.expired:
            self._lose(UpstreamLost(Loss.EXPIRED), now_ms)
            return
        if self._upward.waiting:
            self._upward.resume(now_ms)
        if given.event["type"] == "response.done":
            self._trouble.over()

    def _lose(self, given: UpstreamLost, now_ms: int) -> None:
        if not self._up:
            return
        self._down.up = False
        self._down.playing.lost()
        self._offers.lost()
        self._renew_ms = None
        self._outbox.do(DropUpstream(given.loss))
        silent = given.loss is Loss.SILENT
        self._down.fail_all(UpstreamSilentFault() if silent else UpstreamLostFault())
        self._down.break_off(now_ms)
        fatal = self._down.fatal(given)
        refused = fatal is not None and self._down.is_account_trouble
        if fatal is not None and not (refused and self._trouble.can_fall_back):
            self._close(*fatal, EndReason.ENGINE_FAILED)
            return
        if silent:
            self._give_up_asking()
        self._trouble.lost(now_ms)
        self._down.expired = False
        if refused and self._trouble.fall_back(now_ms) == "elsewhere":
            self._outbox.do(FallBack())
        self._redial(now_ms)

    def _give_up_asking(self) -> None:
        """Who was asked for a response and said nothing is not asked for it again."""
        fault = UpstreamSilentFault()
        for event in self._unanswered.take():
            if event["type"] != "response.create":
                self._unanswered.sent(event)
                continue
            asked_id = event.get("event_id")
            if is_own(asked_id):
                continue
            told = {"type": "error", "event_id": self._outbox.event_id()}
            body = error_of(fault, clients_id(asked_id))
            asker = self._down.askers.take(asked_id)
            self._outbox.do(SendRelayed({**told, "error": body}, to=asker))

    def _redial(self, now_ms: int) -> None:
        chosen = self._trouble.next(now_ms)
        if chosen == "nothing":
            self._end(ServerFault(), EndReason.ENGINE_FAILED)
            return
        if chosen == "elsewhere":
            self._outbox.do(FallBack())
        self._outbox.do(Redial(self._trouble.delay_ms, self._memory.configuration()))
        self._trouble.waited()

    def _unreachable(self, _given: UpstreamUnreachable, now_ms: int) -> None:
        self._redial(now_ms)

    def _ready(self, given: UpstreamReady, now_ms: int) -> None:
        self._down.up = True
        self._down.heard_ms = now_ms
        self._trouble.connected(now_ms)
        self._renew_ms = _renewal(given.lasts_ms, now_ms)
        self._memory.session = given.session
        for item in self._memory.conversation():
            event_id = self._down.replaying(item)
            again = {"type": "conversation.item.create", "event_id": event_id, "item": item}
            self._outbox.do(SendUpstream(again))
        self._offers.ready()
        for event in self._unanswered.take():
            if is_own(event.get("event_id")):
                self._down.own(event)
            else:
                self._upward.forward(event, now_ms)
        self._upward.resume(now_ms)


def _renewal(lasts_ms: int | None, now_ms: int) -> int | None:
    if lasts_ms is None:
        return None
    return now_ms + lasts_ms - min(RENEW_BEFORE_MS, lasts_ms // 2)


_HANDLERS: dict[type, Callable[[RelaySession, Any, int], None]] = {
    Opened: RelaySession._opened,
    Joined: RelaySession._joined,
    Drained: RelaySession._drained,
    PlaybackCleared: RelaySession._cleared,
    RelayedFromClient: RelaySession._from_client,
    InvalidFromClient: RelaySession._from_client,
    Allowed: RelaySession._allowed,
    Refused: RelaySession._refused,
    TokensRefused: RelaySession._tokens_refused,
    Revoked: RelaySession._revoked,
    Shutdown: RelaySession._shutdown,
    Narrowed: RelaySession._narrowed,
    PromptFound: RelaySession._prompt_found,
    PromptUnavailable: RelaySession._prompt_unavailable,
    FromUpstream: RelaySession._from_upstream,
    ToolProgressed: RelaySession._progressed,
    ToolReturned: RelaySession._returned,
    ToolsImported: RelaySession._imported,
    ToolsNotImported: RelaySession._not_imported,
    UpstreamLost: RelaySession._lose,
    UpstreamReady: RelaySession._ready,
    UpstreamUnreachable: RelaySession._unreachable,
}
"""What is not here (audio positions, reports of engines) is none of a relay's business."""
