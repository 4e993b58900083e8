"""What an upstream's events mean for a relayed session, and what the client gets of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from realtime.errors import ServerFault, WireFault
from realtime.prompts import PromptTemplate
from realtime.relay.askers import ASKED, Askers, clients_id
from realtime.relay.blame import Blame, body_of
from realtime.relay.calls import Answer, Calls
from realtime.relay.effects import RecordRelayed, SendRelayed, SendUpstream
from realtime.relay.faults import is_about_account, told_error
from realtime.relay.inputs import FromUpstream, Json, Loss, UpstreamLost
from realtime.relay.listening import Listening
from realtime.relay.memory import RelayMemory
from realtime.relay.offers import Offers
from realtime.relay.playing import Playing
from realtime.relay.prompts import RelayPrompts
from realtime.relay.responses import RunningResponse, usage_of
from realtime.relay.unanswered import Unanswered
from realtime.session.effects import RecordUsage, ReserveTokens, SendRateLimits
from realtime.session.outbox import Outbox
from realtime.usage import Usage

OURS: Final = "relay_"
"""How the ids of events begin that the gateway itself sends up."""

USUAL_OUTPUT_TOKENS: Final = 4_096
"""What is reserved for a response that states no limit of its own."""

FATAL_CODES: Final = (1008, *range(3000, 5000))
"""Close codes that no client tries again (CONTRACT 4); the others are met by a new connection."""


def is_own(event_id: object) -> bool:
    """Say whether an event was the gateway's own, and no client's."""
    if not isinstance(event_id, str):
        return False
    return event_id.startswith(OURS) and not event_id.startswith(ASKED)


class Downstream:
    """Sees every event of the upstream but audio."""

    def __init__(
        self,
        outbox: Outbox,
        memory: RelayMemory,
        unanswered: Unanswered,
        *,
        model: str,
        expires_at: int,
        tools: tuple[Offers, Calls],
        prompts: RelayPrompts,
        has_leg: bool = False,
    ) -> None:
        self.model = model
        self.offers, self.calls = tools
        self.prompts = prompts
        self.running: dict[str, RunningResponse] = {}
        self.automatic: dict[int, str] = {}
        """Responses that began unasked, by the question whether they may."""
        self.expired = False
        self.up = True
        """There is a connection."""
        self.heard_ms = 0
        """When the upstream last said something, or began to owe an answer."""
        self.listening = Listening()
        self.askers = Askers()
        self.playing = Playing(outbox, memory, has_leg=has_leg)
        self._kinds = {**_KINDS, **_SPOKEN} if has_leg else _KINDS
        self._outbox = outbox
        self._memory = memory
        self._unanswered = unanswered
        self._upstream_model = memory.session.get("model")
        self._expires_at = expires_at
        self._refused: dict[str, WireFault] = {}
        self._replayed: set[tuple[str, str]] = set()
        self._replays = 0
        self._context_tokens = 0
        self._error: Json | None = None
        self._blame = Blame(unanswered, self.offers, prompts, self.askers)
        self._now_ms = 0

    @property
    def is_owed(self) -> bool:
        """True while a response runs, or was asked for and has not begun."""
        return bool(self.running) or self._unanswered.wants_response()

    @property
    def refusing(self) -> bool:
        """True while answers run that the client must not get."""
        return bool(self._refused)

    # --- up ---

    def prompted(self, event: Json, template: PromptTemplate | None) -> Json:
        """Return an event that names a prompt with what the prompt supplies.

        Raises:
            WireFault: there is no such prompt, or its variables do not fit.
        """
        memory = self._memory
        return self.prompts.resolved(event, template, memory.session, has_spoken=memory.has_spoken)

    def going_up(self, event: Json) -> Json:
        """Return a client event as the upstream must read it: our names are not its names.

        Raises:
            InvalidValue: it defines tools that cannot be.
        """
        if event["type"] == "response.create":
            return self.offers.response_up(event)
        if event["type"] != "session.update":
            return event
        session = event.get("session")
        if not isinstance(session, Mapping):
            return event
        up = {**event, "session": {k: v for k, v in session.items() if k != "model"}}
        up = {**self.offers.update_up(up)}
        self._memory.asked(session)
        return up

    def replaying(self, item: Json) -> str:
        """An item is said again: its echo is for nobody. Return the event's id."""
        self._replays += 1
        for kind in ("added", "done", "created"):
            self._replayed.add((f"conversation.item.{kind}", item["id"]))
        return f"{OURS}{self._replays}"

    # --- down ---

    def take(self, given: FromUpstream, now_ms: int) -> str | None:
        """Take an event; return the id of a response that began unasked."""
        self._now_ms = now_ms
        event = given.event
        kind = event["type"]
        if kind != "error":
            self._error = None
        if self._is_of_refused(event):
            if kind == "response.done":
                self._done(event, None)
            return None
        handler = self._kinds.get(kind)
        if handler is None:
            self._pass(event, given.text)
            return None
        return handler(self, event, given.text)

    def _pass(self, event: Json, text: str | None) -> None:
        if self.offers.functions:
            self.calls.show(event, text, self._now_ms)
        else:
            self._outbox.do(SendRelayed(event, text))

    def _is_of_refused(self, event: Json) -> bool:
        if not self._refused:
            return False
        response = event.get("response")
        named = response.get("id") if isinstance(response, Mapping) else event.get("response_id")
        return named in self._refused

    def shown_session(self, event: Json) -> dict[str, Any]:
        """Return a session's echo with the client's own name of the model, and our limit."""
        session = {**event["session"]}
        for key, value in (("model", self.model), ("expires_at", self._expires_at)):
            if key in session:
                session[key] = value
        return {**event, "session": self.prompts.shown(self.offers.shown(session))}

    def _again_created(self, _event: Json, _text: str) -> None:
        """A session is created once; another would confuse clients."""

    def _updated(self, event: Json, _text: str) -> None:
        self._unanswered.answered("session.update")
        if isinstance(event.get("session"), Mapping):
            self._memory.session = event["session"]
            if not self.offers.updated():
                return
            event = self.shown_session(event)
            self._outbox.do(RecordRelayed(event["session"]))
        self._pass(event, None)
        self.offers.begin(self._now_ms)

    # --- responses ---

    def _began(self, event: Json, text: str) -> str | None:
        response = event.get("response")
        self._pass(event, text)
        if not isinstance(response, Mapping) or not isinstance(response.get("id"), str):
            return None
        response_id: str = response["id"]
        self.running[response_id] = RunningResponse(response)
        if self.playing.has_leg:
            beside = response.get("conversation_id", "") is None
            self.playing.response_began(response_id, in_conversation=not beside)
        asked = self._unanswered.answered("response.create")
        if response.get("conversation_id", "") is None and self.offers.functions:
            request = asked.get("response") if asked else None
            known = request if isinstance(request, Mapping) else {"conversation": "none"}
            self.calls.beside.began(response_id, known, self._memory.ids())
        most = response.get("max_output_tokens")
        self._outbox.do(
            ReserveTokens(
                response_id=response_id,
                input_tokens=self._context_tokens,
                output_tokens=most if type(most) is int else USUAL_OUTPUT_TOKENS,
            )
        )
        return response_id if asked is None else None

    def _item_of_response(self, event: Json, text: str) -> None:
        running = self.running.get(str(event.get("response_id")))
        if running is not None:
            if event["type"].endswith("added"):
                running.added(event)
            else:
                running.finished(event)
        self._pass(event, text)

    def _done(self, event: Json, text: str | None) -> None:
        response = event.get("response")
        if not isinstance(response, Mapping):
            self._pass(event, text)
            return
        response_id = str(response.get("id"))
        self.running.pop(response_id, None)
        usage = usage_of(response)
        self._context_tokens = usage.total_tokens or self._context_tokens
        shown = self._shown_response(response, self._refused.pop(response_id, None))
        if shown is not response:
            event, text = {**event, "response": shown}, None
        self._pass(event, text)
        status = str(shown.get("status"))
        self._used(response_id, status, usage, estimated=response.get("usage") is None)
        self.answer(self.calls.ended(response_id, completed=status == "completed"))

    def _shown_response(self, response: Json, fault: WireFault | None) -> Json:
        if fault is not None:
            return {**RunningResponse(response).failed(fault), "output": []}
        details = response.get("status_details")
        error = details.get("error") if isinstance(details, Mapping) else None
        told = told_error(error) if isinstance(error, Mapping) else None
        if told is None:
            return response
        error = {key: told[key] for key in ("type", "code", "message")}
        return {**response, "status_details": {**(details or {}), "error": error}}

    def _used(self, response_id: str, status: str, usage: Usage, *, estimated: bool) -> None:
        self._outbox.do(
            RecordUsage(response_id=response_id, status=status, usage=usage, estimated=estimated)
        )
        self.calls.after(response_id, SendRateLimits(self._outbox.event_id()))
        self.playing.response_done(response_id, up=self.up)

    # --- calls that the gateway carries out ---

    def answer(self, answer: Answer | None) -> None:
        """Tell the upstream what calls brought, and ask it to go on."""
        if answer is None:
            return
        for item in answer.outputs:
            self._memory.item(item, self._memory.last_id)
            self.own({"type": "conversation.item.create", "item": item})
        if answer.respond:
            request = answer.request or {"tool_choice": "auto"}
            self.own({"type": "response.create", "response": request})

    def own(self, event: Json) -> None:
        """Send an event of our own, now or when there is a connection."""
        if event["type"] == "conversation.item.create":
            event = {**event, "event_id": self.replaying(event["item"])}
        else:
            event = {**event, "event_id": f"{OURS}respond"}
        self._unanswered.sent(event)
        if self.up:
            self._outbox.do(SendUpstream(self.going_up(event)))

    def refuse(self, response_id: str | None, fault: WireFault) -> None:
        """A response that began must not be: end it there, and tell the client only its end."""
        if response_id is not None and response_id in self.running:
            self._refused[response_id] = fault
            self.playing.silence(response_id)
            cancel = {
                "type": "response.cancel",
                "event_id": f"{OURS}cancel",
                "response_id": response_id,
            }
            self._outbox.do(SendUpstream(cancel))

    def fail_all(self, fault: WireFault) -> None:
        """No response that runs will ever end by itself."""
        for response_id, running in list(self.running.items()):
            refused = self._refused.pop(response_id, None)
            broken = running.broken_items()
            for _, item in broken:
                self._memory.forget(item["id"])  # half of a call is no call
            for place, item in broken if refused is None else ():
                self._pass(
                    {
                        "type": "response.output_item.done",
                        "event_id": self._outbox.event_id(),
                        "response_id": response_id,
                        "output_index": place,
                        "item": item,
                    },
                    None,
                )
            shown = running.failed(refused or fault)
            done = {"type": "response.done", "event_id": self._outbox.event_id()}
            self._pass({**done, "response": shown}, None)
            self._used(response_id, "failed", Usage(), estimated=True)
        self.running.clear()
        self.automatic.clear()
        self._replayed.clear()

    def break_off(self, now_ms: int) -> None:
        """What was being said is lost: end it for clients that heard it begin."""
        for event in self.listening.broken_off(now_ms):
            self._pass({"event_id": self._outbox.event_id(), **event}, None)

    def settle_all(self) -> None:
        """The session is over: write down what ran."""
        for response_id in self.running:
            usage = RecordUsage(
                response_id=response_id, status="cancelled", usage=Usage(), estimated=True
            )
            self._outbox.do(usage)
        self.running.clear()

    def _their_rate_limits(self, _event: Json, _text: str) -> None:
        """They are the operator's; the client is told its own after every response."""

    # --- input audio ---

    def _speech_began(self, event: Json, text: str) -> None:
        self.listening.began(event, self._now_ms)
        self._pass(event, text)
        self.playing.speech_began()

    # --- a media leg: the gateway plays, and knows what was heard ---

    def _spoke(self, event: Json, text: str) -> None:
        if self.playing.spoke(event):
            self._pass(event, text)

    def _input_ended(self, event: Json, text: str) -> None:
        self.listening.ended()
        self._pass(event, text)

    # --- items ---

    def _item(self, event: Json, text: str) -> None:
        item = event.get("item")
        if not isinstance(item, Mapping):
            self._pass(event, text)
            return
        key = (event["type"], str(item.get("id")))
        if key in self._replayed:
            self._replayed.discard(key)
            return
        self._unanswered.created(item)
        self._memory.item(item, event.get("previous_item_id"))
        self._pass(event, text)

    def _transcribed(self, event: Json, text: str) -> None:
        self._memory.heard(event.get("item_id"), event.get("transcript"))
        self._pass(event, text)

    def _retrieved(self, event: Json, text: str) -> None:
        item = event.get("item")
        item_id = item.get("id") if isinstance(item, Mapping) else None
        asked = self._unanswered.retrieved(item_id)
        asker = self.askers.take(asked.get("event_id")) if asked else None
        self._outbox.do(SendRelayed(event, text, to=asker))

    def _deleted(self, event: Json, text: str) -> None:
        self._unanswered.answered("conversation.item.delete")
        self._forgotten(event, text)

    def _truncated(self, event: Json, text: str) -> None:
        if self.playing.answered(event.get("item_id")):
            self._memory.forget(event.get("item_id"))
            return
        self._forgotten(event, text)

    def _forgotten(self, event: Json, text: str) -> None:
        self._memory.forget(event.get("item_id"))
        self._pass(event, text)

    # --- errors ---

    def _failed(self, event: Json, text: str | None) -> None:
        error = body_of(event)
        if error is not event.get("error"):
            event_id = event.get("event_id") or self._outbox.event_id()
            event, text = {**event, "event_id": event_id, "error": error}, None
        if error.get("code") == "session_expired":
            self.expired = True
            return
        event_id = self._blame.settle(error)
        if is_own(event_id):
            self.playing.refused(event_id)
            return
        self._error = error
        told = told_error(error)
        if error.get("event_id") != clients_id(event_id):
            told = {**(told or error), "event_id": clients_id(event_id)}
        if told is not None:
            event, text = {**event, "error": told}, None
        asker = self.askers.take(event_id)
        if asker is None:
            self._pass(event, text)
        else:
            self._outbox.do(SendRelayed(event, text, to=asker))

    @property
    def is_account_trouble(self) -> bool:
        """The last thing that was said was an error about the operator's account."""
        return self._error is not None and is_about_account(self._error)

    def fatal(self, lost: UpstreamLost) -> tuple[int, str] | None:
        """Return how the session must close, None if another connection may help."""
        if lost.loss is not Loss.CLOSED or lost.code not in FATAL_CODES:
            return None
        error, fault = self._error, ServerFault()
        if error is not None and not is_about_account(error):
            kind, code = error.get("type"), error.get("code")
            return lost.code, f"{kind}.{code}" if code else str(kind)
        if error is None:
            self._outbox.send_fault(fault, event_id=None)
        return fault.close_code or 1011, fault.close_reason


_SPOKEN: Mapping[str, Callable[[Downstream, Json, str], str | None]] = {
    "response.output_audio.delta": Downstream._spoke,
    "response.output_audio_transcript.delta": Downstream._spoke,
}
"""What is seen only where the gateway plays the answers."""

_KINDS: Mapping[str, Callable[[Downstream, Json, str], str | None]] = {
    "session.created": Downstream._again_created,
    "session.updated": Downstream._updated,
    "response.created": Downstream._began,
    "response.output_item.added": Downstream._item_of_response,
    "response.output_item.done": Downstream._item_of_response,
    "response.done": Downstream._done,
    "input_audio_buffer.speech_started": Downstream._speech_began,
    "input_audio_buffer.committed": Downstream._input_ended,
    "input_audio_buffer.cleared": Downstream._input_ended,
    "rate_limits.updated": Downstream._their_rate_limits,
    "conversation.item.added": Downstream._item,
    "conversation.item.created": Downstream._item,
    "conversation.item.done": Downstream._item,
    "conversation.item.input_audio_transcription.completed": Downstream._transcribed,
    "conversation.item.truncated": Downstream._truncated,
    "conversation.item.deleted": Downstream._deleted,
    "conversation.item.retrieved": Downstream._retrieved,
    "error": Downstream._failed,
}
"""What is not here passes as it came."""
