"""The merge and refusal rules of `session.update` (CONTRACT 6).

Pure: a configuration and a patch give a new configuration or a fault; a fault
changes nothing, since nothing is stored before the whole patch is applied.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any, TypeVar

from realtime.errors import (
    InvalidValue,
    SessionKindMismatch,
    TurnDetectionNotHere,
    UnsupportedOption,
    VoiceLocked,
)
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
    TranscriptionSessionIn,
)
from realtime.prompts import Prompted
from realtime.session.config import (
    DEFAULT_INSTRUCTIONS,
    AnySessionConfig,
    AudioConfig,
    AudioFormat,
    AudioInput,
    AudioOutput,
    ConversationConfig,
    G711Audio,
    JsonObject,
    MultilingualTranscription,
    PcmAudio,
    ReasoningSessionConfig,
    SemanticVad,
    ServerVad,
    Transcription,
    TranscriptionInput,
    TranscriptionSemanticVad,
    TranscriptionServerVad,
    TranscriptionSessionConfig,
    TurnDetection,
    Wishes,
)
from realtime.session.features import check_tools
from realtime.session.inputs import EngineTraits
from realtime.tools.mcp import defined
from realtime.turns.models import transcription_model

DEFAULT_TRANSCRIPTION_MODEL = "gpt-4o-mini-transcribe"
"""Where a client turns transcription on without a name; our choice."""

_TRANSCRIPTION = "session.audio.input.transcription"
_UNECHOED = ("keywords", "languages", "delay")

AnyInput = TypeVar("AnyInput", AudioInput, TranscriptionInput)

_PLAIN = ("output_modalities", "instructions", "max_output_tokens", "include")


def updated(
    config: AnySessionConfig,
    patch: SessionIn,
    *,
    has_spoken: bool,
    traits: EngineTraits | None = None,
    prompted: Prompted | None = None,
) -> AnySessionConfig:
    """Return the configuration after the patch.

    Args:
        config: what is in force.
        patch: what the client sent, already validated field by field.
        has_spoken: assistant audio is present, so that the voice is fixed.
        traits: what the engine has: voices, transcription models.
        prompted: what the patch's prompt supplies.

    Raises:
        WireFault: the patch as a whole is refused.
    """
    traits = traits or EngineTraits()
    if isinstance(config, TranscriptionSessionConfig):
        if not isinstance(patch, TranscriptionSessionIn):
            raise SessionKindMismatch(sent="realtime", session="transcription")
        return _transcription_session(config, patch, traits)
    if not isinstance(patch, RealtimeSessionIn):
        raise SessionKindMismatch(sent="transcription", session="realtime")
    if patch.has("prompt"):
        config = without_prompt(config, traits)
    if prompted is not None:
        sent = patch
        patch = prompted.in_session(patch, has_spoken=has_spoken)
        config = conversation_updated(config, patch, has_spoken=has_spoken, traits=traits)
        supplied = ("instructions", "tools")
        held = {n: getattr(config, n) for n in supplied if patch.has(n) and not sent.has(n)}
        return replace(config, _prompted=held)
    return conversation_updated(config, patch, has_spoken=has_spoken, traits=traits)


def without_prompt(config: ConversationConfig, traits: EngineTraits) -> ConversationConfig:
    """Return the configuration without what its prompt has supplied and nobody changed since."""
    usual = {"instructions": traits.instructions or DEFAULT_INSTRUCTIONS, "tools": []}
    changes: dict[str, Any] = {
        name: usual[name]
        for name, supplied in config.prompted.items()
        if getattr(config, name) == supplied
    }
    return replace(config, **changes, _prompted={})


def conversation_updated(
    config: ConversationConfig,
    patch: RealtimeSessionIn,
    *,
    has_spoken: bool,
    traits: EngineTraits,
) -> ConversationConfig:
    """Return a conversation's configuration after the patch; see `updated`."""
    changes: dict[str, Any] = {name: getattr(patch, name) for name in _PLAIN if patch.has(name)}
    if patch.has("tools"):
        sent = [sent_fields(tool) for tool in patch.tools]
        check_tools(sent, traits.features, param="session.tools")
        changes["tools"], changes["_mcp"] = defined(sent, config.mcp, root="session")
    if patch.has("tool_choice"):
        changes["tool_choice"] = word_or_object(patch.tool_choice)
    if patch.has("truncation"):
        changes["truncation"] = word_or_object(patch.truncation)
    if patch.has("prompt"):
        changes["prompt"] = None if patch.prompt is None else sent_fields(patch.prompt)
    if patch.has("tracing"):
        changes.update(_tracing(config, patch))
    if patch.audio is not None:
        changes["audio"] = _audio(config.audio, patch, has_spoken=has_spoken, traits=traits)
    changes.update(_reasoning(config, patch))
    return replace(config, **changes)


def _tracing(config: ConversationConfig, patch: RealtimeSessionIn) -> dict[str, Any]:
    """Once set it cannot change, and null disables it for good (CONTRACT 5).

    Keeping what is silently is our choice, since one client treats every error
    event as fatal (DECISIONS 2.1).
    """
    if patch.tracing is None:
        return {"tracing": None, "_untraced": True}
    if config.untraced or config.tracing is not None:
        return {}
    return {"tracing": word_or_object(patch.tracing)}


def _transcription_session(
    config: TranscriptionSessionConfig, patch: TranscriptionSessionIn, traits: EngineTraits
) -> TranscriptionSessionConfig:
    changes: dict[str, Any] = {"include": patch.include} if patch.has("include") else {}
    if patch.audio is not None and patch.audio.input is not None:
        listened = _input(config.audio.input, patch.audio.input, traits)
        chosen = listened.transcription
        streams = chosen is not None and transcription_model(chosen.model).streams
        if streams and listened.turn_detection is not None:
            raise TurnDetectionNotHere
        changes["audio"] = replace(config.audio, input=listened)
    return replace(config, **changes)


def _reasoning(config: ConversationConfig, patch: RealtimeSessionIn) -> dict[str, Any]:
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


def _audio(
    audio: AudioConfig, patch: RealtimeSessionIn, *, has_spoken: bool, traits: EngineTraits
) -> AudioConfig:
    sent = patch.audio
    if sent is not None and sent.input is not None:
        audio = replace(audio, input=_input(audio.input, sent.input, traits))
    if sent is not None and sent.output is not None:
        spoken = _output(audio.output, sent.output, has_spoken=has_spoken, traits=traits)
        audio = replace(audio, output=spoken)
    return audio


def _input(audio: AnyInput, sent: AudioInputIn, traits: EngineTraits) -> AnyInput:
    changes: dict[str, Any] = {}
    if sent.format is not None:
        changes["format"] = audio_format(sent.format)
    if sent.has("transcription"):
        chosen = _transcription(audio.transcription, sent.transcription, traits)
        changes["transcription"] = chosen
        changes["_wishes"] = _wishes(audio.wishes, sent.transcription, chosen)
    if sent.has("noise_reduction"):
        reduction = sent.noise_reduction
        changes["noise_reduction"] = (
            None if reduction is None else _noise(audio.noise_reduction, reduction)
        )
    if sent.has("turn_detection"):
        fresh = _fresh_detection(audio, sent.turn_detection)
        changes["turn_detection"] = _turn_detection(
            audio.turn_detection, fresh, sent.turn_detection
        )
    return replace(audio, **changes)


def _noise(kept: JsonObject | None, sent: Incoming) -> JsonObject:
    """`strength` is kept when omitted (CONTRACT 5)."""
    return {**(kept or {}), **sent_fields(sent)}


def _transcription(
    current: Transcription | None, sent: TranscriptionIn | None, traits: EngineTraits
) -> Transcription | None:
    if sent is None:
        return None
    if "transcription" not in traits.features:
        raise UnsupportedOption(_TRANSCRIPTION)
    model = sent.model or (current.model if current else DEFAULT_TRANSCRIPTION_MODEL)
    if model not in traits.transcription_models:
        raise InvalidValue.unsupported(
            model, traits.transcription_models, param=f"{_TRANSCRIPTION}.model"
        )
    _check_options(model, sent)
    taken = transcription_model(model).options
    kept = {
        name: getattr(sent, name) if sent.has(name) else getattr(current, name, None)
        for name in ("language", "prompt")
        if name == "language" or name in taken  # what another model was told is not this one's
    }
    if model != "gpt-live-transcribe":
        return Transcription(model, **kept)
    held = current.languages if isinstance(current, MultilingualTranscription) else None
    languages = sent.languages if sent.has("languages") else held
    return MultilingualTranscription(model, **kept, languages=languages)


def _check_options(model: str, sent: TranscriptionIn) -> None:
    """Refuse options that the model does not take (CONTRACT 12); a null asks for nothing."""
    taken = transcription_model(model).options
    for name in ("prompt", "keywords", "languages", "delay"):
        if getattr(sent, name) is not None and name not in taken:
            raise UnsupportedOption(f"{_TRANSCRIPTION}.{name}")


def _wishes(kept: Wishes, sent: TranscriptionIn | None, chosen: Transcription | None) -> Wishes:
    if sent is None or chosen is None:
        return Wishes()
    taken = transcription_model(chosen.model).options
    kept = Wishes(**{name: getattr(kept, name) for name in _UNECHOED if name in taken})
    changes: dict[str, Any] = {
        name: tuple(getattr(sent, name) or ()) for name in ("keywords", "languages")
        if sent.has(name)
    }  # fmt: skip
    if sent.has("delay"):
        changes["delay"] = sent.delay
    return replace(kept, **changes)


def _fresh_detection(
    audio: AudioInput | TranscriptionInput, sent: ServerVadIn | SemanticVadIn | None
) -> TurnDetection:
    """Return the defaults of the kind of turn detection that was sent."""
    by_silence = isinstance(sent, ServerVadIn)
    if isinstance(audio, TranscriptionInput):
        return TranscriptionServerVad() if by_silence else TranscriptionSemanticVad()
    return ServerVad() if by_silence else SemanticVad()


def _turn_detection(
    current: TurnDetection | None, fresh: TurnDetection, sent: ServerVadIn | SemanticVadIn | None
) -> TurnDetection | None:
    """The same type merges, a changed type starts from its defaults (CONTRACT 6.3, our choice).

    What a transcription session has no key for is taken and left unused: SDKs
    send one form for both kinds of session.
    """
    if sent is None:
        return None
    base = current if type(current) is type(fresh) and current is not None else fresh
    names = [known.name for known in fields(base)]
    changes: dict[str, Any] = {name: getattr(sent, name) for name in names if sent.has(name)}
    return replace(base, **changes)


def check_voice(voice: str | JsonObject, voices: Iterable[str], *, param: str) -> None:
    """Refuse a voice by a name that the engine does not have; a voice by id is the operator's.

    Raises:
        InvalidValue: with the names there are.
    """
    if isinstance(voice, str) and voice not in (names := tuple(voices)):
        raise InvalidValue.unsupported(voice, names, param=param)


def _output(
    audio: AudioOutput, sent: AudioOutputIn, *, has_spoken: bool, traits: EngineTraits
) -> AudioOutput:
    changes: dict[str, Any] = {}
    if sent.format is not None:
        changes["format"] = audio_format(sent.format)
    if sent.has("voice"):
        voice = word_or_object(sent.voice)
        check_voice(voice, traits.voices, param="session.audio.output.voice")
        if has_spoken and voice != audio.voice:
            raise VoiceLocked
        changes["voice"] = voice
    if sent.has("speed"):
        changes["speed"] = float(sent.speed)
    return replace(audio, **changes)
