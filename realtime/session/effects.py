"""Everything a session wants done, as a closed union the shell carries out in order.

An effect never blocks. One whose outcome matters is answered by an input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from realtime.engine import BrainRequest, RecognitionRequest, SpeechRequest, ToolCall
from realtime.events.items import RetrievedItem
from realtime.events.translation import AnyServerEvent
from realtime.relay.effects import RelayEffect
from realtime.session.config import AnySessionConfig, AudioFormat
from realtime.session.inputs import ControllerId, EndReason
from realtime.tools.mcp import McpServer
from realtime.translation.effects import TranslationEffect
from realtime.usage import InputDetails, Usage


@dataclass(frozen=True, slots=True)
class Send:
    """An event for all controllers, or for the one named."""

    event: AnyServerEvent
    to: ControllerId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioLane:
    """Where audio belongs on the wire: one object for all deltas of a content part."""

    response_id: str
    item_id: str
    output_index: int
    content_index: int


@dataclass(frozen=True, slots=True)
class SendAudio:
    """The next `samples` of a response's synthesised audio, for the media owner."""

    event_id: str
    lane: AudioLane
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRetrieved:
    """An item for one controller; the shell fills the audio in where it still has it.

    `audio_parts` are the content indexes whose bytes belong in.
    """

    event_id: str
    controller: ControllerId
    item: RetrievedItem
    audio_parts: tuple[int, ...]


# --- input audio ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartDetection:
    """Feed voice activity detection with what is appended, from `at_sample` on."""

    at_sample: int


@dataclass(frozen=True, slots=True)
class StopDetection:
    """Stop feeding voice activity detection."""


@dataclass(frozen=True, slots=True)
class KeepAudio:
    """The ring's samples [start, end) are the audio of an item from now on."""

    item_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class KeepSentAudio:
    """A client sent an item with audio, in the session's input format."""

    item_id: str
    audio: bytes
    format: AudioFormat


@dataclass(frozen=True, slots=True)
class ForgetAudio:
    """Nothing before `before` in the ring is needed any more."""

    before: int


@dataclass(frozen=True, slots=True)
class CutItemAudio:
    """An assistant item keeps its first `samples` samples."""

    item_id: str
    samples: int


@dataclass(frozen=True, slots=True)
class DropItemAudio:
    """The item is deleted."""

    item_id: str


# --- engines ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenRecognition:
    """Start an utterance; feed it the ring from `start`, following voice activity."""

    request: RecognitionRequest
    start: int


@dataclass(frozen=True, slots=True)
class FeedRecognition:
    """Feed the utterance with the ring up to `upto`."""

    utterance_id: str
    upto: int


@dataclass(frozen=True, slots=True)
class PrepareRecognition:
    """The utterance has maybe ended."""

    utterance_id: str


@dataclass(frozen=True, slots=True)
class AbandonRecognition:
    """The utterance goes on."""

    utterance_id: str


@dataclass(frozen=True, slots=True)
class CommitRecognition:
    """The utterance has ended; feed the rest up to `upto`, then ask for its transcript."""

    utterance_id: str
    upto: int


@dataclass(frozen=True, slots=True)
class RecogniseItem:
    """Transcribe the kept audio of an item that a client sent."""

    request: RecognitionRequest
    item_id: str


@dataclass(frozen=True, slots=True)
class CloseRecognition:
    """Forget the utterance."""

    utterance_id: str


@dataclass(frozen=True, slots=True)
class StartBrain:
    """Begin an answer; committed at once unless `speculative`."""

    request: BrainRequest
    speculative: bool = False


@dataclass(frozen=True, slots=True)
class CommitBrain:
    """The speculative answer is wanted.

    If the brain begins it anew after all, what was given up is recorded as in `DiscardBrain`.
    """

    response_id: str
    recorded_as: str
    given: InputDetails


@dataclass(frozen=True, slots=True)
class CancelBrain:
    """The answer is not wanted any more."""

    response_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscardBrain:
    """The speculative answer will not be used; what it cost is recorded under an id of its own.

    `given` is what it read, where the model does not say.
    """

    response_id: str
    recorded_as: str
    given: InputDetails


@dataclass(frozen=True, slots=True)
class Speak:
    """Synthesise one segment."""

    request: SpeechRequest


@dataclass(frozen=True, slots=True)
class CancelSpeech:
    """Drop the response's segments and its unsent audio."""

    response_id: str


@dataclass(frozen=True, slots=True)
class ReportPlayback:
    """Tell the brain that the caller began or stopped hearing answers."""

    playing: bool


@dataclass(frozen=True, slots=True)
class FinishPlayback:
    """No more audio of the response comes; the leg answers `Drained` once it played all."""

    response_id: str


@dataclass(frozen=True, slots=True)
class ClearPlayback:
    """Drop what the leg has of these responses; answered by `PlaybackCleared` for each."""

    response_ids: tuple[str, ...]


# --- admission, allowance, records, end ----------------------------------------------


@dataclass(frozen=True, slots=True)
class Ask:
    """A question for admission; answered by `Allowed` or `Refused` with its number."""

    question: int
    action: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FindPrompt:
    """A stored prompt is asked for; answered by `PromptFound` or `PromptUnavailable`."""

    question: int
    prompt_id: str
    version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveTokens:
    """Hold tokens for a response that begins; answered by `TokensReserved` or `TokensRefused`.

    `input_tokens` are known, `output_tokens` are the most it may make. What is
    held is settled by the response's `RecordUsage`. For a `speculative` answer
    nothing is held, and `SpeculationRoom` says whether there is room.
    """

    response_id: str
    input_tokens: int
    output_tokens: int
    speculative: bool = False


@dataclass(frozen=True, slots=True)
class SendRateLimits:
    """Send `rate_limits.updated`; the shell fills in what is counted now."""

    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordUsage:
    """A response's usage for the books; `estimated` where no model counted."""

    response_id: str
    status: str
    usage: Usage
    estimated: bool


@dataclass(frozen=True, slots=True)
class CallTool:
    """A call is complete: its executor's turn. The client's own are only counted.

    A call of the gateway's own is answered by `ToolReturned`.
    """

    call: ToolCall


@dataclass(frozen=True, slots=True)
class CancelTool:
    """Nobody waits for the call's result any more."""

    response_id: str
    call_id: str
    late: bool = False
    """Its deadline has passed."""


@dataclass(frozen=True, slots=True)
class CheckCall:
    """May this call be handed to the client? Answered by `ToolReturned`, an error being the no."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class ImportTools:
    """Ask a server for its tools; answered by `ToolsImported` or `ToolsNotImported`."""

    item_id: str
    server: McpServer


@dataclass(frozen=True, slots=True)
class CancelImport:
    """Nobody waits for the server's tools any more."""

    item_id: str


@dataclass(frozen=True, slots=True)
class RecordConfig:
    """The effective configuration changed."""

    config: AnySessionConfig


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The user's turn ended at `end` (samples); the clock of turn latency starts."""

    item_id: str
    end: int


@dataclass(frozen=True, slots=True)
class Close:
    """End the session: close every controller with this code and reason."""

    code: int
    reason: str
    end_reason: EndReason


Effect: TypeAlias = (
    Send
    | SendAudio
    | SendRetrieved
    | StartDetection
    | StopDetection
    | KeepAudio
    | KeepSentAudio
    | ForgetAudio
    | CutItemAudio
    | DropItemAudio
    | OpenRecognition
    | FeedRecognition
    | PrepareRecognition
    | AbandonRecognition
    | CommitRecognition
    | RecogniseItem
    | CloseRecognition
    | StartBrain
    | CommitBrain
    | CancelBrain
    | DiscardBrain
    | Speak
    | CancelSpeech
    | ReportPlayback
    | FinishPlayback
    | ClearPlayback
    | Ask
    | FindPrompt
    | ReserveTokens
    | SendRateLimits
    | CallTool
    | CancelTool
    | CheckCall
    | ImportTools
    | CancelImport
    | RecordUsage
    | RecordConfig
    | TurnEnded
    | Close
    | RelayEffect
    | TranslationEffect
)
