"""The live responses of a session: one in the conversation, any number beside it.

Invariants: at most one live response per conversation; a response that is over
is forgotten, so that late reports find nothing.
"""

from __future__ import annotations

import json

from realtime.conversation import Conversation, Entry, context_item
from realtime.engine import (
    SAMPLE_RATE,
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
    SpeechReport,
)
from realtime.errors import (
    ActiveResponse,
    CancelNotActive,
    InvalidValue,
    NoUsableTool,
    WireFault,
)
from realtime.events.client import ResponseParams
from realtime.events.items import FunctionCallItem, FunctionOutputItem, ItemReferenceIn, MessageItem
from realtime.events.server import RateLimit, RateLimitsUpdated
from realtime.pacing import Pacer
from realtime.response.machine import CancelReason, LiveResponse
from realtime.response.settings import ResponseSettings, response_settings
from realtime.session.commands import sent_context
from realtime.session.effects import ReportPlayback, StartBrain
from realtime.session.state import SessionState
from realtime.turns.transcripts import Transcripts
from realtime.usage import (
    InputDetails,
    TokenWindow,
    assistant_audio_tokens,
    text_tokens,
    user_audio_tokens,
)


class Answers:
    """Creates, feeds, advances and ends responses."""

    def __init__(self, state: SessionState, transcripts: Transcripts) -> None:
        self._state = state
        self._transcripts = transcripts
        self._default: LiveResponse | None = None
        self._others: dict[str, LiveResponse] = {}
        self._window = TokenWindow(limit=state.limits.tokens_per_minute)
        self._playing_until_ms: int | None = None

    def live(self) -> tuple[LiveResponse, ...]:
        """Return the live responses, the conversation's first."""
        if self._others:
            others = tuple(self._others.values())
            return others if self._default is None else (self._default, *others)
        return () if self._default is None else (self._default,)

    @property
    def default_id(self) -> str | None:
        """The id of the conversation's live response."""
        return self._default.id if self._default is not None else None

    def check_free(self, params: ResponseParams | None) -> None:
        """Refuse a second response in the conversation.

        Raises:
            ActiveResponse: one is live.
        """
        beside = params is not None and params.has("conversation") and params.conversation == "none"
        if self._default is not None and not beside:
            raise ActiveResponse(self._default.id)

    # --- beginnings ---

    def create(self, params: ResponseParams | None, now_ms: int) -> LiveResponse:
        """Begin a response.

        Raises:
            WireFault: it cannot begin; nothing was sent.
        """
        self.check_free(params)
        settings = self._settings(params)
        response = self._new(settings)
        response.announce()
        if settings.context is None and self._state.traits.needs_transcript:
            response.waiting_for = self._transcripts.pending()
        self._think(response, now_ms)
        return response

    def create_refused(self, fault: WireFault) -> None:
        """Begin an automatic response that policy refused: it fails at once (DECISIONS 2.2)."""
        response = self._new(self._settings(None))
        response.announce()
        response.refuse(kind=fault.type, code=fault.code, message=fault.message)

    def _settings(self, params: ResponseParams | None) -> ResponseSettings:
        state = self._state
        context = None if params is None or params.input is None else self._own_context(params)
        return response_settings(
            state.config, params, response_id=state.outbox.ids("resp"), context=context
        )

    def _own_context(self, params: ResponseParams) -> tuple[ContextItem, ...]:
        items: list[ContextItem] = []
        for place, sent in enumerate(params.input or []):
            if not isinstance(sent, ItemReferenceIn):
                items.append(sent_context(sent, new_id=self._state.outbox.ids))
                continue
            entry = self._state.conversation.get(sent.id)
            if entry is None:
                raise InvalidValue(
                    f"Item with id '{sent.id}' not found in conversation.",
                    param=f"response.input[{place}].id",
                )
            items.append(context_item(entry))
        return tuple(items)

    def _new(self, settings: ResponseSettings) -> LiveResponse:
        state = self._state
        response = LiveResponse(
            settings,
            outbox=state.outbox,
            conversation=state.conversation,
            conversation_id=state.conversation_id,
            pacer=Pacer(first_ms=state.limits.first_audio_ms, factor=state.limits.pace),
        )
        if settings.in_conversation:
            self._default = response
        else:
            self._others[response.id] = response
        return response

    def _think(self, response: LiveResponse, now_ms: int) -> None:
        """Ask the brain, once everything it must read is known."""
        if response.waiting_for or response.thinking_since is not None or response.done:
            return
        settings, state = response.settings, self._state
        tools = settings.function_specs(without=state.narrowed)
        context = settings.context
        response.input_usage = _input_usage(settings, state.conversation)
        if settings.tool_choice == "required" and not tools:
            fault = NoUsableTool()
            response.refuse(kind=fault.type, code=fault.code, message=fault.message)
            return
        response.thinking_since = now_ms
        response.routes = {tool.name: tool.route for tool in tools}
        request = BrainRequest(
            response_id=response.id,
            items=state.conversation.context() if context is None else context,
            instructions=settings.instructions,
            tools=tools,
            tool_choice=settings.brain_choice(),
            max_output_tokens=settings.output_limit,
            spoken=settings.spoken,
            in_conversation=settings.in_conversation,
            metadata=settings.metadata or {},
        )
        state.outbox.do(StartBrain(request))

    def transcribed(self, item_id: str, fault: EngineFault | None, now_ms: int) -> None:
        """A transcript that responses may wait for is known, or never will be."""
        for response in self.live():
            if item_id in response.waiting_for:
                response.waiting_for.discard(item_id)
                if fault is not None:
                    response.fail(fault)
                self._think(response, now_ms)

    # --- reports ---

    def brain_reported(self, report: BrainReport) -> None:
        """Hand a report to its response; a stale one is ignored."""
        response = self._by_id(report.response_id)
        if response is None or response.thinking_since is None:
            return
        match report:
            case BrainText():
                response.text_made(report)
            case BrainCallStarted():
                response.call_started(report)
            case BrainCallArguments():
                response.call_argued(report)
            case BrainCallFinished():
                response.call_finished(report)
            case BrainFinished():
                response.brain_finished(report)
            case BrainFailed():
                response.brain_failed(report)

    def speech_reported(self, report: SpeechReport) -> None:
        """Hand a report to the response that owns the segment; a stale one is ignored."""
        for response in self.live():
            if response.speech_reported(report):
                return

    def _by_id(self, response_id: str) -> LiveResponse | None:
        if self._default is not None and self._default.id == response_id:
            return self._default
        return self._others.get(response_id)

    # --- time ---

    def advance(self, now_ms: int) -> None:
        """Send what may be sent now; forget what is over."""
        for response in self.live():
            before = response.sent_samples
            response.advance(now_ms)
            if response is self._default:
                self._account_playback(response.sent_samples - before, now_ms)
            if response.done:
                self._forget(response, now_ms)
        if self._playing_until_ms is not None and now_ms >= self._playing_until_ms:
            self._end_playback()

    def _account_playback(self, samples: int, now_ms: int) -> None:
        if samples == 0:
            return
        self._state.has_spoken = True
        if self._playing_until_ms is None:
            self._state.outbox.do(ReportPlayback(playing=True))
        start = max(self._playing_until_ms or now_ms, now_ms)
        self._playing_until_ms = start + samples * 1000 // SAMPLE_RATE

    def _forget(self, response: LiveResponse, now_ms: int) -> None:
        if response is self._default:
            self._default = None
        else:
            self._others.pop(response.id, None)
        limit, remaining, reset_s = self._window.spend(response.usage().total_tokens, now_ms)
        entry = RateLimit(name="tokens", limit=limit, remaining=remaining, reset_seconds=reset_s)
        outbox = self._state.outbox
        outbox.send(RateLimitsUpdated(event_id=outbox.event_id(), rate_limits=[entry]))

    def deadline(self) -> int | None:
        """Return when `advance` has something to do, if it depends on time alone."""
        earliest = self._playing_until_ms
        for response in self.live():
            due = response.deadline()
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        return earliest

    # --- ends ---

    def cancel(self, response_id: str | None) -> None:
        """Carry `response.cancel` out.

        Raises:
            CancelNotActive: there is nothing to cancel.
        """
        response = self._default if response_id is None else self._by_id(response_id)
        if response is None:
            raise CancelNotActive
        self._stop(response, "client_cancelled")

    def interrupt(self) -> None:
        """The caller speaks: stop the conversation's response, and playback with it."""
        if self._default is not None:
            self._stop(self._default, "turn_detected")
        self._end_playback()

    def _stop(self, response: LiveResponse, reason: CancelReason) -> None:
        response.cancel(reason)
        if response is self._default:
            self._end_playback()

    def _end_playback(self) -> None:
        if self._playing_until_ms is not None:
            self._playing_until_ms = None
            self._state.outbox.do(ReportPlayback(playing=False))

    def end_all(self) -> None:
        """The session is over: close out what is live."""
        for response in self.live():
            response.cancel("client_cancelled")
        self._default = None
        self._others.clear()


def _input_usage(settings: ResponseSettings, conversation: Conversation) -> InputDetails:
    """Instructions and tools count on every response (CONTRACT 10); text is estimated."""
    text = text_tokens(settings.instructions)
    if settings.tools:
        text += text_tokens(json.dumps(settings.tools, separators=(",", ":")))
    if settings.context is not None:
        return InputDetails(text_tokens=text + sum(text_tokens(i.text) for i in settings.context))
    audio = 0
    for entry in conversation.entries():
        written, heard = _entry_tokens(entry)
        text += written
        audio += heard
    return InputDetails(text_tokens=text, audio_tokens=audio)


def _entry_tokens(entry: Entry) -> tuple[int, int]:
    item = entry.item
    if isinstance(item, FunctionCallItem):
        return text_tokens(item.arguments), 0
    if isinstance(item, FunctionOutputItem):
        return text_tokens(item.output), 0
    if isinstance(item, MessageItem) and entry.audio_samples:
        count = user_audio_tokens if item.role == "user" else assistant_audio_tokens
        return 0, count(entry.audio_samples)
    return text_tokens(context_item(entry).text), 0
