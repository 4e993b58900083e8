"""One live response.

Invariants: one `response.done` for each `response.created`; nothing of a
response after its `done`; each item that was added has its done, cancelled or
not; items follow one another (CONTRACT 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from realtime.conversation import Conversation
from realtime.engine import (
    CLIENT_TOOL,
    BrainCallArguments,
    BrainCallFinished,
    BrainCallStarted,
    BrainFailed,
    BrainFinished,
    BrainRequest,
    BrainText,
    BrainUsage,
    ContextItem,
    EngineFault,
    SpeechFailed,
    SpeechFinished,
    SpeechProduced,
    SpeechReport,
    SpeechRequest,
    ToolCall,
    ToolRoute,
)
from realtime.events.items import Item, ItemStatus
from realtime.events.server import (
    ResponseAudio,
    ResponseAudioFormat,
    ResponseCreated,
    ResponseDone,
    ResponseObject,
    ResponseStatus,
)
from realtime.pacing import Pacer
from realtime.response.calls import (
    ApprovalOutput,
    ToolOutput,
    ToolRunner,
    due_ms,
    summed,
)
from realtime.response.outputs import CallOutput, MessageOutput, Output
from realtime.response.settings import ResponseSettings
from realtime.response.stream import ResponseStream
from realtime.session.effects import (
    CallTool,
    CancelBrain,
    CancelSpeech,
    RecordUsage,
    Speak,
    StartBrain,
)
from realtime.session.inputs import ToolReturned
from realtime.session.outbox import Outbox
from realtime.usage import (
    BYTES_PER_TOKEN,
    CachedDetails,
    InputDetails,
    OutputDetails,
    Usage,
    assistant_audio_tokens,
    text_tokens,
)

TOO_MANY_ROUNDS = EngineFault("too_many_tool_calls", "The model called tools without end.")

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
        self.routes: Mapping[str, ToolRoute] = {}
        """Who carries out the calls of each function the brain may call."""
        self.context: tuple[ContextItem, ...] = ()
        """What the brain reads."""
        self.input_usage = InputDetails()
        self._outbox = outbox
        self._conversation_id = conversation_id if settings.in_conversation else None
        self._stream = ResponseStream(
            settings.response_id, outbox, conversation if settings.in_conversation else None
        )
        self._pacer = pacer
        self._sent_samples = 0
        self._outputs: list[Output] = []
        self._segments: dict[str, MessageOutput] = {}
        """Who is spoken by the segments whose speech has not ended."""
        self._shown: list[Item] = []
        self._place = 0
        """How many outputs are over."""
        self.to_approve: list[ToolCall] = []
        """Calls that the client was asked about and nobody has fetched yet."""
        self._tools = ToolRunner(settings.response_id, outbox)
        self._request: BrainRequest | None = None
        self._round = 0
        """Where the outputs of this round of thinking begin."""
        self._rounds_left = tool_rounds
        self._thinking = True
        self._brain_usage: BrainUsage | None = None
        self._cut: str | None = None

    @property
    def id(self) -> str:
        """The response's id."""
        return self.settings.response_id

    @property
    def sent_samples(self) -> int:
        """Audio sent so far."""
        return self._sent_samples

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
        self.routes = {tool.name: tool.route for tool in request.tools}
        self._request = request
        if not approved:
            if not begun:
                self._outbox.do(StartBrain(request))
            return
        self._thinking = False
        for call in approved:
            output = ToolOutput(
                item_id=self._outbox.ids("item"),
                index=self._next_index(),
                call_id=call.call_id,
                name=call.name,
                route=call.route,
                approval_request_id=call.approval_request_id,
                waiting_arguments=call.arguments,
                ended=True,
            )
            self._outputs.append(output)

    def _think_on(self) -> bool:
        """Ask the brain again after the gateway's calls; return False if there is no reason to."""
        made = self._outputs[self._round :]
        calls = [output for output in made if isinstance(output, ToolOutput)]
        others = any(isinstance(output, CallOutput | ApprovalOutput) for output in made)
        if self._request is None or self._cut or others or not calls:
            return False
        if not self._rounds_left:
            self.fail(TOO_MANY_ROUNDS)
            return True
        self._rounds_left -= 1
        forbidden = self._request.tool_choice == "none" or not self._rounds_left
        self._request = replace(
            self._request,
            items=(*self._request.items, *(item for output in made for item in _context(output))),
            tool_choice="none" if forbidden else "auto",
        )
        self._round = len(self._outputs)
        self._thinking = True
        self._outbox.do(StartBrain(self._request))
        return True

    def tool_returned(self, report: ToolReturned) -> None:
        """A call of the gateway's is over; a late one is ignored."""
        for output in self._outputs:
            if not isinstance(output, ToolOutput) or not output.running:
                continue
            if output.call_id == report.call_id:
                output.returned = True
                output.output, output.error = report.output, report.error
                return

    def _next_index(self) -> int:
        return sum(not (isinstance(o, ToolOutput) and o.hidden) for o in self._outputs)

    # --- reports of the brain ---

    def text_made(self, report: BrainText) -> None:
        """The answer goes on."""
        output = self._open_message()
        output.waiting_text += report.text
        if output.spoken:
            output.unspoken += report.text
            if report.complete:
                self._speak(output)

    def _open_message(self) -> MessageOutput:
        last = self._outputs[-1] if self._outputs else None
        if isinstance(last, MessageOutput) and not last.text_ended:
            return last
        output = MessageOutput(
            item_id=self._outbox.ids("item"),
            index=self._next_index(),
            spoken=self.settings.spoken,
        )
        self._outputs.append(output)
        return output

    def _speak(self, output: MessageOutput) -> None:
        text = output.unspoken
        output.unspoken = ""
        if not text.strip():
            return
        segment_id = self._outbox.ids("seg")
        output.segments += 1
        self._segments[segment_id] = output
        self._outbox.do(
            Speak(
                SpeechRequest(
                    segment_id=segment_id,
                    response_id=self.id,
                    text=text.strip(),
                    voice=self.settings.voice_name,
                    speed=self.settings.speed,
                    language=self.settings.language,
                )
            )
        )

    def _end_message(self) -> None:
        last = self._outputs[-1] if self._outputs else None
        if isinstance(last, MessageOutput) and not last.text_ended:
            if last.spoken:
                self._speak(last)
            last.text_ended = True

    def call_started(self, report: BrainCallStarted) -> None:
        """A function is called; what was said before ends here."""
        self._end_message()
        route = self.routes.get(report.name, CLIENT_TOOL)
        kind: type[CallOutput | ApprovalOutput | ToolOutput] = ToolOutput
        if route.executor in {"client", "skill"}:
            kind = CallOutput
        elif route.approval == "client":
            kind = ApprovalOutput
        self._outputs.append(
            kind(
                item_id=self._outbox.ids("item"),
                index=self._next_index(),
                call_id=report.call_id,
                name=report.name,
                route=route,
            )
        )

    def call_argued(self, report: BrainCallArguments) -> None:
        """The call's arguments go on."""
        output = self._call(report.call_id)
        if output is not None:
            output.waiting_arguments += report.delta

    def call_finished(self, report: BrainCallFinished) -> None:
        """The call's arguments are whole."""
        output = self._call(report.call_id)
        if output is not None:
            output.ended = True

    def _call(self, call_id: str) -> CallOutput | ToolOutput | ApprovalOutput | None:
        for output in self._outputs:
            if isinstance(output, MessageOutput) or output.ended:
                continue
            if output.call_id == call_id:
                return output
        return None

    def brain_finished(self, report: BrainFinished) -> None:
        """The brain has said everything."""
        self._end_message()
        self._thinking = False
        self._brain_usage = summed(self._brain_usage, report.usage) if self._round else report.usage
        self._cut = report.cut
        for output in self._outputs:
            if not isinstance(output, MessageOutput):
                output.ended = True

    def brain_failed(self, report: BrainFailed) -> None:
        """The brain broke down."""
        self._thinking = False
        self.fail(report.fault)

    # --- reports of synthesis ---

    def speech_reported(self, report: SpeechReport) -> bool:
        """Take a report of synthesis; return False if the segment is none of this response's."""
        output = self._segments.get(report.segment_id)
        if output is None:
            return False
        match report:
            case SpeechProduced():
                output.waiting_samples += report.samples
            case SpeechFinished():
                del self._segments[report.segment_id]
                output.segments -= 1
            case SpeechFailed():
                self.fail(report.fault)
        return True

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
        if not output.opened:
            self._stream.open(output)
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
        if not output.opened and not output.hidden:
            self._stream.open(output)
        if output.hidden:
            output.arguments += output.waiting_arguments
            output.waiting_arguments = ""
        else:
            self._flush(output, now_ms)
        if self.done or not output.ended:
            return False
        if self._is_cut(output):
            return self._skip(output)
        self._tools.start(self._outputs[self._place :], now_ms)
        self._tools.tell(output)
        if not output.returned:
            return False
        self._tools.tell_end(output)
        return self._skip(output)

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
        if output.waiting_text:
            delta, output.waiting_text = output.waiting_text, ""
            self._flush_words(output, delta)
        while not self.done:
            piece = self._pacer.next_piece(output.waiting_samples, now_ms, last=output.last_samples)
            if piece == 0:
                return
            if self._over_limit(self._sent_samples + piece):
                self.stop_incomplete("max_output_tokens")
                return
            self._sent_samples += piece
            self._stream.audio(output, piece)

    def _flush_words(self, output: Output, delta: str) -> None:
        """Send text, transcript or arguments, as far as the limit lets them through."""
        fits = self._fitting(output, delta)
        if fits:
            if isinstance(output, CallOutput):
                self._stream.arguments(output, fits)
            elif isinstance(output, ToolOutput):
                self._tools.arguments(output, fits)
            elif isinstance(output, MessageOutput):
                self._stream.text(output, fits)
        if len(fits) < len(delta):
            self.stop_incomplete("max_output_tokens")

    def _fitting(self, output: Output, delta: str) -> str:
        limit = self.settings.output_limit
        if limit is None:
            return delta
        spent = assistant_audio_tokens(self._sent_samples) + sum(
            text_tokens(made.words) for made in self._outputs if made is not output
        )
        room = (limit - spent) * BYTES_PER_TOKEN - len(output.words.encode())
        return delta.encode()[: max(room, 0)].decode(errors="ignore")

    def _over_limit(self, samples: int) -> bool:
        limit = self.settings.output_limit
        if limit is None:
            return False
        spent = self._output_details().text_tokens + assistant_audio_tokens(samples)
        return spent > limit

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
        usage = self.usage()
        shown = self._object(status, details, usage=usage)
        self._outbox.send(ResponseDone(event_id=self._outbox.event_id(), response=shown))
        self._outbox.do(
            RecordUsage(
                response_id=self.id,
                status=status,
                usage=usage,
                estimated=self._brain_usage is None,
            )
        )

    def usage(self) -> Usage:
        """Return the tokens so far: the model's own count, else the estimate."""
        given, made = self.input_usage, self._output_details()
        counted = self._brain_usage
        if counted is not None:
            given = InputDetails(
                text_tokens=counted.input_text_tokens,
                audio_tokens=given.audio_tokens,
                image_tokens=given.image_tokens,
                cached_tokens=counted.cached_text_tokens,
                cached_tokens_details=CachedDetails(text_tokens=counted.cached_text_tokens),
            )
            made = OutputDetails(counted.output_text_tokens, made.audio_tokens)
        return Usage.of(given, made)

    def _output_details(self) -> OutputDetails:
        text = sum(text_tokens(made.words) for made in self._outputs)
        return OutputDetails(text, assistant_audio_tokens(self._sent_samples))

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


def _context(output: Output) -> tuple[ContextItem, ...]:
    """Return what a later round of the same response reads of an output."""
    if isinstance(output, ToolOutput):
        return output.context()
    if isinstance(output, MessageOutput):
        said = ContextItem(
            item_id=output.item_id, kind="message", role="assistant", text=output.text
        )
        return (said,)
    return ()
