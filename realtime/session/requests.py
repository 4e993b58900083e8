"""What clients ask of a session, carried out in the order they asked.

Invariant: a refused event changes nothing.
"""

from __future__ import annotations

from realtime.errors import WireFault
from realtime.events.client import (
    AudioAppend,
    AudioClear,
    AudioCommit,
    ClientEvent,
    ItemCreate,
    ItemDelete,
    ItemRetrieve,
    ItemTruncate,
    OutputAudioClear,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from realtime.events.mcp_items import McpApprovalResponseItem
from realtime.events.server import SessionUpdated
from realtime.prompts import Prompted, PromptTemplate, prompt_of_event, prompted
from realtime.session.answers import Answers
from realtime.session.commands import ItemCommands
from realtime.session.effects import RecordConfig
from realtime.session.imports import Imports
from realtime.session.inputs import ControllerId, FromClient, InvalidFromClient
from realtime.session.interruption import Interruption
from realtime.session.questions import Questions
from realtime.session.queue import ClientQueue
from realtime.session.state import SessionState
from realtime.session.updates import updated
from realtime.turns.listening import Listening


class Requests:
    """Takes client events, and the answers to the questions that they raise."""

    def __init__(
        self,
        state: SessionState,
        questions: Questions,
        *,
        listening: Listening,
        answers: Answers,
        imports: Imports,
        commands: ItemCommands,
        interruption: Interruption,
    ) -> None:
        self._state = state
        self._listening = listening
        self._answers = answers
        self._imports = imports
        self._commands = commands
        self._interruption = interruption
        self._queue = ClientQueue(
            state, ask=questions.ask, find=questions.find_prompt, carry_out=self._considered
        )
        self._now_ms = 0

    def __len__(self) -> int:
        return len(self._queue)

    def take(self, given: FromClient | InvalidFromClient, now_ms: int) -> None:
        """Take an event; it takes effect when every event before it has."""
        self._now_ms = now_ms
        self._queue.take(given, self._listening.appended)

    def answered(self, question: int, fault: WireFault | None, now_ms: int) -> None:
        """Admission said yes, or why not."""
        self._now_ms = now_ms
        self._queue.answered(question, fault)

    def found(self, question: int, template: PromptTemplate | None, now_ms: int) -> None:
        """The prompt that an event names is known, or known not to be there."""
        self._now_ms = now_ms
        self._queue.found(question, template)

    def import_tools(self, now_ms: int, *, again: bool) -> None:
        """Ask the configured servers for their tools."""
        if self._state.converses and self._state.talk.mcp:
            talk = self._state.talk
            self._imports.begin(talk.tools, talk.mcp, now_ms, again=again)
            self._answers.imports_ended(now_ms)

    def _considered(
        self,
        event: ClientEvent,
        controller: ControllerId,
        at: int,
        template: PromptTemplate | None,
    ) -> None:
        named = prompt_of_event(event)
        if named is None:
            self._carry_out(event, controller, at)
        else:
            self._carry_out_prompted(event, prompted(named[0], template, root=named[1]))

    def _carry_out_prompted(self, event: ClientEvent, supplied: Prompted) -> None:
        if isinstance(event, SessionUpdate):
            self._update(event, supplied)
        elif isinstance(event, ResponseCreate) and event.response is not None:
            has_spoken = self._state.has_spoken
            params = supplied.in_response(event.response, has_spoken=has_spoken)
            self._answers.create(params, self._now_ms)

    def _carry_out(self, event: ClientEvent, controller: ControllerId, at: int) -> None:
        match event:
            case SessionUpdate():
                self._update(event)
            case AudioCommit():
                self._listening.commit(at)
            case AudioClear():
                self._listening.clear(at)
            case ItemCreate():
                self._create_item(event)
            case ItemRetrieve():
                self._commands.retrieve(event, controller)
            case ItemTruncate():
                self._commands.truncate(event)
            case ItemDelete():
                self._commands.delete(event)
                self._answers.transcribed(event.item_id, None, self._now_ms)
            case ResponseCreate():
                self._answers.create(event.response, self._now_ms)
            case ResponseCancel():
                self._answers.cancel(event.response_id)
            case OutputAudioClear():
                self._interruption.clear()
            case AudioAppend():
                raise AssertionError("the shell turns appends into AudioAppended")

    def _create_item(self, event: ItemCreate) -> None:
        item = self._commands.create(event)
        if isinstance(item, McpApprovalResponseItem):
            self._answers.approvals.answered(item)

    def _update(self, event: SessionUpdate, supplied: Prompted | None = None) -> None:
        state = self._state
        had_tools = state.talk.tools if state.converses else []
        state.config = updated(
            state.config,
            event.session,
            has_spoken=state.has_spoken,
            traits=state.traits,
            prompted=supplied,
        )
        state.outbox.send(SessionUpdated(event_id=state.outbox.event_id(), session=state.config))
        state.outbox.do(RecordConfig(state.config))
        self._listening.configure()
        changed = state.converses and state.talk.tools != had_tools
        self.import_tools(self._now_ms, again=changed or event.session.has("tools"))
