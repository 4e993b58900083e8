"""Recognition by a socket of the shape of Deepgram's `/v1/listen`, one connection an utterance.

Audio goes as it is spoken. A pause that may be the end sends `Finalize`: what comes
back is final, so that at the commit the transcript is often there already. Words
are told early only where the service calls them final.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedOK

from gateway.engines.hosted.answers import scored
from gateway.engines.hosted.faults import BROKE_OFF, TIMED_OUT, TOO_LONG, EndpointError, fault_of
from gateway.engines.hosted.sockets import connected
from realtime.engine import (
    SAMPLE_RATE,
    EngineFault,
    RecognitionFailed,
    RecognitionReport,
    RecognitionRequest,
    TokenLogprob,
    TranscriptFinal,
    TranscriptPartial,
    TurnHypothesis,
)
from realtime.ports import Audio

KEEP_ALIVE_S = 4.0
"""The service hangs up after 10 s without a message."""

FRAME_BYTES = 64 * 1024
MOST_QUEUED_BYTES = 32 * 1024 * 1024
"""As the session's ring; an utterance that would need more fails."""

CLOSE_TIMEOUT_S = 2.0
_FINALIZE, _CLOSE, _KEEP_ALIVE = (
    json.dumps({"type": kind}) for kind in ("Finalize", "CloseStream", "KeepAlive")
)

_log = structlog.get_logger("deepgram")
Sink = Callable[[RecognitionReport], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenEndpoint:
    """Where the recogniser is and how it is asked."""

    url: str
    model: str
    api_key: str = ""
    timeout_s: float = 10.0
    """Longest wait for the connection, and for a transcript after the end of an utterance."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further query parameters, such as `smart_format`."""


class Outbox:
    """What waits to be sent, in order; audio lies together."""

    def __init__(self) -> None:
        self._waiting: deque[bytearray | str] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()

    def audio(self, audio: Audio) -> bool:
        """Queue audio; return False where there is no room for it."""
        if self._bytes + len(audio) > MOST_QUEUED_BYTES:
            return False
        self._bytes += len(audio)
        if not self._waiting or isinstance(self._waiting[-1], str):
            self._waiting.append(bytearray())
        last = self._waiting[-1]
        assert isinstance(last, bytearray)  # noqa: S101 -- for the type checker
        last += audio
        self._filled.set()
        return True

    def message(self, text: str) -> None:
        """Queue a control message."""
        self._waiting.append(text)
        self._filled.set()

    async def next(self) -> bytes | str:
        """Return what goes next; a sign of life where nothing comes for long."""
        try:
            async with asyncio.timeout(KEEP_ALIVE_S):
                await self._filled.wait()
        except TimeoutError:
            return _KEEP_ALIVE
        first = self._waiting[0]
        if isinstance(first, str) or len(first) <= FRAME_BYTES:
            self._waiting.popleft()
            piece: bytes | str = first if isinstance(first, str) else bytes(first)
        else:
            piece = bytes(first[:FRAME_BYTES])
            del first[:FRAME_BYTES]
        if isinstance(piece, bytes):
            self._bytes -= len(piece)
        if not self._waiting:
            self._filled.clear()
        return piece


class ListenUtterance:
    """One utterance."""

    def __init__(
        self, recogniser: ListenRecogniser, request: RecognitionRequest, sink: Sink
    ) -> None:
        self._recogniser = recogniser
        self._request = request
        self._sink = sink
        self._outbox = Outbox()
        self._texts: list[str] = []
        self._tokens: list[tuple[str, float]] = []
        self._finalizing = 0
        self._pausing = False
        self._flushed = False
        self._committed = False
        self._over = False
        self._fault: EngineFault | None = None
        self._deadline: asyncio.TimerHandle | None = None
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._run(), name="listen")
        recogniser.keep(self._task)

    # --- the port ---

    def feed(self, audio: Audio) -> None:
        """Send the audio."""
        if self._fault is None and not self._outbox.audio(audio):
            self._fault = TOO_LONG

    def prepare(self) -> None:
        """Have the service finish what it heard."""
        self._pausing, self._flushed = True, False
        self._finalizing += 1
        self._outbox.message(_FINALIZE)

    def abandon(self) -> None:
        """What is final stays; what follows is added to it."""
        self._pausing = self._flushed = False

    def commit(self) -> None:
        """Report what is final once all is."""
        self._committed = True
        loop = asyncio.get_running_loop()
        if self._fault is not None or self._flushed:
            loop.call_soon(self._finish)
            return
        self._outbox.message(_CLOSE)
        timeout_s = self._recogniser.endpoint.timeout_s
        self._deadline = loop.call_later(timeout_s, self._late)

    def close(self) -> None:
        """Hang up."""
        self._end()

    # --- what comes back ---

    def _end(self) -> None:
        self._over = True
        self._task.cancel()
        if self._deadline is not None:
            self._deadline.cancel()

    def _late(self) -> None:
        self._failed(TIMED_OUT)

    def _failed(self, fault: EngineFault) -> None:
        """Remember what went wrong; it is told once the utterance is committed."""
        if self._fault is None:
            self._fault = fault
        if self._committed:
            self._finish()

    def _finish(self) -> None:
        if self._over:
            return
        self._end()
        utterance_id = self._request.utterance_id
        if self._fault is not None:
            self._sink(RecognitionFailed(utterance_id, self._fault))
            return
        text = " ".join(self._texts)
        logprobs: tuple[TokenLogprob, ...] = ()
        if self._request.logprobs:
            spaced = ((f" {word}" if n else word, p) for n, (word, p) in enumerate(self._tokens))
            logprobs = scored(spaced, text)
        self._sink(TranscriptFinal(utterance_id, text, logprobs=logprobs))

    async def _run(self) -> None:
        try:
            socket = await self._recogniser.connect(self._request)
            async with socket, asyncio.TaskGroup() as group:
                sending = group.create_task(self._send(socket))
                await self._receive(socket)
                sending.cancel()
        except ExceptionGroup as errors:
            self._broken(errors.exceptions[0])
        except Exception as error:  # noqa: BLE001 -- whatever a service does fails its utterance
            self._broken(error)

    def _broken(self, error: Exception) -> None:
        _log.warning("recognition_failed", error=type(error).__name__)
        self._failed(fault_of(error))

    async def _send(self, socket: ClientConnection) -> None:
        while True:
            await socket.send(await self._outbox.next())

    async def _receive(self, socket: ClientConnection) -> None:
        try:
            while True:
                if self._take(json.loads(await socket.recv())):
                    break
        except ConnectionClosedOK:
            if not self._committed:
                raise EndpointError(BROKE_OFF) from None
        self._finish()

    def _take(self, told: dict[str, Any]) -> bool:
        """Take a message; return whether it is the last."""
        kind = told["type"]
        if kind == "Results":
            if told["is_final"]:
                self._take_words(told["channel"]["alternatives"][0])
            if told.get("from_finalize"):
                return self._take_flush()
        elif kind == "Metadata":
            return self._committed
        elif kind == "Error":
            raise EndpointError(BROKE_OFF)
        return False

    def _take_words(self, heard: dict[str, Any]) -> None:
        text = str(heard["transcript"]).strip()
        if not text:
            return
        delta = f" {text}" if self._texts else text
        self._texts.append(text)
        for word in heard.get("words") or ():
            confidence = min(1.0, max(1e-9, float(word["confidence"])))
            said = str(word.get("punctuated_word") or word["word"])
            self._tokens.append((said, math.log(confidence)))
        if self._request.partials:
            self._report(TranscriptPartial(self._request.utterance_id, delta))

    def _take_flush(self) -> bool:
        """All audio up to a pause is final: that may be all."""
        self._finalizing -= 1
        if self._finalizing > 0 or not self._pausing:
            return False
        if self._committed:
            return True
        self._flushed = True
        if self._request.hypotheses:
            text = " ".join(self._texts)
            self._report(TurnHypothesis(self._request.utterance_id, text))
        return False

    def _report(self, report: RecognitionReport) -> None:
        if not self._over:
            self._sink(report)


class ListenRecogniser:
    """`realtime.ports.Recogniser` by a listen socket."""

    def __init__(self, endpoint: ListenEndpoint) -> None:
        self.endpoint = endpoint
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, request: RecognitionRequest, sink: Sink) -> ListenUtterance:
        """Start an utterance."""
        return ListenUtterance(self, request, sink)

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold a task until it ends, or `close` ends it."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def connect(self, request: RecognitionRequest) -> ClientConnection:
        """Connect for an utterance; raise what that raises."""
        endpoint = self.endpoint
        query: dict[str, object] = {
            "model": endpoint.model,
            "encoding": "linear16",
            "sample_rate": SAMPLE_RATE,
            "channels": 1,
            # Turns are ours to end, and words that may change are told to nobody.
            "endpointing": "false",
            "interim_results": "false",
        }
        if len(request.languages) > 1:
            query["language"] = "multi"
        elif request.language or request.languages:
            query["language"] = request.language or request.languages[0]
        if request.keywords:
            query["keyterm"] = list(request.keywords)
        headers = {"Authorization": f"Token {endpoint.api_key}"}
        return await connected(
            endpoint.url, query | dict(endpoint.options), headers, timeout_s=endpoint.timeout_s
        )

    async def probe(self) -> dict[str, Any]:
        """Connect and hang up; raise what that raises."""
        socket = await self.connect(RecognitionRequest(utterance_id="probe"))
        async with socket, asyncio.timeout(self.endpoint.timeout_s):
            await socket.send(_CLOSE)
        return {"model": self.endpoint.model}

    async def close(self) -> None:
        """Hang up everywhere."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await asyncio.gather(*tasks, return_exceptions=True)
