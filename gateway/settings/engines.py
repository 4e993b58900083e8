"""Settings of what hears, answers and speaks."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class PluginSetting(BaseModel):
    """An OVOS plugin with options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    module: str
    options: dict[str, Any] = Field(default_factory=dict)
    slots: int | None = Field(None, ge=1, le=64)


class _Endpoint(BaseModel):
    """An endpoint that is reached over the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | None = None
    api_key: SecretStr | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class OpenAIRecogniser(_Endpoint):
    """An OpenAI-compatible transcriptions endpoint; `url` is the base, up to `/v1`."""

    kind: Literal["openai"]
    model: str = "gpt-4o-mini-transcribe"
    stream: bool = False
    logprobs: bool = False
    response_format: Literal["json", "verbose_json"] = "json"
    slots: int = Field(16, ge=1, le=1_024)


class DeepgramRecogniser(_Endpoint):
    """A socket of the shape of Deepgram's; `url` is the whole of it."""

    kind: Literal["deepgram"]
    model: str = "nova-3"


class OpenAISynthesiser(_Endpoint):
    """An OpenAI-compatible speech endpoint; `url` is the base, up to `/v1`."""

    kind: Literal["openai"]
    model: str = "gpt-4o-mini-tts"
    voice: str | None = None
    response_format: Literal["pcm", "wav"] = "pcm"
    rate: int = Field(24_000, ge=8_000, le=48_000)
    slots: int = Field(16, ge=1, le=1_024)


class CartesiaSynthesiser(_Endpoint):
    """A socket of the shape of Cartesia's; `url` is the whole of it."""

    kind: Literal["cartesia"]
    model: str = "sonic-3"
    voice: str
    version: str = "2026-03-01"
    rate: int = Field(24_000, ge=8_000, le=48_000)


RecogniserSetting: TypeAlias = str | PluginSetting | OpenAIRecogniser | DeepgramRecogniser


class RelaySetting(BaseModel):
    """A Realtime endpoint that answers for a model name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^wss?://[^/\s]+")
    model: str | None = None
    api_key: SecretStr | None = None
    key_header: Literal["authorization", "api-key"] = "authorization"
    warm_connections: int = Field(0, ge=0, le=64)
    mcp: Literal["gateway", "endpoint"] = "gateway"
    dialect: Literal["ga", "beta"] = "ga"
    prompts: Literal["gateway", "endpoint"] = "gateway"
