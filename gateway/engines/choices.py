"""What the settings say about plugins, as the speech worker and the registry take it."""

from __future__ import annotations

from gateway.engines.registry import TRANSCRIPTION_MODELS
from gateway.settings import PluginSetting, Settings
from ovos_bridge.speech.choices import DEFAULT, PluginChoice, SpeechChoices


def speech_choices(settings: Settings) -> SpeechChoices:
    """Return the plugins that the speech worker loads."""
    default = PluginChoice(settings.stt_module, settings.stt_options)
    named = {name: _choice(setting) for name, setting in settings.recognisers.items()}
    return SpeechChoices(
        recognisers={DEFAULT: default, **named},
        synthesiser=PluginChoice(settings.tts_module, settings.tts_options),
        detector=PluginChoice(settings.vad_module, settings.vad_options),
        language=settings.language,
    )


def _choice(setting: str | PluginSetting) -> PluginChoice:
    if isinstance(setting, str):
        return PluginChoice(setting)
    return PluginChoice(setting.module, setting.options, setting.slots)


def transcription_routes(settings: Settings) -> dict[str, str]:
    """Return the recogniser of every transcription model's name that clients may use."""
    return dict.fromkeys(TRANSCRIPTION_MODELS, DEFAULT) | settings.transcription_models
