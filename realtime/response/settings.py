"""What one response runs with: a snapshot that no later `session.update` reaches."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from realtime.engine import ContextItem, FunctionSpec
from realtime.errors import NamedToolMissing, NoUsableTool, UnsupportedOption, VoiceLocked
from realtime.events.client import ResponseParams
from realtime.events.session import VOICES
from realtime.session.config import (
    AudioFormat,
    ConversationConfig,
    JsonObject,
    ReasoningSessionConfig,
)
from realtime.session.features import FEATURES, check_tools
from realtime.session.updates import audio_format, check_voice, sent_fields, word_or_object
from realtime.tools.mcp import McpDefinition, defined


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseSettings:
    """The configuration a response was created with."""

    response_id: str
    in_conversation: bool
    output_modalities: list[Literal["text", "audio"]]
    instructions: str
    tools: list[JsonObject]
    tool_choice: str | JsonObject
    parallel_calls: bool
    """Several functions may be called at a time (reasoning models; others may)."""
    max_output_tokens: int | Literal["inf"]
    output_format: AudioFormat
    voice: str | JsonObject
    speed: float
    metadata: dict[str, str] | None
    context: tuple[ContextItem, ...] | None
    """The response's own context, None for the conversation's."""
    mcp: dict[str, McpDefinition]
    """The MCP servers among the tools, by label."""
    language: str | None
    """What the caller was said to speak (BCP 47), None where nobody said."""

    @property
    def spoken(self) -> bool:
        """The answer is audio."""
        return self.output_modalities == ["audio"]

    @property
    def output_limit(self) -> int | None:
        """Most output tokens, None for no limit."""
        return None if self.max_output_tokens == "inf" else self.max_output_tokens

    @property
    def voice_name(self) -> str:
        """The voice as engines know it."""
        return self.voice if isinstance(self.voice, str) else str(self.voice["id"])

    def function_specs(self, *, without: frozenset[str] = frozenset()) -> tuple[FunctionSpec, ...]:
        """Return the function tools as a brain sees them."""
        return tuple(
            FunctionSpec(
                name=tool["name"],
                description=tool.get("description") or "",
                parameters=tool.get("parameters") or {},
            )
            for tool in self.tools
            if tool["type"] == "function" and tool["name"] not in without
        )

    def choice(self, tools: tuple[FunctionSpec, ...]) -> tuple[str, tuple[FunctionSpec, ...]]:
        """Return the tool choice as a brain sees it, and the tools it may choose from.

        Raises:
            NoUsableTool, NamedToolMissing: no tool fits the choice.
        """
        choice = self.tool_choice
        if choice == "required" and not tools:
            raise NoUsableTool
        if isinstance(choice, str):
            return choice, tools
        name = choice.get("name")
        if choice["type"] == "function":
            found = [tool for tool in tools if tool.name == name]
        else:
            label = choice["server_label"]
            found = [tool for tool in tools if tool.route.server_label == label]
            if name is None and found:
                return "required", tuple(found)
            found = [tool for tool in found if tool.route.tool_name == name]
        if not found:
            raise NamedToolMissing(str(name or choice.get("server_label")))
        return f"function:{found[0].name}", tools


def response_settings(
    config: ConversationConfig,
    params: ResponseParams | None,
    *,
    response_id: str,
    context: tuple[ContextItem, ...] | None = None,
    language: str | None = None,
    voices: Sequence[str] = VOICES,
    features: Collection[str] = FEATURES,
    has_spoken: bool = False,
) -> ResponseSettings:
    """Return the session's configuration with one response's overrides.

    Raises:
        UnsupportedOption: an option that the model does not have.
        InvalidValue: a voice that the engine does not have.
        VoiceLocked: another voice than the one that has spoken (CONTRACT 6.6).
    """
    chosen: dict[str, Any] = {
        "output_modalities": config.output_modalities,
        "instructions": config.instructions,
        "tools": config.tools,
        "mcp": config.mcp,
        "tool_choice": config.tool_choice,
        "parallel_calls": _parallel(config),
        "max_output_tokens": config.max_output_tokens,
        "output_format": config.audio.output.format,
        "voice": config.audio.output.voice,
        "speed": config.audio.output.speed,
        "metadata": None,
        "in_conversation": True,
    }
    if params is not None:
        chosen.update(_overrides(config, params))
        if params.has("tools"):
            check_tools(chosen["tools"], features, param="response.tools")
    voice = chosen["voice"]
    if voice != config.audio.output.voice:
        check_voice(voice, voices, param="response.audio.output.voice")
    if has_spoken and chosen["in_conversation"] and voice != config.audio.output.voice:
        raise VoiceLocked
    return ResponseSettings(response_id=response_id, context=context, language=language, **chosen)


def _parallel(config: ConversationConfig) -> bool:
    return not isinstance(config, ReasoningSessionConfig) or config.parallel_tool_calls


_PLAIN: Sequence[str] = ("output_modalities", "instructions", "max_output_tokens", "metadata")


def _overrides(config: ConversationConfig, params: ResponseParams) -> dict[str, Any]:
    for option in ("reasoning", "parallel_tool_calls"):
        if params.has(option) and not isinstance(config, ReasoningSessionConfig):
            raise UnsupportedOption(f"response.{option}")
    given = {name: getattr(params, name) for name in _PLAIN if params.has(name)}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if params.has("parallel_tool_calls"):
        chosen["parallel_calls"] = params.parallel_tool_calls
    if params.has("conversation"):
        chosen["in_conversation"] = params.conversation == "auto"
    if params.has("tools"):
        sent = [sent_fields(tool) for tool in params.tools]
        chosen["tools"], chosen["mcp"] = defined(sent, config.mcp, root="response")
    if params.has("tool_choice"):
        chosen["tool_choice"] = word_or_object(params.tool_choice)
    output = params.audio.output if params.audio is not None else None
    if output is not None and output.format is not None:
        chosen["output_format"] = audio_format(output.format)
    if output is not None and output.has("voice"):
        chosen["voice"] = word_or_object(output.voice)
    return chosen
