"""The live responses of a session: one in the conversation, any number beside it.

Invariants: at most one live response per conversation; a response that is over
is forgotten, so that late reports find nothing.
"""

from __future__ import annotations

import json
from dataclasses import replace

from realtime.conversation import Entry, context_items
from realtime.engine import (
    BrainReport,
    BrainRequest,
    ContextItem,
    EngineFault,
    SpeechReport,
    Volunteered,
)
from realtime.errors import (
    ActiveResponse,
    CancelNotActive,
    ContextTooLong,
    InvalidValue,
    WireFault,
)
from realtime.events.client import ResponseParams
from realtime.events.items import ItemReferenceIn
from realtime.pacing import Pacer
from realtime.response.machine import CancelReason, LiveResponse
from realtime.response.settings import ResponseSettings, response_settings
from realtime.session.approvals import Approvals
from realtime.session.commands import sent_context
from realtime.session.effects import ReserveTokens, SendRateLimits
from realtime.session.estimated_playback import EstimatedPlayback
from realtime.session.features import check_images
from realtime.session.imports import Imports
from realtime.session.inputs import ToolProgressed, ToolReturned
from realtime.session.prepared import Prepared
from realtime.session.state import SessionState
from realtime.tokens import entry_tokens, item_tokens
from realtime.tools.offers import bounded
from realtime.truncation import fit, truncation_rule
from realtime.turns.transcripts import Transcripts
from realtime.usage import (
    InputDetails,
    OutputDetails,
    Usage,
    text_tokens,
)

RESERVED_OUTPUT_TOKENS = 4_096
"""Held for a response without a limit of its own: the most the service lets one have."""


class Answers:
    """Creates, feeds, advances and ends responses."""

    def __init__(
        self,
        state: SessionState,
        transcripts: Transcripts,
        imports: Imports,
        prepared: Prepared,
    ) -> None:
        self._state = state
        self._prepared = prepared
        self._imports = imports
        self.approvals = Approvals()
        self._joinable = ""
        """The response that began by itself after an approval and that a client may ask for too."""
        self._transcripts = transcripts
        self._default: LiveResponse | None = None
        self._others: dict[str, LiveResponse] = {}
        self._playback = EstimatedPlayback(state.outbox)
        self.ended = 0
        """Responses of the conversation that are over."""

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

    @property
    def playing(self) -> bool:
        """The caller still hears an answer, as far as can be told."""
        return self._playback.until_ms is not None or self._state.playback.audible

    def check_free(self, params: ResponseParams | None) -> None:
        """Refuse a second response in the conversation.

        Raises:
            ActiveResponse: one is live.
        """
        if self._default is not None and not _beside(params):
            raise ActiveResponse(self._default.id)

    # --- beginnings ---

    def create(self, params: ResponseParams | None, now_ms: int) -> None:
        """Begin a response.

        Raises:
            WireFault: it cannot begin; nothing was sent.
        """
        if self._joins(params):
            return
        self.check_free(params)
        known = None if _beside(params) else self._prepared.response_id
        settings = self._settings(params, response_id=known)
        response = self._new(settings)
        self._begin(response, now_ms)

    def foreseen(self, said: Entry) -> tuple[BrainRequest, InputDetails]:
        """Return what the brain would be asked after these words, and what it would read.

        Raises:
            WireFault: nothing; the response would fail.
        """
        settings = self._settings(None)
        entries = [replace(entry) for entry in self._state.conversation.entries()]
        context, given = self._readable(settings, [*entries, said])
        return self._request(settings, context), given

    def _begin(self, response: LiveResponse, now_ms: int) -> None:
        settings, state = response.settings, self._state
        response.announce()
        if settings.context is None and state.traits.needs_transcript:
            response.waiting_for = self._transcripts.pending()
        if settings.mcp:
            self._imports.begin(settings.tools, settings.mcp, now_ms, again=False)
            if settings.mcp.keys() - state.talk.mcp.keys():
                state.config = replace(state.talk, _mcp={**settings.mcp, **state.talk.mcp})
        self._think(response, now_ms)

    def _joins(self, params: ResponseParams | None) -> bool:
        """Say whether a client asks for what an approval has begun already (CONTRACT 8.5)."""
        if _beside(params) or self._default is None or self._default.id != self._joinable:
            return False
        self._joinable = ""
        return True

    def approved(self, now_ms: int) -> None:
        """Begin the response that an approval asks for, unless another has taken it up."""
        if self.approvals.due and self._default is None:
            response = self._new(self._settings(None))
            self._joinable = response.id
            self._begin(response, now_ms)

    def say(self, volunteered: Volunteered, now_ms: int) -> None:
        """Begin a response whose words are known already: nobody is asked to think."""
        response = self._new(self._settings(None, language=volunteered.language))
        response.announce()
        response.say(volunteered.text, now_ms)

    def create_refused(self, fault: WireFault) -> None:
        """Begin an automatic response that policy refused: it fails at once (DECISIONS 2.2)."""
        response = self._new(self._settings(None))
        response.announce()
        response.refuse(kind=fault.type, code=fault.code, message=fault.message)

    def _settings(
        self,
        params: ResponseParams | None,
        *,
        language: str | None = None,
        response_id: str | None = None,
    ) -> ResponseSettings:
        state = self._state
        context = None if params is None or params.input is None else self._own_context(params)
        return response_settings(
            state.talk,
            params,
            response_id=response_id or state.outbox.ids("resp"),
            context=context,
            language=language or state.spoken_language,
            voices=state.traits.voices,
            features=state.traits.features,
            has_spoken=state.has_spoken,
        )

    def _own_context(self, params: ResponseParams) -> tuple[ContextItem, ...]:
        items: list[ContextItem] = []
        for place, sent in enumerate(params.input or []):
            if not isinstance(sent, ItemReferenceIn):
                param = f"response.input[{place}].content"
                check_images(getattr(sent, "content", ()), self._state.traits.features, param=param)
                items.extend(sent_context(sent, new_id=self._state.outbox.ids))
                continue
            entry = self._state.conversation.get(sent.id)
            if entry is None:
                raise InvalidValue(
                    f"Item with id '{sent.id}' not found in conversation.",
                    param=f"response.input[{place}].id",
                )
            items.extend(context_items(entry))
        return tuple(items)

    def _new(self, settings: ResponseSettings) -> LiveResponse:
        state = self._state
        response = LiveResponse(
            settings,
            outbox=state.outbox,
            conversation=state.conversation,
            conversation_id=state.conversation_id,
            pacer=Pacer(first_ms=state.limits.first_audio_ms, factor=state.limits.pace),
            playback=state.playback,
            tool_rounds=state.limits.tool_rounds,
        )
        if settings.in_conversation:
            self._default = response
        else:
            self._others[response.id] = response
        return response

    def _think(self, response: LiveResponse, now_ms: int) -> None:
        """Ask for room in the allowance, once everything the brain must read is known."""
        begun = response.reserving or response.thinking_since is not None
        if response.waiting_for or begun or response.done:
            return
        if self._imports.pending(response.settings.tools):
            return
        try:
            self._read(response)
        except ContextTooLong as fault:
            response.refuse(kind=fault.type, code=fault.code, message=fault.message)
            return
        response.reserving = True
        given = Usage.of(response.input_usage, OutputDetails()).input_tokens
        most = response.settings.output_limit or RESERVED_OUTPUT_TOKENS
        self._state.outbox.do(
            ReserveTokens(response_id=response.id, input_tokens=given, output_tokens=most)
        )

    def _read(self, response: LiveResponse) -> None:
        """Decide what the brain reads, and count it.

        Raises:
            ContextTooLong: the conversation does not fit and may not be truncated.
        """
        entries = self._state.conversation.entries()
        response.context, response.input_usage = self._readable(response.settings, entries)

    def _readable(
        self, settings: ResponseSettings, entries: list[Entry]
    ) -> tuple[tuple[ContextItem, ...], InputDetails]:
        state, fixed = self._state, _fixed_tokens(settings)
        if settings.context is not None:
            return settings.context, _count(fixed, [item_tokens(i) for i in settings.context])
        rule = truncation_rule(
            state.talk.truncation, context_tokens=state.limits.context_tokens, fixed_tokens=fixed
        )
        read = fit(entries, rule, tokens=lambda entry: sum(entry_tokens(entry)))
        context = tuple(item for entry in read for item in context_items(entry))
        return context, _count(fixed, [entry_tokens(entry) for entry in read])

    def not_reserved(self, response_id: str, fault: WireFault) -> None:
        """The allowance is used up: the response fails, and used nothing."""
        response = self._by_id(response_id)
        if response is not None and response.reserving:
            response.refuse(kind=fault.type, code=fault.code, message=fault.message)

    def reserved(self, response_id: str, now_ms: int) -> None:
        """There is room: ask the brain."""
        response = self._by_id(response_id)
        if response is None or not response.reserving:
            return
        response.reserving = False
        try:
            request = self._request(response.settings, response.context)
        except WireFault as fault:
            response.refuse(kind=fault.type, code=fault.code, message=fault.message)
            return
        ours = response is self._default
        approved = self.approvals.take() if ours else ()
        if approved:  # it was begun without what these calls will tell
            self._prepared.discard()
        begun = ours and self._prepared.use(request)
        response.think(request, approved, now_ms, begun=begun)

    def _request(
        self, settings: ResponseSettings, context: tuple[ContextItem, ...]
    ) -> BrainRequest:
        own = settings.function_specs(without=self._state.narrowed)
        choice, tools = settings.choice(self._imports.offered(settings.tools, own))
        tools = bounded(tools, choice, most=self._state.limits.offered_tools)
        return BrainRequest(
            response_id=settings.response_id,
            items=context,
            instructions=settings.instructions,
            tools=tools,
            tool_choice=choice,
            parallel_calls=settings.parallel_calls,
            max_output_tokens=settings.output_limit,
            spoken=settings.spoken,
            in_conversation=settings.in_conversation,
            metadata=settings.metadata or {},
            language=settings.language,
        )

    def imports_ended(self, now_ms: int) -> None:
        """Responses may have waited for the tools of a server."""
        for response in self.live():
            self._think(response, now_ms)

    def tool_reported(self, report: ToolReturned | ToolProgressed, now_ms: int) -> None:
        """Hand a report of a call to its response; a stale one is ignored."""
        response = self._by_id(report.response_id)
        if response is not None:
            response.tool_reported(report, now_ms)

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
        if response is not None and response.thinking_since is not None:
            response.brain_reported(report)

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
                if response.sent_samples > before:
                    self._state.has_spoken = True
                    if not self._state.playback.has_leg:
                        self._playback.sent(response.sent_samples - before, now_ms)
                self.approvals.requested(response.to_approve)
                response.to_approve.clear()
            if response.done:
                self._forget(response, now_ms)
        self._playback.advance(now_ms)

    def _forget(self, response: LiveResponse, now_ms: int) -> None:
        if response.id == self._prepared.response_id:
            self._prepared.discard()  # its id is used up
        if response is self._default:
            self._default = None
            self.ended += 1
        else:
            self._others.pop(response.id, None)
        outbox = self._state.outbox
        outbox.do(SendRateLimits(outbox.event_id()))

    def deadline(self) -> int | None:
        """Return when `advance` has something to do, if it depends on time alone."""
        earliest = self._playback.until_ms
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
        if response is None or response.done:
            raise CancelNotActive
        self._stop(response, "client_cancelled")

    def interrupt(self) -> None:
        """The caller speaks: stop the conversation's response, and playback with it."""
        if self._default is not None:
            self._stop(self._default, "turn_detected")
        self._playback.end()

    def _stop(self, response: LiveResponse, reason: CancelReason) -> None:
        response.cancel(reason)
        if response is self._default:
            self._playback.end()

    def end_all(self) -> None:
        """The session is over: close out what is live."""
        for response in self.live():
            response.cancel("client_cancelled")
        self._default = None
        self._others.clear()


def _beside(params: ResponseParams | None) -> bool:
    """Say whether a response is asked for that is none of the conversation's."""
    return params is not None and params.has("conversation") and params.conversation == "none"


def _fixed_tokens(settings: ResponseSettings) -> int:
    """Instructions and tools count on every response (CONTRACT 10); text is estimated."""
    text = text_tokens(settings.instructions)
    if settings.tools:
        text += text_tokens(json.dumps(settings.tools, separators=(",", ":")))
    return text


def _count(fixed_tokens: int, counts: list[tuple[int, int, int]]) -> InputDetails:
    return InputDetails(
        text_tokens=fixed_tokens + sum(text for text, _, _ in counts),
        audio_tokens=sum(audio for _, audio, _ in counts),
        image_tokens=sum(images for _, _, images in counts),
    )
