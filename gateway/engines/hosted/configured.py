"""The recognisers and the voice at endpoints that the settings name."""

from __future__ import annotations

from typing import Any, Protocol

from pydantic import SecretStr

from gateway.engines.chat.configured import NO_KEY, OPENAI, OUR_KEYS
from gateway.engines.hosted.cartesia import ContextEndpoint, ContextSynthesiser
from gateway.engines.hosted.deepgram import ListenEndpoint, ListenRecogniser
from gateway.engines.hosted.speaking import HostedSynthesiser
from gateway.engines.hosted.speech import SpeechEndpoint, SpeechEndpointSynthesiser
from gateway.engines.hosted.transcriptions import TranscriptionEndpoint, TranscriptionRecogniser
from gateway.settings import (
    CartesiaSynthesiser,
    DeepgramRecogniser,
    OpenAIRecogniser,
    OpenAISynthesiser,
    Settings,
)
from realtime.ports import Recogniser

DEEPGRAM = "wss://api.deepgram.com/v1/listen"
CARTESIA = "wss://api.cartesia.ai/tts/websocket"


class HostedRecogniser(Recogniser, Protocol):
    """A recogniser with connections to end."""

    async def probe(self) -> dict[str, Any]:
        """Try the endpoint; raise what that raises."""

    async def close(self) -> None:
        """End what runs."""


def hosted_recognisers(settings: Settings) -> dict[str, HostedRecogniser]:
    """Return the recognisers at endpoints by their names in the settings."""
    found: dict[str, HostedRecogniser] = {}
    for name, setting in settings.recognisers.items():
        if isinstance(setting, OpenAIRecogniser):
            found[name] = _transcriptions(settings, setting)
        elif isinstance(setting, DeepgramRecogniser):
            endpoint = ListenEndpoint(
                url=setting.url or DEEPGRAM,
                model=setting.model,
                api_key=_secret(setting.api_key),
                timeout_s=settings.recognition_timeout_s,
                options=setting.options,
            )
            found[name] = ListenRecogniser(endpoint)
    return found


def _transcriptions(settings: Settings, setting: OpenAIRecogniser) -> TranscriptionRecogniser:
    endpoint = TranscriptionEndpoint(
        base_url=setting.url or OPENAI,
        model=setting.model,
        api_key=_openai_key(settings, setting.url, setting.api_key),
        timeout_s=settings.recognition_timeout_s,
        slots=setting.slots,
        stream=setting.stream,
        response_format=setting.response_format,
        logprobs=setting.logprobs,
        options=setting.options,
    )
    return TranscriptionRecogniser(endpoint)


def hosted_synthesiser(settings: Settings) -> HostedSynthesiser | None:
    """Return the voice at an endpoint, None where a plugin speaks."""
    setting = settings.synthesiser
    return None if setting is None else _synthesiser(settings, setting)


def hosted_synthesisers(settings: Settings) -> dict[str, HostedSynthesiser]:
    """Return the further voices at endpoints by their names in the settings."""
    return {
        name: _synthesiser(settings, setting) for name, setting in settings.synthesisers.items()
    }


def _synthesiser(
    settings: Settings, setting: OpenAISynthesiser | CartesiaSynthesiser
) -> HostedSynthesiser:
    voices = settings.voices
    if isinstance(setting, OpenAISynthesiser):
        endpoint = SpeechEndpoint(
            base_url=setting.url or OPENAI,
            model=setting.model,
            api_key=_openai_key(settings, setting.url, setting.api_key),
            timeout_s=settings.synthesis_timeout_s,
            slots=setting.slots,
            response_format=setting.response_format,
            rate=setting.rate,
            options=setting.options,
        )
        return SpeechEndpointSynthesiser(endpoint, voices=voices, default_voice=setting.voice)
    contexts = ContextEndpoint(
        url=setting.url or CARTESIA,
        model=setting.model,
        api_key=_secret(setting.api_key),
        version=setting.version,
        timeout_s=settings.synthesis_timeout_s,
        rate=setting.rate,
        options=setting.options,
    )
    return ContextSynthesiser(contexts, voices=voices, default_voice=setting.voice)


def _secret(key: SecretStr | None) -> str:
    return "" if key is None else key.get_secret_value()


def _openai_key(settings: Settings, url: str | None, key: SecretStr | None) -> str:
    """Return the endpoint's own key; `OPENAI_API_KEY` is shown to OpenAI and nowhere else."""
    found = _secret(key)
    if not found and (url is None or f"{url}/".startswith(f"{OPENAI}/")):
        found = _secret(settings.openai_api_key)
    return NO_KEY if not found or found.startswith(OUR_KEYS) else found
