"""The session machine: one conversation session from its first controller to its end.

`receive` an input, drain `effects`, call `expire` at `deadline`. Pure and
deterministic under the injected ids and the given instants.

Invariants: client events take effect in the order they came, also while
admission is asked; a refused update changes nothing; after the end no effect
is produced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realtime.conversation import Conversation
from realtime.engine import (
    BrainCallArguments,
    BrainCallFinished,
    BrainCallStarted,
    BrainFailed,
    BrainFinished,
    BrainText,
    DetectionLost,
    RecognitionFailed,
    SpeechFailed,
    SpeechFinished,
    SpeechProbability,
    SpeechProduced,
    TranscriptFinal,
    TranscriptPartial,
    TurnHypothesis,
    Volunteered,
)
from realtime.errors import SessionExpired, WireFault
from realtime.events.server import SessionCreated
from realtime.ports import IdSource
from realtime.session.answers import Answers
from realtime.session.commands import ItemCommands
from realtime.session.config import AnySessionConfig
from realtime.session.effects import Close, Effect, RecordConfig
from realtime.session.imports import Imports
from realtime.session.initiative import Initiative
from realtime.session.inputs import (
    Allowed,
    AudioAppended,
    Drained,
    EndReason,
    EngineTraits,
    FromClient,
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
    SessionLimits,
    Shutdown,
    SpeculationRoom,
    TokensRefused,
    TokensReserved,
    ToolProgressed,
    ToolReturned,
    ToolsImported,
    ToolsNotImported,
)
from realtime.session.interruption import Interruption
from realtime.session.outbox import Outbox
from realtime.session.playback import ConversationCuts, Playback
from realtime.session.prepared import Prepared
from realtime.session.questions import Questions
from realtime.session.requests import Requests
from realtime.session.speculation import Speculation
from realtime.session.state import SessionState
from realtime.turns.endpointing import Began, Ended
from realtime.turns.listening import Listening
from realtime.turns.transcripts import Transcripts


class Session:
    """A conversation session."""

    def __init__(
        self,
        config: AnySessionConfig,
        *,
        ids: IdSource,
        noise: Callable[[int], str],
        limits: SessionLimits | None = None,
        traits: EngineTraits | None = None,
        opened_ms: int = 0,
        has_leg: bool = False,
    ) -> None:
        outbox, conversation = Outbox(ids, noise), Conversation()
        self._state = SessionState(
            config=config,
            conversation_id=ids("conv"),
            outbox=outbox,
            limits=limits or SessionLimits(),
            traits=traits or EngineTraits(),
            conversation=conversation,
            playback=Playback(outbox, ConversationCuts(outbox, conversation), has_leg=has_leg),
        )
        self._outbox = outbox
        self._transcripts = Transcripts(self._state)
        self._listening = Listening(self._state, self._transcripts)
        self._imports = Imports(self._state)
        self._prepared = Prepared(outbox)
        self._answers = Answers(self._state, self._transcripts, self._imports, self._prepared)
        self._interruption = Interruption(self._state.playback, self._answers)
        questions = Questions(self._state)
        self._initiative = Initiative(
            self._state, self._listening, self._answers, ask=questions.ask_response
        )
        self._speculation = Speculation(
            self._state,
            listening=self._listening,
            transcripts=self._transcripts,
            imports=self._imports,
            answers=self._answers,
            prepared=self._prepared,
            ask=lambda: questions.ask_response(speculative=True),
        )
        self._requests = Requests(
            self._state,
            questions,
            listening=self._listening,
            answers=self._answers,
            imports=self._imports,
            commands=ItemCommands(self._state, self._transcripts),
            interruption=self._interruption,
        )
        self._expires_ms = opened_ms + self._state.limits.max_duration_ms
        self._now_ms = opened_ms
        self._closed = False

    @property
    def closed(self) -> bool:
        """True once the session ended."""
        return self._closed

    @property
    def congested(self) -> bool:
        """True while as many client events wait for admission as may; read no more of them."""
        return len(self._requests) >= self._state.limits.max_pending_events

    @property
    def config(self) -> AnySessionConfig:
        """The effective configuration."""
        return self._state.config

    @property
    def conversation_id(self) -> str:
        """The conversation's id; older dialects tell it before any response."""
        return self._state.conversation_id

    @property
    def conversation(self) -> Conversation:
        """The conversation, for reading."""
        return self._state.conversation

    def effects(self) -> list[Effect]:
        """Return what must be done, in order, and forget it."""
        return self._outbox.drain()

    def deadline(self) -> int | None:
        """Return the next instant at which `expire` must be called."""
        if self._closed:
            return None
        due = self._expires_ms
        for other in (
            self._answers.deadline(),
            self._initiative.deadline(),
            self._imports.deadline(),
        ):
            if other is not None and other < due:
                due = other
        return due

    def expire(self, now_ms: int) -> None:
        """Say that the deadline has passed."""
        if self._closed:
            return
        self._now_ms = now_ms
        if now_ms >= self._expires_ms:
            minutes = self._state.limits.max_duration_ms // 60_000
            self._end(SessionExpired(minutes), EndReason.EXPIRED)
            return
        self._advance(now_ms)

    def _advance(self, now_ms: int) -> None:
        if self._imports.advance(now_ms):
            self._answers.imports_ended(now_ms)
        self._answers.advance(now_ms)
        self._initiative.advance(now_ms)
        self._speculation.advance(turn_waits=self._initiative.turn_waits)

    def receive(self, given: Input, now_ms: int) -> None:
        """Apply one input."""
        if self._closed:
            return
        self._now_ms = now_ms
        if type(given) is AudioAppended:  # fifty times a second: no table, no advance
            self._listening.append(given.samples)
            return
        _HANDLERS[type(given)](self, given)
        if not self._closed:
            self._advance(now_ms)

    # --- lifecycle ---

    def _opened(self, given: Opened) -> None:
        self._outbox.do(RecordConfig(self._state.config))
        event = SessionCreated(event_id=self._outbox.event_id(), session=self._state.config)
        self._outbox.send(event, to=given.controller)
        self._listening.configure()
        self._requests.import_tools(self._now_ms, again=False)

    def _joined(self, given: Joined) -> None:
        event = SessionCreated(event_id=self._outbox.event_id(), session=self._state.config)
        self._outbox.send(event, to=given.controller)

    def _end(self, fault: WireFault, reason: EndReason) -> None:
        self._outbox.send_fault(fault, event_id=None)
        self._close(fault.close_code or 1001, fault.close_reason, reason)

    def _close(self, code: int, text: str, reason: EndReason) -> None:
        self._answers.end_all()
        self._prepared.discard()
        self._outbox.do(Close(code, text, reason))
        self._closed = True

    def _revoked(self, given: Revoked) -> None:
        self._end(given.fault, given.reason)

    def _narrowed(self, given: Narrowed) -> None:
        self._state.narrowed = self._state.narrowed | given.tools

    def _shutdown(self, given: Shutdown) -> None:
        self._close(given.close_code, given.close_reason, given.reason)

    def _drained(self, given: Drained) -> None:
        self._state.playback.drained(given.response_id)

    # --- client events, in order ---

    def _from_client(self, given: FromClient | InvalidFromClient) -> None:
        self._requests.take(given, self._now_ms)

    def _allowed(self, given: Allowed) -> None:
        if self._speculation.allowed(given.question):
            return
        if self._initiative.allowed(given.question, self._now_ms):
            return
        self._requests.answered(given.question, None, self._now_ms)

    def _refused(self, given: Refused | PromptUnavailable) -> None:
        if isinstance(given, Refused) and self._speculation.refused(given.question):
            return
        if isinstance(given, Refused) and self._initiative.refused(given.question, given.fault):
            return
        self._requests.answered(given.question, given.fault, self._now_ms)

    def _prompt_found(self, given: PromptFound) -> None:
        self._requests.found(given.question, given.template, self._now_ms)

    # --- turns ---

    def _probability(self, given: SpeechProbability) -> None:
        match self._listening.observe(given):
            case Began():
                detection = self._state.config.audio.input.turn_detection
                if detection is not None and detection.interrupt_response:
                    self._interruption.begin()
            case Ended():
                self._initiative.turn_ended()
            case None:
                pass

    def _hypothesis(self, given: TurnHypothesis) -> None:
        if self._listening.hypothesis(given) is not None:
            self._initiative.turn_ended()
        else:
            self._speculation.hypothesis(given)

    def _detection_lost(self, _given: DetectionLost) -> None:
        if self._listening.lost():
            self._initiative.turn_ended()

    # --- allowance ---

    def _reserved(self, given: TokensReserved) -> None:
        self._answers.reserved(given.response_id, self._now_ms)

    def _not_reserved(self, given: TokensRefused) -> None:
        self._answers.not_reserved(given.response_id, given.fault)

    def _speculation_room(self, given: SpeculationRoom) -> None:
        self._speculation.room(given.response_id, given.room)

    # --- tools that the gateway runs ---

    def _tools_imported(self, given: ToolsImported) -> None:
        self._imports.imported(given.item_id, given.tools)
        self._answers.imports_ended(self._now_ms)

    def _tools_not_imported(self, given: ToolsNotImported) -> None:
        self._imports.failed(given.item_id)
        self._answers.imports_ended(self._now_ms)

    def _tool_reported(self, given: ToolReturned | ToolProgressed) -> None:
        self._answers.tool_reported(given, self._now_ms)

    # --- engine reports ---

    def _final(self, given: TranscriptFinal) -> None:
        if self._transcripts.final(given):
            self._answers.transcribed(given.utterance_id, None, self._now_ms)

    def _recognition_failed(self, given: RecognitionFailed) -> None:
        if self._transcripts.failed(given.utterance_id, given.fault):
            self._answers.transcribed(given.utterance_id, given.fault, self._now_ms)


_HANDLERS: dict[type, Callable[[Session, Any], None]] = {
    Opened: Session._opened,
    Joined: Session._joined,
    FromClient: Session._from_client,
    InvalidFromClient: Session._from_client,
    Allowed: Session._allowed,
    Refused: Session._refused,
    PromptFound: Session._prompt_found,
    PromptUnavailable: Session._refused,
    TokensReserved: Session._reserved,
    TokensRefused: Session._not_reserved,
    SpeculationRoom: Session._speculation_room,
    Revoked: Session._revoked,
    Narrowed: Session._narrowed,
    PlaybackCleared: lambda s, e: s._interruption.cleared(e),
    Drained: Session._drained,
    Shutdown: Session._shutdown,
    ToolsImported: Session._tools_imported,
    ToolsNotImported: Session._tools_not_imported,
    ToolReturned: Session._tool_reported,
    ToolProgressed: Session._tool_reported,
    SpeechProbability: Session._probability,
    DetectionLost: Session._detection_lost,
    TranscriptPartial: lambda s, e: s._transcripts.partial(e),
    TurnHypothesis: Session._hypothesis,
    TranscriptFinal: Session._final,
    RecognitionFailed: Session._recognition_failed,
    Volunteered: lambda s, e: s._initiative.volunteered(e),
    BrainText: lambda s, e: s._answers.brain_reported(e),
    BrainCallStarted: lambda s, e: s._answers.brain_reported(e),
    BrainCallArguments: lambda s, e: s._answers.brain_reported(e),
    BrainCallFinished: lambda s, e: s._answers.brain_reported(e),
    BrainFinished: lambda s, e: s._answers.brain_reported(e),
    BrainFailed: lambda s, e: s._answers.brain_reported(e),
    SpeechProduced: lambda s, e: s._answers.speech_reported(e),
    SpeechFinished: lambda s, e: s._answers.speech_reported(e),
    SpeechFailed: lambda s, e: s._answers.speech_reported(e),
}
"""Dispatch by table: 0.04 us against 0.68 for the last case of a long match (DECISIONS 1.11)."""
