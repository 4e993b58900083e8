"""What a brain says, word by word, becomes the outputs of a response."""

from __future__ import annotations

from collections.abc import Mapping

from realtime.engine import (
    CLIENT_TOOL,
    BrainCallArguments,
    BrainCallFinished,
    BrainCallStarted,
    BrainText,
    SpeechRequest,
    ToolCall,
    ToolRoute,
)
from realtime.response.calls import ApprovalOutput, ToolOutput
from realtime.response.outputs import CallOutput, MessageOutput, Output
from realtime.response.settings import ResponseSettings
from realtime.session.effects import Speak
from realtime.session.outbox import Outbox


class Making:
    """Fills a response's outputs; they follow one another, the last one is being made."""

    def __init__(self, settings: ResponseSettings, outbox: Outbox, outputs: list[Output]) -> None:
        self._settings = settings
        self._outbox = outbox
        self._outputs = outputs
        self.routes: Mapping[str, ToolRoute] = {}
        """Who carries out the calls of each function the brain may call."""
        self._segments: dict[str, MessageOutput] = {}
        """Who is spoken by the segments whose speech has not ended."""

    def text(self, report: BrainText) -> None:
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
        output = MessageOutput(item_id=self._outbox.ids("item"), spoken=self._settings.spoken)
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
                    response_id=self._settings.response_id,
                    text=text.strip(),
                    voice=self._settings.voice_name,
                    speed=self._settings.speed,
                    language=self._settings.language,
                )
            )
        )

    def end_message(self) -> None:
        """What is being said is whole."""
        last = self._outputs[-1] if self._outputs else None
        if isinstance(last, MessageOutput) and not last.text_ended:
            if last.spoken:
                self._speak(last)
            last.text_ended = True

    def call_started(self, report: BrainCallStarted) -> None:
        """A function is called; what was said before ends here."""
        self.end_message()
        route = self.routes.get(report.name, CLIENT_TOOL)
        kind: type[CallOutput | ApprovalOutput | ToolOutput] = ToolOutput
        if route.executor in {"client", "skill"} and not route.checked:
            kind = CallOutput
        elif route.approval == "client" and not route.checked:
            kind = ApprovalOutput
        self._outputs.append(
            kind(
                item_id=self._outbox.ids("item"),
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

    def approved(self, call: ToolCall) -> None:
        """A call that the client agreed to is made."""
        self._outputs.append(
            ToolOutput(
                item_id=self._outbox.ids("item"),
                call_id=call.call_id,
                name=call.name,
                route=call.route,
                approval_request_id=call.approval_request_id,
                waiting_arguments=call.arguments,
                ended=True,
            )
        )

    def end(self) -> None:
        """The brain says no more."""
        self.end_message()
        for output in self._outputs:
            if not isinstance(output, MessageOutput):
                output.ended = True

    # --- speech ---

    def speaker(self, segment_id: str) -> MessageOutput | None:
        """Return whose segment it is, None if it is none of this response's."""
        return self._segments.get(segment_id)

    def segment_ended(self, segment_id: str) -> None:
        """A segment's speech is whole."""
        self._segments.pop(segment_id).segments -= 1
