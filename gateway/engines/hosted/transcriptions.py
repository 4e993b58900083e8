"""Any OpenAI-compatible `/audio/transcriptions` endpoint as a recogniser.

An utterance is uploaded whole. At a pause that may be its end a copy is uploaded
early, if a slot is free: when nothing more is said its transcript is there
sooner, else it is thrown away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import openai
import structlog

from gateway.engines.hosted.answers import Transcript, read_transcript
from gateway.engines.hosted.faults import BROKE_OFF, TOO_LONG, EndpointError, fault_of
from gateway.telemetry import metrics
from realtime.engine import (
    RecognitionFailed,
    RecognitionReport,
    RecognitionRequest,
    TranscriptFinal,
    TranscriptPartial,
    TurnHypothesis,
)
from realtime.media.wav import wav_of
from realtime.ports import Audio

RETRIES = 2
"""Of the SDK: 429 by `retry-after`, 5xx, refused connections."""

CLOSE_TIMEOUT_S = 2.0
LEAST_AUDIO_BYTES = 4_800
"""100 ms: endpoints refuse less, and nobody says a word in it."""

MOST_AUDIO_BYTES = 24 * 1024 * 1024
"""Endpoints take files of 25 MB; a longer utterance fails, since half of it misleads."""

_log = structlog.get_logger("transcriptions")
Sink = Callable[[RecognitionReport], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionEndpoint:
    """Where the recogniser is and how it is asked."""

    base_url: str
    model: str
    api_key: str = "none"
    timeout_s: float = 10.0
    """Longest wait for a transcript after the end of an utterance, retries included."""
    slots: int = 16
    """Uploads at a time; further ones wait, and early ones are left out."""
    stream: bool = False
    """The endpoint is asked to tell words as it finds them."""
    response_format: str = "json"
    logprobs: bool = False
    """The model gives log probabilities with `include`; others refuse the field."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the form."""


class Upload:
    """One request, begun at once."""

    def __init__(
        self, recogniser: TranscriptionRecogniser, request: RecognitionRequest, audio: bytes
    ) -> None:
        self._recogniser = recogniser
        self._request = request
        self.text = ""
        """What was found so far."""
        self.told: Callable[[], None] | None = None
        """Called when there is more of it."""
        loop = asyncio.get_running_loop()
        self.task = loop.create_task(self._send(audio), name="transcription")

    def _more(self, delta: str) -> None:
        self.text += delta
        if self.told is not None:
            self.told()

    async def _send(self, audio: bytes) -> Transcript:
        recogniser = self._recogniser
        calls = recogniser.client.audio.transcriptions.with_streaming_response
        async with (
            asyncio.timeout(recogniser.endpoint.timeout_s),
            recogniser.slots,
            calls.create(**self._arguments(audio)) as response,
        ):
            return await read_transcript(response, self._more)

    def _arguments(self, audio: bytes) -> dict[str, Any]:
        endpoint, request = self._recogniser.endpoint, self._request
        arguments: dict[str, Any] = {
            "file": ("speech.wav", wav_of(audio), "audio/wav"),
            "model": endpoint.model,
            "response_format": endpoint.response_format,
        }
        if endpoint.stream:
            arguments["stream"] = True
        if request.language:
            arguments["language"] = request.language.partition("-")[0].lower()
        prompt = request.prompt or ", ".join(request.keywords)
        if prompt:
            arguments["prompt"] = prompt
        if request.logprobs and endpoint.logprobs:
            arguments["include"] = ["logprobs"]
        if endpoint.options:
            arguments["extra_body"] = dict(endpoint.options)
        return arguments


class Utterance:
    """One utterance."""

    def __init__(
        self, recogniser: TranscriptionRecogniser, request: RecognitionRequest, sink: Sink
    ) -> None:
        self._recogniser = recogniser
        self._request = request
        self._sink = sink
        self._audio = bytearray()
        self._too_long = False
        self._over = False
        self._early: Upload | None = None
        self._early_usable = False
        self._final: asyncio.Task[None] | None = None
        self._told = ""

    def feed(self, audio: Audio) -> None:
        """Keep the audio."""
        if len(self._audio) + len(audio) > MOST_AUDIO_BYTES:
            self._too_long = True
        else:
            self._audio += audio

    def prepare(self) -> None:
        """Upload what there is, if a slot is free."""
        self._drop_early()
        if self._too_long or self._is_short() or self._recogniser.slots.locked():
            return
        metrics.SPECULATIONS.labels("stt", "started").inc()
        early = self._upload()
        early.task.add_done_callback(lambda task: self._understood(early, task))
        self._early = early

    def abandon(self) -> None:
        """Throw the early upload away."""
        self._drop_early()

    def commit(self) -> None:
        """Report the transcript when it is there."""
        loop = asyncio.get_running_loop()
        self._final = loop.create_task(self._finish(), name="transcript")
        self._recogniser.keep(self._final)

    def close(self) -> None:
        """Ask no more."""
        self._over = True
        self._drop_early()
        if self._final is not None:
            self._final.cancel()

    def _is_short(self) -> bool:
        return len(self._audio) < LEAST_AUDIO_BYTES

    def _upload(self) -> Upload:
        upload = Upload(self._recogniser, self._request, bytes(self._audio))
        self._recogniser.keep(upload.task)
        return upload

    def _drop_early(self) -> None:
        early, self._early = self._early, None
        if early is not None:
            metrics.SPECULATIONS.labels("stt", "discarded").inc()
            early.task.cancel()

    def _understood(self, early: Upload, task: asyncio.Task[Transcript]) -> None:
        if task.cancelled() or task.exception() is not None:
            return  # the commit uploads again, and tells what goes wrong then
        wanted = self._request.hypotheses and self._final is None and not self._over
        if wanted and early is self._early:
            self._sink(TurnHypothesis(self._request.utterance_id, task.result().text))

    async def _finish(self) -> None:
        utterance_id = self._request.utterance_id
        try:
            async with asyncio.timeout(self._recogniser.endpoint.timeout_s):
                found = await self._transcript()
        except Exception as error:  # noqa: BLE001 -- whatever an endpoint does fails its utterance
            model = self._recogniser.endpoint.model
            _log.warning("transcription_failed", error=type(error).__name__, model=model)
            fault = BROKE_OFF if self._told else fault_of(error)
            self._report(RecognitionFailed(utterance_id, fault))
            return
        # Words that were told stay: an endpoint that takes them back has the last word no more.
        kept = found.text.startswith(self._told)
        self._report(
            TranscriptFinal(
                utterance_id,
                found.text if kept else self._told,
                language=found.language,
                logprobs=found.logprobs if kept and self._request.logprobs else (),
            )
        )

    async def _transcript(self) -> Transcript:
        if self._too_long:
            raise EndpointError(TOO_LONG)
        if self._is_short():
            return Transcript("")
        early, self._early = self._early, None
        if early is not None:
            try:
                found = await self._result(early)
            except Exception:  # any fault of what nobody asked for yet is tried once more
                metrics.SPECULATIONS.labels("stt", "discarded").inc()
                if self._told:
                    raise
            else:
                metrics.SPECULATIONS.labels("stt", "used").inc()
                return found
        return await self._result(self._upload())

    async def _result(self, upload: Upload) -> Transcript:
        if self._request.partials:
            upload.told = lambda: self._tell(upload.text)
            self._tell(upload.text)
        try:
            return await upload.task
        finally:
            upload.told = None

    def _tell(self, text: str) -> None:
        text = text.strip()
        if len(text) > len(self._told) and text.startswith(self._told):
            delta, self._told = text[len(self._told) :], text
            self._report(TranscriptPartial(self._request.utterance_id, delta))

    def _report(self, report: RecognitionReport) -> None:
        if not self._over:
            self._sink(report)


class TranscriptionRecogniser:
    """`realtime.ports.Recogniser` by a transcriptions endpoint."""

    def __init__(self, endpoint: TranscriptionEndpoint) -> None:
        self.endpoint = endpoint
        self.slots = asyncio.Semaphore(endpoint.slots)
        self.client = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            max_retries=RETRIES,
            timeout=endpoint.timeout_s,
        )
        self._tasks: set[asyncio.Task[Any]] = set()

    def open(self, request: RecognitionRequest, sink: Sink) -> Utterance:
        """Start an utterance."""
        return Utterance(self, request, sink)

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold a task until it ends, or `close` ends it."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def probe(self) -> dict[str, Any]:
        """Ask for the endpoint's models; raise what that raises."""
        return await probe_models(self.client, self.endpoint.model, self.endpoint.timeout_s)

    async def close(self) -> None:
        """End what runs, and close connections that wait."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await asyncio.gather(*tasks, return_exceptions=True)
                await self.client.close()


async def probe_models(client: openai.AsyncOpenAI, model: str, timeout_s: float) -> dict[str, Any]:
    """Ask an endpoint for its models; one that has no such list answers all the same.

    Raises:
        openai.OpenAIError, TimeoutError: it does not answer, or refuses the key.
    """
    async with asyncio.timeout(timeout_s):
        try:
            found = await client.with_options(max_retries=0).models.list()
        except openai.NotFoundError:
            return {"model": model}
    return {"model": model, "models": len(found.data)}
