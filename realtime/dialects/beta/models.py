"""What beta clients send, validated in the beta's own words before it is translated.

Only what differs from GA: flat sessions and the overrides of a response.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from realtime.events.base import (
    CheckedMetadata,
    Incoming,
    JsonObject,
    OutputLimit,
    custom_fault,
)
from realtime.events.client import ClientEventBase
from realtime.events.items import ResponseInputItem
from realtime.events.session import (
    NoiseReductionIn,
    PromptIn,
    SemanticVadIn,
    ServerVadIn,
    ToolChoiceIn,
    ToolsIn,
    TracingChoice,
    TranscriptionIn,
    TruncationIn,
    Voice,
)

DEFAULT_TEMPERATURE = 0.8
_MODALITIES = ({"text"}, {"audio"}, {"audio", "text"})


def _modalities(value: list[str]) -> list[str]:
    """`["audio"]` is accepted too: late clients send it, and it says what GA says."""
    if set(value) not in _MODALITIES:
        raise custom_fault(
            "invalid_value",
            f"Invalid modalities: {value}. "
            "Supported combinations are: ['text'] and ['audio', 'text'].",
        )
    return value


def plain_choice(value: Any) -> Any:
    """Return a tool choice without the inner `function` object that old documents show."""
    if isinstance(value, Mapping) and isinstance(value.get("function"), Mapping):
        outer = {key: held for key, held in value.items() if key != "function"}
        return {**outer, **value["function"]}
    return value


class NoTurnDetection(Incoming):
    """What the first clients sent in place of null."""

    type: Literal["none"]


BetaTurnDetection = Annotated[
    ServerVadIn | SemanticVadIn | NoTurnDetection, Field(discriminator="type")
]
BetaModalities = Annotated[list[Literal["text", "audio"]], AfterValidator(_modalities)]
BetaFormat = Literal["pcm16", "g711_ulaw", "g711_alaw"]
BetaToolChoice = Annotated[ToolChoiceIn, BeforeValidator(plain_choice)]
Temperature = Annotated[float, Field(ge=0.6, le=1.2)]
Include = list[Literal["item.input_audio_transcription.logprobs"]]


class BetaListening(Incoming):
    """How a session listens: what conversation and transcription sessions share."""

    modalities: BetaModalities = ["audio", "text"]
    input_audio_format: BetaFormat | None = None
    input_audio_transcription: TranscriptionIn | None = None
    input_audio_noise_reduction: NoiseReductionIn | None = None
    turn_detection: BetaTurnDetection | None = None
    include: Include | None = None


class BetaSessionIn(BetaListening):
    """A flat conversation session, whole or in part; `temperature` is kept and echoed."""

    model: str = ""
    instructions: str = ""
    output_audio_format: BetaFormat | None = None
    voice: Voice = "alloy"
    speed: Annotated[float, Field(ge=0.25, le=1.5)] = 1.0
    tools: ToolsIn = []
    tool_choice: BetaToolChoice = "auto"
    temperature: Temperature = DEFAULT_TEMPERATURE
    max_response_output_tokens: OutputLimit = "inf"
    tracing: TracingChoice | None = None
    truncation: TruncationIn = "auto"
    prompt: PromptIn | None = None


class BetaSessionUpdateFields(BetaSessionIn):
    """What `session.update` holds; a secret's settings mean nothing once it is used."""

    type: Literal["realtime"] = "realtime"
    client_secret: JsonObject | None = None


class BetaSessionUpdate(ClientEventBase):
    """Change the session's configuration."""

    type: Literal["session.update"]
    session: BetaSessionUpdateFields


class BetaTranscriptionFields(BetaListening):
    """What `transcription_session.update` holds; its modalities mean nothing."""

    client_secret: JsonObject | None = None


class BetaTranscriptionUpdate(ClientEventBase):
    """Change a transcription session's configuration."""

    type: Literal["transcription_session.update"]
    session: BetaTranscriptionFields


class BetaResponseFields(Incoming):
    """What one response may override, with its own context if `input` is given."""

    modalities: BetaModalities = ["audio", "text"]
    output_modalities: BetaModalities = ["audio", "text"]
    """The old reference shows this name too."""
    instructions: str = ""
    voice: Voice = "alloy"
    output_audio_format: BetaFormat | None = None
    tools: ToolsIn = []
    tool_choice: BetaToolChoice = "auto"
    temperature: Temperature = DEFAULT_TEMPERATURE
    max_response_output_tokens: OutputLimit = "inf"
    max_output_tokens: OutputLimit = "inf"
    conversation: Literal["auto", "none"] = "auto"
    metadata: CheckedMetadata | None = None
    prompt: PromptIn | None = None
    input: list[ResponseInputItem] | None = None


class BetaResponseCreate(ClientEventBase):
    """Make the model answer."""

    type: Literal["response.create"]
    response: BetaResponseFields | None = None
