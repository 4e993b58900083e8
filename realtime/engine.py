"""What passes between the protocol machine and the engine ports below it.

Requests go down (`RecognitionRequest`, `BrainRequest`, `SpeechRequest`), reports
come up. Every report is a frozen dataclass and an `Input` of the session
machine; it names the utterance, response or segment that it belongs to, so
that a report which arrives late is recognised as stale and ignored.

Canonical audio, everywhere between the socket and the engines, is signed
16-bit little-endian mono PCM at 24,000 samples per second, and every position
counts samples of it since the session began.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

SAMPLE_RATE = 24_000
"""Samples per second of canonical audio."""

BYTES_PER_SAMPLE = 2


@dataclass(frozen=True, slots=True)
class EngineFault:
    """Why a part could not do its work, in words fit for the client.

    `code` is a lower_snake word for programs (`speech_unavailable`), `message` one
    sentence for people. Neither may carry internal text: paths, addresses, traces.
    """

    code: str
    message: str


# --- requests -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """What an engine may know of the session it serves."""

    session_id: str
    language: str = "en-US"
    """BCP 47; what is spoken unless the client says otherwise."""
    timezone: str | None = None
    """IANA name; None where the engine's own holds."""
    instructions: str = ""
    blocked_skills: tuple[str, ...] = ()
    """Skills that this session may not reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionRequest:
    """One utterance to be transcribed; audio follows through `RecognitionStream.feed`."""

    utterance_id: str
    model: str = ""
    """The transcription model's name as the client gave it; empty for the default."""
    language: str | None = None
    languages: tuple[str, ...] = ()
    """What may be spoken, if the client names several."""
    prompt: str | None = None
    keywords: tuple[str, ...] = ()
    delay: str | None = None
    """How long a streaming model may wait for certainty, `minimal` to `xhigh`."""
    partials: bool = False
    """`TranscriptPartial` is wanted while the words are spoken."""
    hypotheses: bool = False
    """`TurnHypothesis` is wanted at each `prepare`."""
    logprobs: bool = False
    """Log probabilities are wanted, where the recogniser has them."""


ToolChoice: TypeAlias = Literal["none", "auto", "required"] | str
"""`none`, `auto`, `required`, or `function:<name>` for a named function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRoute:
    """Who carries a tool's calls out, and what the client sees of them (DECISIONS 1.8).

    A tool the gateway runs is never shown as `function_call`: SDKs answer
    functions they do not know themselves (DECISIONS 2.8).
    """

    executor: Literal["client", "gateway", "mcp", "skill"] = "client"
    shown_as: Literal["function_call", "mcp_call", "nothing"] = "function_call"
    approval: Literal["not_needed", "client", "operator"] = "not_needed"
    deadline_ms: int | None = None
    """How long a call may take; None where the client takes its own time."""
    most_ms: int | None = None
    """How long one may take whose executor tells that it goes on; None for no longer."""
    checked: bool = False
    """The gateway checks a call before the client, whose turn it is, sees anything of it."""
    server_label: str = ""
    """Whose tool it is, where servers have names."""
    tool_name: str = ""
    """What its executor calls it; empty where that is the brain's word for it."""


CLIENT_TOOL = ToolRoute()


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSpec:
    """A function tool as the brain sees it. `parameters` is a JSON schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    route: ToolRoute = CLIENT_TOOL


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call that the brain made, whole; `arguments` is JSON as the brain wrote it."""

    call_id: str
    response_id: str
    item_id: str
    name: str
    arguments: str
    route: ToolRoute
    approval_request_id: str | None = None
    """The request that the client agreed to."""


@dataclass(frozen=True, slots=True)
class ContextImage:
    """An image of a message: a data URL of a PNG or JPEG, and how closely to look."""

    url: str
    detail: Literal["auto", "low", "high"] = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextItem:
    """One item of the conversation as the brain sees it.

    `kind` is `message` (with `role` and `text`), `function_call` (`name`, `call_id`,
    `text` = arguments as JSON) or `function_call_output` (`call_id`, `text` = output).
    """

    item_id: str
    kind: Literal["message", "function_call", "function_call_output"]
    role: Literal["system", "user", "assistant"] | None = None
    text: str = ""
    name: str | None = None
    call_id: str | None = None
    images: tuple[ContextImage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainRequest:
    """One response to be thought of. The last user message is the question."""

    response_id: str
    items: tuple[ContextItem, ...]
    instructions: str
    tools: tuple[FunctionSpec, ...] = ()
    tool_choice: ToolChoice = "auto"
    parallel_calls: bool = True
    """Several functions may be called at a time."""
    max_output_tokens: int | None = None
    spoken: bool = True
    """The answer will be spoken (else it is shown as text)."""
    in_conversation: bool = True
    """False for an out-of-band response, which must leave no trace in engine state."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    language: str | None = None
    """What the caller was said to speak (BCP 47), None for the session's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRequest:
    """One stretch of text to be spoken, in order of requests within a response."""

    segment_id: str
    response_id: str
    text: str
    voice: str = "alloy"
    speed: float = 1.0
    language: str | None = None


# --- reports ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpeechProbability:
    """The probability of speech in the window that ends at `at_sample`."""

    at_sample: int
    probability: float


@dataclass(frozen=True, slots=True)
class DetectionLost:
    """Voice activity detection stopped working; it will be reopened when it can."""

    fault: EngineFault


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A piece of a transcript and the natural logarithm of its probability."""

    token: str
    logprob: float


@dataclass(frozen=True, slots=True)
class TranscriptPartial:
    """The next piece of an utterance's transcript, append-only.

    The pieces and what `TranscriptFinal` adds to them are the transcript: a
    recogniser sends only words that it will not take back.
    """

    utterance_id: str
    delta: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnHypothesis:
    """What was understood up to the silence that `prepare` told of; may change with more audio.

    `whole` says whether the words are a complete phrase by the recogniser's own
    knowledge (a command of its grammar) that nothing can follow, or only the
    beginning of one; None that it does not know. `extendable` words are a complete
    phrase that may go on, as "what time is it" does with "in london".
    """

    utterance_id: str
    text: str
    whole: bool | None = None
    extendable: bool = False


@dataclass(frozen=True, slots=True)
class TranscriptFinal:
    """The whole transcript of a committed utterance; the last report of its stream.

    `logprobs` covers the whole text, empty where the recogniser has none;
    `languages` are those it heard, if it can tell.
    """

    utterance_id: str
    text: str
    language: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecognitionFailed:
    """The utterance will have no transcript; the last report of its stream."""

    utterance_id: str
    fault: EngineFault


@dataclass(frozen=True, slots=True)
class BrainText:
    """More text of the answer.

    `complete` says that the text so far makes a stretch that may be spoken as it is
    (a sentence, one OVOS `speak`), so that speech can start before the answer ends.
    """

    response_id: str
    text: str
    complete: bool = True


@dataclass(frozen=True, slots=True)
class BrainCallStarted:
    """The brain calls a function. Arguments follow; `call_id` is unique in the response."""

    response_id: str
    call_id: str
    name: str


@dataclass(frozen=True, slots=True)
class BrainCallArguments:
    """More of the JSON text of a call's arguments."""

    response_id: str
    call_id: str
    delta: str


@dataclass(frozen=True, slots=True)
class BrainCallFinished:
    """The call's arguments are complete."""

    response_id: str
    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainUsage:
    """Text tokens by the model's own count; absent where the brain has no model."""

    input_text_tokens: int = 0
    output_text_tokens: int = 0
    cached_text_tokens: int = 0


@dataclass(frozen=True, slots=True)
class BrainSpent:
    """What a run that was never wanted has cost: the model's own count, else what it wrote."""

    usage: BrainUsage | None = None
    text: str = ""
    fault: EngineFault | None = None
    """Why it came to nothing already."""


@dataclass(frozen=True, slots=True)
class BrainFinished:
    """The answer is complete; the last report of a run."""

    response_id: str
    usage: BrainUsage | None = None
    cut: Literal["max_output_tokens", "content_filter"] | None = None


@dataclass(frozen=True, slots=True)
class BrainFailed:
    """The answer cannot be completed; the last report of a run."""

    response_id: str
    fault: EngineFault


@dataclass(frozen=True, slots=True)
class Volunteered:
    """The engine has something to say that nobody asked for: a timer rings.

    `text` is one stretch to be spoken as it is.
    """

    text: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class SpeechProduced:
    """`samples` more of a segment's audio lie in the shell's output store."""

    segment_id: str
    samples: int


@dataclass(frozen=True, slots=True)
class SpeechFinished:
    """The segment is spoken to its end; the last report of a segment."""

    segment_id: str


@dataclass(frozen=True, slots=True)
class SpeechFailed:
    """The segment cannot be spoken (further); the last report of a segment."""

    segment_id: str
    fault: EngineFault


RecognitionReport: TypeAlias = (
    TranscriptPartial | TurnHypothesis | TranscriptFinal | RecognitionFailed
)
BrainReport: TypeAlias = (
    BrainText
    | BrainCallStarted
    | BrainCallArguments
    | BrainCallFinished
    | BrainFinished
    | BrainFailed
)
SpeechReport: TypeAlias = SpeechProduced | SpeechFinished | SpeechFailed
DetectionReport: TypeAlias = SpeechProbability | DetectionLost
EngineReport: TypeAlias = (
    RecognitionReport | BrainReport | Volunteered | SpeechReport | DetectionReport
)
