"""Any OpenAI-compatible `/audio/speech` endpoint as a synthesiser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import openai

from gateway.engines.hosted.faults import UNREADABLE, EndpointError
from gateway.engines.hosted.speaking import CLOSE_TIMEOUT_S, HostedSynthesiser
from gateway.engines.hosted.transcriptions import RETRIES, probe_models
from realtime.engine import SAMPLE_RATE, SpeechRequest
from realtime.media.wav import CanonicalReader

_NO_AUDIO = ("application/json", "text/")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEndpoint:
    """Where the voice is and how it is asked."""

    base_url: str
    model: str
    api_key: str = "none"
    timeout_s: float = 10.0
    """Longest wait for the next audio, retries included."""
    slots: int = 16
    """Requests at a time; further ones wait."""
    response_format: str = "pcm"
    rate: int = SAMPLE_RATE
    """Samples per second of raw audio; a WAV file says its own."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the request."""


class SpeechEndpointVoice:
    """One session's requests."""

    def __init__(self, synthesiser: SpeechEndpointSynthesiser) -> None:
        self._synthesiser = synthesiser

    async def stream(self, request: SpeechRequest, language: str) -> AsyncGenerator[bytes, None]:
        """Yield the endpoint's audio as it comes; the model hears the language from the text."""
        del language
        owner = self._synthesiser
        calls = owner.client.audio.speech.with_streaming_response
        async with owner.slots, calls.create(**self._arguments(request)) as response:
            if response.headers.get("content-type", "").startswith(_NO_AUDIO):
                raise EndpointError(UNREADABLE)
            reader = CanonicalReader(owner.endpoint.rate)
            async for data in response.iter_bytes():
                yield reader.feed(data)
            yield reader.finish()

    def _arguments(self, request: SpeechRequest) -> dict[str, Any]:
        owner = self._synthesiser
        arguments: dict[str, Any] = {
            "input": request.text,
            "model": owner.endpoint.model,
            "voice": owner.voice_named(request.voice),
            "response_format": owner.endpoint.response_format,
        }
        if request.speed != 1.0:
            arguments["speed"] = request.speed
        if owner.endpoint.options:
            arguments["extra_body"] = dict(owner.endpoint.options)
        return arguments

    async def close(self) -> None:
        """Nothing is kept between requests."""


class SpeechEndpointSynthesiser(HostedSynthesiser):
    """`realtime.ports.Synthesiser` by a speech endpoint."""

    def __init__(
        self,
        endpoint: SpeechEndpoint,
        *,
        voices: Mapping[str, str],
        default_voice: str | None = None,
    ) -> None:
        super().__init__(timeout_s=endpoint.timeout_s, voices=voices, default_voice=default_voice)
        self.endpoint = endpoint
        self.slots = asyncio.Semaphore(endpoint.slots)
        self.client = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            max_retries=RETRIES,
            timeout=endpoint.timeout_s,
        )

    def open_voice(self) -> SpeechEndpointVoice:
        """Return what speaks for one session."""
        return SpeechEndpointVoice(self)

    async def probe(self) -> dict[str, Any]:
        """Ask for the endpoint's models; raise what that raises."""
        return await probe_models(self.client, self.endpoint.model, self.endpoint.timeout_s)

    async def close(self) -> None:
        """End what runs, and close connections that wait."""
        await super().close()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.client.close()
