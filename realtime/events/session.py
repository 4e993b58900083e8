"""Session configuration as clients send it: `session.update`, client secrets, `response.create`.

Every field is optional but `type`; presence is what counts (`Incoming.has`),
since an absent field keeps its value and an explicit null clears it (CONTRACT 6).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from realtime.events.base import (
    CheckedMetadata,
    Incoming,
    JsonObject,
    Modalities,
    OutputLimit,
)

VOICES = (
    "alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar",
)  # fmt: skip
MAX_TOOLS = 128


class PcmFormat(Incoming):
    """16-bit little-endian mono PCM; the only rate is 24,000 Hz (CONTRACT 17)."""

    type: Literal["audio/pcm"]
    rate: Annotated[int, Field(ge=24_000, le=24_000)] = 24_000


class PcmuFormat(Incoming):
    """G.711 mu-law, 8 kHz."""

    type: Literal["audio/pcmu"]


class PcmaFormat(Incoming):
    """G.711 A-law, 8 kHz."""

    type: Literal["audio/pcma"]


AudioFormatIn = Annotated[PcmFormat | PcmuFormat | PcmaFormat, Field(discriminator="type")]


class TranscriptionIn(Incoming):
    """Input transcription settings (CONTRACT 9.3)."""

    model: str = ""
    language: str | None = None
    languages: list[str] | None = None
    prompt: str | None = None
    keywords: list[str] | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class NoiseReductionIn(Incoming):
    """Noise reduction settings; kept and echoed."""

    type: Literal["near_field", "far_field"]
    strength: float | None = None


class ServerVadIn(Incoming):
    """Turn detection by silence."""

    type: Literal["server_vad"]
    threshold: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    prefix_padding_ms: Annotated[int, Field(ge=0, le=10_000)] = 300
    silence_duration_ms: Annotated[int, Field(ge=0, le=60_000)] = 200
    idle_timeout_ms: Annotated[int, Field(ge=5_000, le=30_000)] | None = None
    create_response: bool = True
    interrupt_response: bool = True


class SemanticVadIn(Incoming):
    """Turn detection by meaning."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


TurnDetectionIn = Annotated[ServerVadIn | SemanticVadIn, Field(discriminator="type")]


class AudioInputIn(Incoming):
    """`audio.input`."""

    format: AudioFormatIn | None = None
    transcription: TranscriptionIn | None = None
    noise_reduction: NoiseReductionIn | None = None
    turn_detection: TurnDetectionIn | None = None


class CustomVoice(Incoming):
    """A voice of the operator's own."""

    id: Annotated[str, Field(max_length=256)]


def _voice(value: object) -> object:
    return "custom" if isinstance(value, dict | CustomVoice) else "name"


Voice = Annotated[
    Annotated[Annotated[str, Field(max_length=256)], Tag("name")]
    | Annotated[CustomVoice, Tag("custom")],
    Discriminator(_voice),
]


class AudioOutputIn(Incoming):
    """`audio.output` of a session."""

    format: AudioFormatIn | None = None
    voice: Voice = "alloy"
    speed: Annotated[float, Field(ge=0.25, le=1.5)] = 1.0


class AudioIn(Incoming):
    """`audio` of a session."""

    input: AudioInputIn | None = None
    output: AudioOutputIn | None = None


class FunctionToolIn(Incoming):
    """A function that the client runs. `parameters` is a JSON schema."""

    type: Literal["function"]
    name: Annotated[str, Field(max_length=128)]
    description: str | None = None
    parameters: JsonObject | None = None


class McpToolFilterIn(Incoming):
    """Which tools of a server are meant: by name, by whether they only read, or both."""

    tool_names: list[str] | None = None
    read_only: bool | None = None


class McpApprovalFilterIn(Incoming):
    """Which tools need the client's approval, and which do not."""

    always: McpToolFilterIn | None = None
    never: McpToolFilterIn | None = None


def _word_or_object(value: object) -> str:
    return "object" if isinstance(value, dict | Incoming) else "word"


def _list_or_object(value: object) -> str:
    return "object" if isinstance(value, dict | Incoming) else "list"


AllowedToolsIn = Annotated[
    Annotated[list[str], Tag("list")] | Annotated[McpToolFilterIn, Tag("object")],
    Discriminator(_list_or_object),
]
RequireApprovalIn = Annotated[
    Annotated[Literal["always", "never"], Tag("word")]
    | Annotated[McpApprovalFilterIn, Tag("object")],
    Discriminator(_word_or_object),
]


class McpToolIn(Incoming):
    """An MCP server whose tools may be used (CONTRACT 8.5)."""

    type: Literal["mcp"]
    server_label: Annotated[str, Field(max_length=64)]
    server_url: str | None = None
    connector_id: str | None = None
    tunnel_id: str | None = None
    server_description: str | None = None
    authorization: str | None = None
    headers: dict[str, str] | None = None
    allowed_tools: AllowedToolsIn | None = None
    allowed_callers: list[Any] | None = None
    require_approval: RequireApprovalIn | None = None
    defer_loading: bool | None = None


ToolIn = Annotated[FunctionToolIn | McpToolIn, Field(discriminator="type")]
ToolsIn = Annotated[list[ToolIn], Field(max_length=MAX_TOOLS)]


class FunctionChoice(Incoming):
    """The named function must be called."""

    type: Literal["function"]
    name: str


class McpChoice(Incoming):
    """A tool of the named MCP server must be called."""

    type: Literal["mcp"]
    server_label: str
    name: str | None = None


ToolChoiceIn = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("word")]
    | Annotated[FunctionChoice | McpChoice, Field(discriminator="type"), Tag("object")],
    Discriminator(_word_or_object),
]


class TracingIn(Incoming):
    """How a session is named in traces; kept and echoed."""

    workflow_name: str | None = None
    group_id: str | None = None
    metadata: JsonObject | None = None


class TokenLimitsIn(Incoming):
    """Bounds of what a truncated conversation keeps."""

    post_instructions: Annotated[int, Field(ge=0)] | None = None


class RetentionRatioIn(Incoming):
    """Truncation to a part of the input limit (CONTRACT 11)."""

    type: Literal["retention_ratio"]
    retention_ratio: Annotated[float, Field(ge=0.0, le=1.0)]
    token_limits: TokenLimitsIn | None = None


TracingChoice = Annotated[
    Annotated[Literal["auto"], Tag("word")] | Annotated[TracingIn, Tag("object")],
    Discriminator(_word_or_object),
]


def _truncation_kind(value: object) -> str:
    # The tag is the object's own type, as fault paths expect it.
    return "retention_ratio" if isinstance(value, dict | Incoming) else "word"


TruncationIn = Annotated[
    Annotated[Literal["auto", "disabled"], Tag("word")]
    | Annotated[RetentionRatioIn, Tag("retention_ratio")],
    Discriminator(_truncation_kind),
]


class PromptIn(Incoming):
    """A stored prompt."""

    id: str
    version: str | None = None
    variables: JsonObject | None = None


class ReasoningIn(Incoming):
    """Reasoning effort; reasoning models only."""

    effort: Literal["minimal", "low", "medium", "high", "xhigh"]


class RealtimeSessionIn(Incoming):
    """A conversation session, whole or in part."""

    type: Literal["realtime"]
    model: str = ""
    output_modalities: Modalities = ["audio"]
    instructions: str = ""
    tools: ToolsIn = []
    tool_choice: ToolChoiceIn = "auto"
    parallel_tool_calls: bool = True
    reasoning: ReasoningIn | None = None
    max_output_tokens: OutputLimit = "inf"
    tracing: TracingChoice | None = None
    truncation: TruncationIn = "auto"
    prompt: PromptIn | None = None
    audio: AudioIn | None = None
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None


class TranscriptionAudioIn(Incoming):
    """`audio` of a transcription session."""

    input: AudioInputIn | None = None


class TranscriptionSessionIn(Incoming):
    """A transcription session, whole or in part (CONTRACT 12)."""

    type: Literal["transcription"]
    audio: TranscriptionAudioIn | None = None
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None


SessionIn = Annotated[RealtimeSessionIn | TranscriptionSessionIn, Field(discriminator="type")]


class ResponseAudioOutputIn(Incoming):
    """`audio.output` of one response: no `speed` (CONTRACT 10)."""

    format: AudioFormatIn | None = None
    voice: Voice = "alloy"


class ResponseAudioIn(Incoming):
    """`audio` of one response."""

    output: ResponseAudioOutputIn | None = None


class ResponseOverrides(Incoming):
    """What one response may override; `input` is added with the item models."""

    output_modalities: Modalities = ["audio"]
    instructions: str | None = None
    """Null is what LiveKit's plugin sends for none: the session's hold."""
    audio: ResponseAudioIn | None = None
    tools: ToolsIn = []
    tool_choice: ToolChoiceIn = "auto"
    parallel_tool_calls: bool = True
    reasoning: ReasoningIn | None = None
    max_output_tokens: OutputLimit = "inf"
    conversation: Literal["auto", "none"] = "auto"
    metadata: CheckedMetadata | None = None
    prompt: PromptIn | None = None
