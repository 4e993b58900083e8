"""What the settings say about plugins, as the speech worker and the registry take it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.engines.registry import TRANSCRIPTION_MODELS
from gateway.settings import PluginSetting, Settings
from ovos_bridge.speech.choices import DEFAULT, PluginChoice, SpeechChoices

SLOT_SHARE: Final = 0.8
"""Of the wait for words, for a slot of the recogniser; who waits in vain is told before it ends."""


def speech_choices(settings: Settings) -> SpeechChoices:
    """Return the plugins that the speech worker loads."""
    default = PluginChoice(settings.stt_module, settings.stt_options)
    plugins = {
        name: setting
        for name, setting in settings.recognisers.items()
        if isinstance(setting, str | PluginSetting)
    }
    return SpeechChoices(
        recognisers={DEFAULT: default, **_choices(plugins)},
        synthesiser=PluginChoice(settings.tts_module, settings.tts_options),
        detector=PluginChoice(settings.vad_module, settings.vad_options),
        wake_words={**SpeechChoices().wake_words, **_choices(settings.wake_words)},
        language=settings.language,
        slot_wait_s=settings.recognition_timeout_s * SLOT_SHARE,
    )


def _choices(settings: Mapping[str, str | PluginSetting]) -> dict[str, PluginChoice]:
    return {name: _choice(setting) for name, setting in settings.items()}


def _choice(setting: str | PluginSetting) -> PluginChoice:
    if isinstance(setting, str):
        return PluginChoice(setting)
    return PluginChoice(setting.module, setting.options, setting.slots)


def transcription_routes(settings: Settings) -> dict[str, str]:
    """Return the recogniser of every transcription model's name that clients may use."""
    return dict.fromkeys(TRANSCRIPTION_MODELS, DEFAULT) | settings.transcription_models
