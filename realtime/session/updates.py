"""The merge and refusal rules of `session.update` (CONTRACT 6).

Pure: a configuration and a patch give a new configuration or a fault; a fault
changes nothing, since nothing is stored before the whole patch is applied.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from realtime.errors import SessionKindMismatch, UnsupportedOption, VoiceLocked
from realtime.events.base import Incoming
from realtime.events.session import (
    AudioInputIn,
    AudioOutputIn,
    PcmFormat,
    RealtimeSessionIn,
    SemanticVadIn,
    ServerVadIn,
    SessionIn,
    TranscriptionIn,
)
from realtime.session.config import (
    AudioConfig,
    AudioFormat,
    AudioInput,
    AudioOutput,
    G711Audio,
    JsonObject,
    PcmAudio,
    ReasoningSessionConfig,
    SemanticVad,
    ServerVad,
    SessionConfig,
    Transcription,
    TurnDetection,
)

_PLAIN = ("output_modalities", "instructions", "max_output_tokens", "include")


def updated(config: SessionConfig, patch: SessionIn, *, has_spoken: bool) -> SessionConfig:
    """Return the configuration after the patch.

    Args:
        config: what is in force.
        patch: what the client sent, already validated field by field.
        has_spoken: assistant audio is present, so that the voice is fixed.

    Raises:
        WireFault: the patch as a whole is refused.
    """
    if not isinstance(patch, RealtimeSessionIn):
        raise SessionKindMismatch(sent="transcription", session="realtime")
    changes: dict[str, Any] = {name: getattr(patch, name) for name in _PLAIN if patch.has(name)}
    if patch.has("tools"):
        changes["tools"] = [sent_fields(tool) for tool in patch.tools]
    if patch.has("tool_choice"):
        changes["tool_choice"] = word_or_object(patch.tool_choice)
    if patch.has("truncation"):
        changes["truncation"] = word_or_object(patch.truncation)
    if patch.has("prompt"):
        changes["prompt"] = None if patch.prompt is None else sent_fields(patch.prompt)
    if patch.has("tracing") and config.tracing is None:
        # Once set it cannot change; keeping it silently is our choice, since
        # one client treats every error event as fatal (DECISIONS 2.1).
        changes["tracing"] = None if patch.tracing is None else word_or_object(patch.tracing)
    if patch.audio is not None:
        changes["audio"] = _audio(config.audio, patch, has_spoken=has_spoken)
    changes.update(_reasoning(config, patch))
    return replace(config, **changes)


def _reasoning(config: SessionConfig, patch: RealtimeSessionIn) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if patch.reasoning is not None:
        changes["reasoning"] = sent_fields(patch.reasoning)
    if patch.has("parallel_tool_calls"):
        changes["parallel_tool_calls"] = patch.parallel_tool_calls
    if changes and not isinstance(config, ReasoningSessionConfig):
        raise UnsupportedOption(f"session.{next(iter(changes))}")
    return changes


def sent_fields(model: Incoming) -> JsonObject:
    """Return what the client sent of a model, in the model's key order."""
    return model.model_dump(exclude_unset=True)


def word_or_object(sent: object) -> str | JsonObject:
    """Return what may be a word or an object as it is echoed."""
    return sent_fields(sent) if isinstance(sent, Incoming) else str(sent)


def audio_format(sent: Any) -> AudioFormat:
    """Return the configured form of a format that a client sent."""
    return PcmAudio() if isinstance(sent, PcmFormat) else G711Audio(sent.type)


def _audio(audio: AudioConfig, patch: RealtimeSessionIn, *, has_spoken: bool) -> AudioConfig:
    sent = patch.audio
    if sent is not None and sent.input is not None:
        audio = replace(audio, input=_input(audio.input, sent.input))
    if sent is not None and sent.output is not None:
        audio = replace(audio, output=_output(audio.output, sent.output, has_spoken=has_spoken))
    return audio


def _input(audio: AudioInput, sent: AudioInputIn) -> AudioInput:
    changes: dict[str, Any] = {}
    if sent.format is not None:
        changes["format"] = audio_format(sent.format)
    if sent.has("transcription"):
        changes["transcription"] = _transcription(audio.transcription, sent.transcription)
    if sent.has("noise_reduction"):
        reduction = sent.noise_reduction
        changes["noise_reduction"] = None if reduction is None else _noise(audio, reduction)
    if sent.has("turn_detection"):
        changes["turn_detection"] = _turn_detection(audio.turn_detection, sent.turn_detection)
    return replace(audio, **changes)


def _noise(audio: AudioInput, sent: Incoming) -> JsonObject:
    """`strength` is kept when omitted (CONTRACT 5)."""
    kept = {} if audio.noise_reduction is None else audio.noise_reduction
    return {**kept, **sent_fields(sent)}


def _transcription(
    current: Transcription | None, sent: TranscriptionIn | None
) -> Transcription | None:
    if sent is None:
        return None
    base = current or Transcription(model="")
    names = [name for name in ("model", "language", "prompt") if sent.has(name)]
    return replace(base, **{name: getattr(sent, name) for name in names})


def _turn_detection(
    current: TurnDetection | None, sent: ServerVadIn | SemanticVadIn | None
) -> TurnDetection | None:
    """The same type merges, a changed type starts from its defaults (CONTRACT 6.3, our choice)."""
    if sent is None:
        return None
    changes: dict[str, Any] = {
        name: getattr(sent, name) for name in type(sent).model_fields if sent.has(name)
    }
    base: TurnDetection
    if isinstance(sent, ServerVadIn):
        base = current if isinstance(current, ServerVad) else ServerVad()
    else:
        base = current if isinstance(current, SemanticVad) else SemanticVad()
    return replace(base, **changes)


def _output(audio: AudioOutput, sent: AudioOutputIn, *, has_spoken: bool) -> AudioOutput:
    changes: dict[str, Any] = {}
    if sent.format is not None:
        changes["format"] = audio_format(sent.format)
    if sent.has("voice"):
        voice = word_or_object(sent.voice)
        if has_spoken and voice != audio.voice:
            raise VoiceLocked
        changes["voice"] = voice
    if sent.has("speed"):
        changes["speed"] = float(sent.speed)
    return replace(audio, **changes)
