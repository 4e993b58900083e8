"""Calls of a relayed model that the gateway has a hand in: a function there, what it is here.

An upstream ends its response with the call. The client sees that response end when the call
has ended; then the output goes up, and the upstream is asked for another response. Where the
client must agree first, the response ends with the request, and the call runs after the word.
A call of the operator's own tools may be hidden, and one of the client's interface is shown
when it was found to fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from realtime.errors import InvalidValue
from realtime.events.mcp_items import McpError, McpExecutionError
from realtime.relay.beside import Beside
from realtime.relay.call import RelayedCall
from realtime.relay.effects import SendRelayed
from realtime.relay.handed import response_of
from realtime.relay.inputs import Json
from realtime.relay.offers import Offers
from realtime.session.effects import CallTool, CancelTool, CheckCall, Effect
from realtime.session.inputs import ToolProgressed, ToolReturned
from realtime.session.outbox import Outbox

LATE: Final = McpExecutionError(message="The tool did not answer in time.")
BROKEN_OFF: Final = McpExecutionError(message="The call was broken off.")
NOT_APPROVED: Final = "The user did not approve this call."
ARGUMENTS: Final = "response.function_call_arguments."


@dataclass(slots=True)
class Answer:
    """What goes up when calls are over; `request` is of a response beside the conversation."""

    outputs: list[dict[str, Any]]
    respond: bool
    request: Json | None = None


class Calls:
    """The calls of a session, by the item that the upstream knows."""

    def __init__(self, outbox: Outbox, offers: Offers, *, rounds: int) -> None:
        self._outbox = outbox
        self._offers = offers
        self._most_rounds = rounds
        self._rounds = 0
        self._calls: dict[str, RelayedCall] = {}
        self._held: dict[str, list[Effect]] = {}
        """By response: its end, while calls of it run."""
        self._running: set[str] = set()
        """Responses that the upstream has not ended: no other can be asked for."""
        self._due: set[str] = set()
        """Those of them whose calls are over."""
        self._unwanted: set[str] = set()
        """Responses that the client cancelled before the upstream ended them."""
        self._template: Json = {}
        """The last response that began."""
        self.beside = Beside()
        self._now_ms = 0

    @property
    def approved(self) -> bool:
        """True while a call runs that the client agreed to."""
        return any(call.due_ms is not None and call.request_id for call in self._calls.values())

    def asked(self) -> None:
        """The client asked for a response itself."""
        self._rounds = 0

    # --- what the client sees ---

    def show(self, event: Json, text: str | None, now_ms: int) -> None:
        """Show an upstream's event as the client must see it."""
        self._now_ms = now_ms
        kind = event["type"]
        if kind == "response.created":
            self._began(event)
        if kind == "response.done":
            self._end(event, text)
        elif kind.startswith(ARGUMENTS) and event.get("item_id") in self._calls:
            self._arguments(self._calls[event["item_id"]], event)
        elif kind in _OF_ITEMS and isinstance(event.get("item"), Mapping):
            self._item(event, text)
        else:
            self._outbox.do(SendRelayed(event, text))

    def _began(self, event: Json) -> None:
        if self._held:
            self.break_off()
        response = event.get("response")
        if isinstance(response, Mapping):
            self._template = response
            self._running.add(str(response.get("id")))

    def _item(self, event: Json, text: str | None) -> None:
        item, kind = event["item"], event["type"]
        call = self._calls.get(str(item.get("id"))) or self._begun(event)
        if call is None or call.handed:
            self._outbox.do(SendRelayed(event, text))
        elif kind.endswith("done") and not call.asks and not call.over and _is_cut(item):
            call.error = BROKEN_OFF
            self._show(event, call)
        elif call.hidden or (call.asks and kind.endswith("added") and not call.arguments):
            call.held.append(event)  # a request is shown whole
        elif kind.endswith("done") and not call.asks and not call.over:
            call.held.append(event)
        else:
            self._show(event, call)

    def _begun(self, event: Json) -> RelayedCall | None:
        item = event["item"]
        spec = self._offers.functions.get(str(item.get("name")))
        if spec is None or item.get("type") != "function_call" or "response_id" not in event:
            return None
        call = RelayedCall(
            spec, str(item.get("id")), str(item.get("call_id")),
            str(event["response_id"]), event.get("output_index", 0),
        )  # fmt: skip
        self._calls[call.item_id] = call
        return call

    def _show(self, event: Json, call: RelayedCall) -> None:
        if call.hidden:
            return
        self._offers.items[call.item_id] = call.item()
        self._outbox.do(SendRelayed({**event, "item": call.item()}))

    def _show_held(self, call: RelayedCall) -> None:
        held, call.held = call.held, []
        for event in held:
            self._show(event, call)

    def _arguments(self, call: RelayedCall, event: Json) -> None:
        done = event["type"].endswith("done")
        if done:
            call.arguments = str(event.get("arguments", ""))
        if call.hidden:
            if done:
                call.held.append(event)
                self._run(call)
        elif not call.asks:
            kind = event["type"].replace("function_call", "mcp_call")
            self._outbox.do(SendRelayed({**event, "type": kind}))
            if done:
                self._run(call)
        elif done:
            self._show_held(call)

    def _run(self, call: RelayedCall) -> None:
        route = call.spec.route
        call.due_ms = self._now_ms + (route.deadline_ms or 0)
        call.most_ms = self._now_ms + (route.most_ms or route.deadline_ms or 0)
        self._tell("in_progress", call)
        made = call.made()
        self._outbox.do(CheckCall(made) if route.checked else CallTool(made))

    def _tell(self, state: str, call: RelayedCall) -> None:
        if call.hidden or call.spec.route.checked:
            return
        event = {
            "type": f"response.mcp_call.{state}",
            "event_id": self._outbox.event_id(),
            "output_index": call.output_index,
            "item_id": call.item_id,
        }
        self._outbox.do(SendRelayed(event))

    def _end(self, event: Json, text: str | None) -> None:
        response = event.get("response")
        response_id = str(response.get("id")) if isinstance(response, Mapping) else ""
        self._running.discard(response_id)
        calls = self._of(response_id)
        if not calls or not isinstance(response, Mapping):
            self.beside.forget(response_id)
            self._outbox.do(SendRelayed(event, text))
            return
        if response.get("status") != "completed":
            self._due.discard(response_id)
        self.beside.said(response_id, response.get("output"))
        for call in calls:
            if response.get("status") != "completed" and not call.asks and not call.over:
                self._stop(call)
        if all(call.over or call.asks for call in calls):
            self._outbox.do(self._done(event))
        else:
            self._held[response_id] = [SendRelayed(event)]

    def _done(self, event: Json) -> SendRelayed:
        response = event["response"]
        items = [item for item in response.get("output") or () if isinstance(item, Mapping)]
        calls = [(self._calls.get(str(item.get("id"))), item) for item in items]
        output = [
            item if call is None or call.handed else call.item()
            for call, item in calls
            if call is None or not call.hidden
        ]
        return SendRelayed({**event, "response": {**response, "output": output}})

    def after(self, response_id: str, effect: Effect) -> None:
        """Do something behind the end of a response."""
        self._held.get(response_id, _Now(self._outbox)).append(effect)

    def _of(self, response_id: str) -> list[RelayedCall]:
        return [
            call
            for call in self._calls.values()
            if call.response_id == response_id and call.request_id is None
        ]

    # --- results ---

    def returned(self, given: ToolReturned) -> Answer | None:
        """A call is over; return what goes up, if it was waited for."""
        for call in self._calls.values():
            same = (call.response_id, call.call_id) == (given.response_id, given.call_id)
            if same and call.due_ms is not None:
                if call.spec.route.checked and given.error is None:
                    return self._fits(call)
                return self._over(call, given.output, given.error)
        return None

    def progressed(self, given: ToolProgressed, now_ms: int) -> None:
        """A call goes on: its deadline moves, up to a cap."""
        for call in self._calls.values():
            same = (call.response_id, call.call_id) == (given.response_id, given.call_id)
            if same and call.due_ms is not None:
                wait_ms = call.spec.route.deadline_ms or 0
                call.due_ms = min(now_ms + wait_ms, call.most_ms)

    def _fits(self, call: RelayedCall) -> Answer:
        """The client may see a call of its interface: it is asked, or takes its turn."""
        call.due_ms, call.fits = None, True
        if call.asks:
            call.held = [event for event in call.held if "item" in event]
            self._show_held(call)
            return self._settled(call, [])
        call.handed = True
        if call.request_id is not None:
            item = call.function_call()
            self._offers.items[call.item_id] = item
            for made in response_of(item, self._template, self._outbox):
                self._outbox.do(SendRelayed(made))
            return Answer([], respond=False)
        held, call.held = call.held, []
        for event in held:
            if event["type"].startswith(ARGUMENTS):
                kind, event_id = f"{ARGUMENTS}delta", self._outbox.event_id()
                whole = {**event, "type": kind, "event_id": event_id, "delta": call.arguments}
                del whole["arguments"]
                self._outbox.do(SendRelayed(whole))
            self._outbox.do(SendRelayed(event))
        return self._settled(call, [])

    def _over(self, call: RelayedCall, output: str | None, error: McpError | None) -> Answer:
        self._close(call, output, error)
        said = output if output is not None else _words(error)
        return self._settled(call, [self._output(call, said)])

    def _settled(self, call: RelayedCall, outputs: list[dict[str, Any]]) -> Answer:
        """Nothing is to be done for a call any more: say what goes up, and whether that is all."""
        response_id = call.response_id
        if response_id in self.beside:
            self.beside.brought(response_id, outputs)
            outputs = []
        if call.request_id is not None:
            respond = not self.approved and not self._requests()
        elif not all(other.over or other.asks for other in self._of(response_id)):
            respond = False
        elif response_id in self._running:
            self._due.add(response_id)
            respond = False
        else:
            respond = self._release(response_id) and self._goes_on(response_id)
        return self._answer(response_id, outputs, respond=respond)

    def _answer(self, response_id: str, outputs: list[dict[str, Any]], *, respond: bool) -> Answer:
        request = self.beside.take(response_id) if respond else None
        return Answer(outputs, respond, request)

    def _goes_on(self, response_id: str) -> bool:
        """Say whether the upstream must answer: not while it is somebody else's turn."""
        handed = any(call.handed for call in self._of(response_id))
        return not handed and not self._requests()

    def _close(self, call: RelayedCall, output: str | None, error: McpError | None) -> None:
        call.due_ms, call.output, call.error = None, output, error
        self._tell("failed" if output is None else "completed", call)
        self._show_held(call)

    def _release(self, response_id: str) -> bool:
        """Show the end of a response; return whether another may follow by itself."""
        for effect in self._held.pop(response_id, ()):
            if isinstance(effect, SendRelayed) and effect.event["type"] == "response.done":
                self._outbox.do(self._done(effect.event))
            else:
                self._outbox.do(effect)
        self._rounds += 1
        return self._rounds <= self._most_rounds

    def _output(self, call: RelayedCall, text: str) -> dict[str, Any]:
        item_id = self._outbox.ids("item")
        kind = "function_call_output"
        return {"id": item_id, "type": kind, "call_id": call.call_id, "output": text}

    def _requests(self) -> bool:
        return any(call.asks and call.arguments for call in self._calls.values())

    def _stop(self, call: RelayedCall) -> None:
        if call.due_ms is not None:
            self._outbox.do(CancelTool(call.response_id, call.call_id))
            self._close(call, None, BROKEN_OFF)
        else:
            call.error = BROKEN_OFF

    def break_off(self) -> list[dict[str, Any]]:
        """End what runs inside responses; return the outputs that go up."""
        outputs = []
        for response_id in tuple(self._held):
            for call in self._of(response_id):
                if call.due_ms is not None:
                    self._stop(call)
                    if response_id not in self.beside:
                        outputs.append(self._output(call, BROKEN_OFF.message))
            self.beside.forget(response_id)
            self._release(response_id)
        return outputs

    def unwanted(self) -> bool:
        """The client cancels; return whether calls end with their responses, still to end."""
        found = {
            call.response_id
            for call in self._calls.values()
            if call.due_ms is not None and call.request_id is None
        }
        self._unwanted |= found
        return bool(found)

    def ended(self, response_id: str, *, completed: bool) -> Answer | None:
        """A response ended upstream; return what goes up now."""
        due = response_id in self._due
        self._due.discard(response_id)
        if response_id in self._unwanted:
            self._unwanted.discard(response_id)
            return Answer(self.break_off(), respond=False)
        if not due or not completed:
            return None
        respond = self._release(response_id) and self._goes_on(response_id)
        return self._answer(response_id, [], respond=respond)

    @property
    def holding(self) -> bool:
        """True while the client waits for the end of a response that ended upstream."""
        return bool(self._held)

    # --- the client's word ---

    def approve(self, event: Json, now_ms: int) -> Answer:
        """Take the client's word.

        Raises:
            InvalidValue: nothing of that name waits for it.
        """
        self._now_ms = now_ms
        item = event["item"]
        request = self._calls.get(str(item.get("approval_request_id")))
        if request is None or not request.asks:
            raise InvalidValue("No such approval request.", param="item.approval_request_id")
        shown = {
            "id": item.get("id") or self._outbox.ids("item"),
            "type": "mcp_approval_response",
            "approval_request_id": request.item_id,
            "approve": item.get("approve") is True,
            "reason": item.get("reason"),
        }
        self._offers.items[shown["id"]] = shown
        for kind in ("added", "done"):
            self._own(kind, shown)
        del self._calls[request.item_id]
        if not shown["approve"]:
            reason = f" {shown['reason']}" if shown["reason"] else ""
            request.request_id = request.item_id
            return self._settled(request, [self._output(request, NOT_APPROVED + reason)])
        call = RelayedCall(
            request.spec, self._outbox.ids("item"), request.call_id, request.response_id, 0,
            arguments=request.arguments, request_id=request.item_id,
        )  # fmt: skip
        self._calls[call.item_id] = call
        if not call.hidden:
            self._own("added", call.item())
            call.held.append(self._event("done", call.item()))
        self._run(call)
        return Answer([], respond=False)

    def _event(self, kind: str, item: Json) -> dict[str, Any]:
        event_id, name = self._outbox.event_id(), f"conversation.item.{kind}"
        return {"type": name, "event_id": event_id, "previous_item_id": None, "item": item}

    def _own(self, kind: str, item: Json) -> None:
        self._outbox.do(SendRelayed(self._event(kind, item)))

    # --- time ---

    def late(self, now_ms: int) -> list[Answer]:
        """Give up what takes too long; return what goes up."""
        found = []
        for call in [*self._calls.values()]:
            if call.due_ms is not None and now_ms >= call.due_ms:
                self._outbox.do(CancelTool(call.response_id, call.call_id, late=True))
                found.append(self._over(call, None, LATE))
        return found

    def deadline(self) -> int | None:
        """Return when `late` has something to do."""
        dues = [call.due_ms for call in self._calls.values() if call.due_ms is not None]
        return min(dues, default=None)


class _Now(list[Effect]):
    """Where nothing is held, what is added is done."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def append(self, effect: Effect) -> None:
        self._outbox.do(effect)


def _words(error: McpError | None) -> str:
    return f"The tool failed: {error.message}" if error is not None else ""


def _is_cut(item: Json) -> bool:
    return item.get("status") == "incomplete"


_OF_ITEMS: Final = frozenset(
    f"{place}.{kind}"
    for place in ("response.output_item", "conversation.item")
    for kind in ("added", "done")
)
