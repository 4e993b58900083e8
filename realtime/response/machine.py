"""One live response.

Invariants: one `response.done` for each `response.created`; nothing of a
response after its `done`; each item that was added has its done, cancelled or
not; items follow one another (CONTRACT 8).
"""

from __future__ import annotations

from typing import Any, Literal

from realtime.conversation import Conversation
from realtime.engine import (
    BrainCallArguments,
    BrainCallFinished,
    BrainCallStarted,
    BrainFailed,
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainText,
    ContextItem,
    EngineFault,
    SpeechFailed,
    SpeechFinished,
    SpeechProduced,
    SpeechReport,
    ToolCall,
)
from realtime.events.items import Item, ItemStatus
from realtime.events.response_events import (
    ResponseAudio,
    ResponseAudioFormat,
    ResponseCreated,
    ResponseDone,
    ResponseObject,
    ResponseStatus,
)
from realtime.pacing import Pacer
from realtime.response.budget import Budget
from realtime.response.calls import ApprovalOutput, ToolOutput, ToolRunner, due_ms
from realtime.response.making import Making
from realtime.response.outputs import CallOutput, MessageOutput, Output, handed_over
from realtime.response.rounds import TOO_MANY_ROUNDS, Rounds
from realtime.response.settings import ResponseSettings
from realtime.response.stream import ResponseStream
from realtime.session.effects import (
    CallTool,
    CancelBrain,
    CancelSpeech,
    RecordUsage,
    StartBrain,
)
from realtime.session.inputs import ToolProgressed, ToolReturned
from realtime.session.outbox import Outbox
from realtime.session.playback import Playback
from realtime.usage import InputDetails, Usage

CancelReason = Literal["client_cancelled", "turn_detected"]


class LiveResponse:
    """From `response.created` to `response.done`; `done` tells that it is over."""

    def __init__(
        self,
        settings: ResponseSettings,
        *,
        outbox: Outbox,
        conversation: Conversation,
        conversation_id: str,
        pacer: Pacer,
        playback: Playback,
        tool_rounds: int = 8,
    ) -> None:
        self.settings = settings
        self.done = False
        self.waiting_for: set[str] = set()
        """The utterances whose transcripts the brain needs first."""
        self.reserving = False
        """The allowance was asked for room and has not answered."""
        self.thinking_since: int | None = None
        """When the brain was asked (ms), None before."""
        self.context: tuple[ContextItem, ...] = ()
        """What the brain reads."""
        self.input_usage = InputDetails()
        self.to_approve: list[ToolCall] = []
        """Calls that the client was asked about and nobody has fetched yet."""
        self._outbox = outbox
        self._conversation_id = conversation_id if settings.in_conversation else None
        self._stream = ResponseStream(
            settings.response_id,
            outbox,
            conversation if settings.in_conversation else None,
            playback,
        )
        self._pacer = pacer
        self._outputs: list[Output] = []
        self._making = Making(settings, outbox, self._outputs)
        self._budget = Budget(self._outputs, settings.output_limit)
        self._shown: list[Item] = []
        self._place = 0
        """How many outputs are over."""
        self._tools = ToolRunner(settings.response_id, outbox)
        self._tool_rounds = tool_rounds
        self._rounds: Rounds | None = None
        """None where nobody is asked to think."""
        self._thinking = True
        self._cut: str | None = None

    @property
    def id(self) -> str:
        """The response's id."""
        return self.settings.response_id

    @property
    def sent_samples(self) -> int:
        """Audio sent so far."""
        return self._budget.sent_samples

    def announce(self) -> None:
        """Send `response.created`."""
        shown = self._object("in_progress", None, usage=None)
        self._outbox.send(ResponseCreated(event_id=self._outbox.event_id(), response=shown))

    def think(
        self,
        request: BrainRequest,
        approved: tuple[ToolCall, ...],
        now_ms: int,
        *,
        begun: bool = False,
    ) -> None:
        """Ask the brain, unless it has `begun`, after the calls that the client agreed to."""
        self.thinking_since = now_ms
        self._making.routes = {tool.name: tool.route for tool in request.tools}
        self._rounds = Rounds(request, self.input_usage, left=self._tool_rounds)
        if not approved:
            first = self._rounds.first()
            if not begun:
                self._outbox.do(StartBrain(first))
            return
        self._thinking = False
        for call in approved:
            self._making.approved(call)

    def _think_on(self) -> bool:
        """Ask the brain again after the gateway's calls; return False if there is no reason to."""
        if self._rounds is None or self._cut or not self._rounds.wanted(self._outputs):
            return False
        if not self._rounds.left:
            self.fail(TOO_MANY_ROUNDS)
            return True
        self._thinking = True
        self._outbox.do(StartBrain(self._rounds.another(self._outputs)))
        return True

    # --- reports ---

    def brain_reported(self, report: BrainReport) -> None:
        """The brain says something."""
        match report:
            case BrainText():
                self._making.text(report)
            case BrainCallStarted():
                self._making.call_started(report)
            case BrainCallArguments():
                self._making.call_argued(report)
            case BrainCallFinished():
                self._making.call_finished(report)
            case BrainFinished():
                self._brain_finished(report)
            case BrainFailed():
                self._thinking = False
                self.fail(report.fault)

    def _brain_finished(self, report: BrainFinished) -> None:
        self._making.end()
        self._thinking = False
        self._cut = report.cut
        if self._rounds is not None:
            self._rounds.finished(report.usage)

    def say(self, text: str, now_ms: int) -> None:
        """Say what is known already: nobody is asked to think."""
        self.thinking_since = now_ms
        self._making.text(BrainText(self.id, text))
        self._brain_finished(BrainFinished(self.id))

    def speech_reported(self, report: SpeechReport) -> bool:
        """Take a report of synthesis; return False if the segment is none of this response's."""
        output = self._making.speaker(report.segment_id)
        if output is None:
            return False
        match report:
            case SpeechProduced():
                output.waiting_samples += report.samples
            case SpeechFinished():
                self._making.segment_ended(report.segment_id)
            case SpeechFailed():
                self.fail(report.fault)
        return True

    def tool_reported(self, report: ToolReturned | ToolProgressed, now_ms: int) -> None:
        """A call of the gateway's is over, or goes on; a late report is ignored."""
        self._tools.reported(self._outputs[self._place :], report, now_ms)

    # --- towards the wire ---

    def advance(self, now_ms: int) -> None:
        """Send what may be sent now; finish when everything is sent."""
        self._tools.expire(self._outputs[self._place :], now_ms)
        while not self.done:
            output = self._current()
            if output is None:
                break
            if isinstance(output, ToolOutput):
                went_on = self._advance_tool(output, now_ms)
            else:
                went_on = self._advance_item(output, now_ms)
            if not went_on:
                return
        if not self.done and not self._thinking and not self._think_on():
            self._finish()

    def _advance_item(self, output: Output, now_ms: int) -> bool:
        """Show what there is of an item; return whether it is over."""
        if isinstance(output, ApprovalOutput) and (not output.ended or self._is_cut(output)):
            return self._skip(output)
        self._open(output)
        self._flush(output, now_ms)
        if self.done or not output.finished:
            return False
        status: ItemStatus = "incomplete" if self._is_cut(output) else "completed"
        self._close(output, status)
        if isinstance(output, CallOutput) and status == "completed":
            self._outbox.do(CallTool(output.call(self.id)))
        elif isinstance(output, ApprovalOutput):
            self.to_approve.append(output.call(self.id))
        return True

    def _advance_tool(self, output: ToolOutput, now_ms: int) -> bool:
        """Carry a call of the gateway's on; return whether it is over."""
        if output.hidden:
            output.arguments += output.waiting_arguments
            output.waiting_arguments = ""
        else:
            self._open(output)
            self._flush(output, now_ms)
        if self.done or not output.ended:
            return False
        if self._is_cut(output):
            return self._skip(output)
        self._tools.start(self._outputs[self._place :], now_ms)
        self._tools.tell(output)
        if not output.returned:
            return False
        if output.route.checked and output.error is None:
            self._outputs[self._place] = handed_over(output)
            return True
        self._tools.tell_end(output)
        return self._skip(output)

    def _open(self, output: Output) -> None:
        if not output.opened:
            output.index = len(self._shown)
            self._stream.open(output)

    def _skip(self, output: ToolOutput | ApprovalOutput) -> bool:
        """Leave a call behind that is over, or was cut off; return whether that is so."""
        if not output.ended:
            return False
        if output.opened:
            self._close(output, "completed")
        else:
            self._place += 1
        return True

    def _close(self, output: Output, status: ItemStatus) -> None:
        self._shown.append(self._stream.close(output, status))
        self._place += 1

    def _is_cut(self, output: Output) -> bool:
        return bool(self._cut) and output is self._outputs[-1]

    def _current(self) -> Output | None:
        return self._outputs[self._place] if self._place < len(self._outputs) else None

    def _flush(self, output: Output, now_ms: int) -> None:
        if isinstance(output, ApprovalOutput):
            return
        if not isinstance(output, MessageOutput):
            if output.waiting_arguments:
                delta, output.waiting_arguments = output.waiting_arguments, ""
                self._flush_words(output, delta)
            return
        if output.waiting_samples:
            self._stream.audio_begins(output)
        if output.waiting_text and not self._stream.holds_text(output):
            delta, output.waiting_text = output.waiting_text, ""
            self._flush_words(output, delta)
        while not self.done:
            piece = self._pacer.next_piece(output.waiting_samples, now_ms, last=output.last_samples)
            if piece == 0:
                return
            if self._budget.is_over(piece):
                self.stop_incomplete("max_output_tokens")
                return
            self._budget.sent_samples += piece
            self._stream.audio(output, piece)

    def _flush_words(self, output: Output, delta: str) -> None:
        """Send text, transcript or arguments, as far as the limit lets them through."""
        fits = self._budget.fitting(output, delta)
        if fits:
            if isinstance(output, CallOutput):
                self._stream.arguments(output, fits)
            elif isinstance(output, ToolOutput):
                self._tools.arguments(output, fits)
            elif isinstance(output, MessageOutput):
                self._stream.text(output, fits)
        if len(fits) < len(delta):
            self.stop_incomplete("max_output_tokens")

    def deadline(self) -> int | None:
        """Return when `advance` has more to send, if it depends on time alone."""
        output = self._current()
        if self.done:
            return None
        if type(output) is ToolOutput:
            return due_ms(self._outputs[self._place :])
        if type(output) is not MessageOutput or not output.waiting_samples:
            return None
        return self._pacer.due_ms(output.waiting_samples, last=output.last_samples)

    # --- ends ---

    def cancel(self, reason: CancelReason) -> None:
        """Stop, close out what is open, and say why."""
        self._stop("cancelled", {"type": "cancelled", "reason": reason})

    def fail(self, fault: EngineFault) -> None:
        """A part under the response broke: no `error` event, a failed response (CONTRACT 8.13)."""
        error = {"type": "server_error", "code": fault.code, "message": fault.message}
        self._stop("failed", {"type": "failed", "error": error})

    def refuse(self, *, kind: str, code: str | None, message: str) -> None:
        """What was asked for cannot be: policy refused it (DECISIONS 2.2), or no tool is there.

        Nobody was asked to think, so nothing was used.
        """
        self.input_usage = InputDetails()
        self._rounds = None
        error = {"type": kind, "code": code, "message": message}
        self._stop("failed", {"type": "failed", "error": error})

    def stop_incomplete(self, reason: str) -> None:
        """A limit cut the answer."""
        self._stop("incomplete", {"type": "incomplete", "reason": reason})

    def _stop(self, status: ResponseStatus, details: dict[str, Any]) -> None:
        if self.done:
            return
        if self._thinking and self.thinking_since is not None:
            self._outbox.do(CancelBrain(self.id))
        self._outbox.do(CancelSpeech(self.id))
        self._tools.cancel(self._outputs[self._place :])
        output = self._current()
        if output is not None and output.opened:
            if isinstance(output, ToolOutput):
                self._tools.tell_end(output)
            self._close(output, "incomplete")
        self._end(status, details)

    def _finish(self) -> None:
        if self._cut:
            self._end("incomplete", {"type": "incomplete", "reason": self._cut})
        else:
            self._end("completed", None)

    def _end(self, status: ResponseStatus, details: dict[str, Any] | None) -> None:
        self.done = True
        counted = self._rounds.counted() if self._rounds else None
        given = self._rounds.estimated() if self._rounds else self.input_usage
        usage = self._budget.usage(given, counted)
        shown = self._object(status, details, usage=usage)
        self._outbox.send(ResponseDone(event_id=self._outbox.event_id(), response=shown))
        self._stream.done()
        self._outbox.do(
            RecordUsage(
                response_id=self.id,
                status=status,
                usage=usage,
                estimated=counted is None,
            )
        )

    def _object(
        self, status: ResponseStatus, details: dict[str, Any] | None, *, usage: Usage | None
    ) -> ResponseObject:
        settings = self.settings
        return ResponseObject(
            id=settings.response_id,
            status=status,
            status_details=details,
            output=list(self._shown),
            conversation_id=self._conversation_id,
            output_modalities=settings.output_modalities,
            max_output_tokens=settings.max_output_tokens,
            audio=ResponseAudio(
                output=ResponseAudioFormat(format=settings.output_format, voice=settings.voice)
            ),
            usage=usage,
            metadata=settings.metadata,
        )
