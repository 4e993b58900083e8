"""Synthesis by a socket of the shape of Cartesia's `/tts/websocket`.

A session has one connection, made when it first speaks and made again when it was
lost; each segment is a context on it, so that the next one is spoken while one
is heard, and a cancelled one ends without a word to the others.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pybase64
import structlog
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from gateway.engines.hosted.faults import (
    BROKE_OFF,
    UNREADABLE,
    EndpointError,
    fault_of,
    fault_of_status,
)
from gateway.engines.hosted.sockets import connected
from gateway.engines.hosted.speaking import HostedSynthesiser
from realtime.engine import SAMPLE_RATE, EngineFault, SpeechRequest
from realtime.media.wav import CanonicalReader

_log = structlog.get_logger("cartesia")
SEND_TIMEOUT_S = 5.0
_ENCODING = "pcm_s16le"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextEndpoint:
    """Where the voice is and how it is asked."""

    url: str
    model: str
    api_key: str = ""
    version: str = "2026-03-01"
    """Of the service's interface."""
    timeout_s: float = 10.0
    """Longest wait for the connection, and for the next audio."""
    rate: int = SAMPLE_RATE
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of each request, such as `generation_config`."""


Told = dict[str, Any] | EngineFault
"""A message of a context, or why there will be none."""


class Line:
    """One connection and the contexts that speak on it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._contexts: dict[str, asyncio.Queue[Told]] = {}
        self.lost = False
        self.task = asyncio.get_running_loop().create_task(self._read(), name="voice-line")

    def begin(self, context_id: str) -> asyncio.Queue[Told]:
        """Return where the messages of a context come; a segment's bound holds for them."""
        queue: asyncio.Queue[Told] = asyncio.Queue()
        self._contexts[context_id] = queue
        if self.lost:
            queue.put_nowait(BROKE_OFF)
        return queue

    def forget(self, context_id: str) -> bool:
        """Messages of the context mean nothing any more; return whether it spoke still."""
        return self._contexts.pop(context_id, None) is not None and not self.lost

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a message.

        Raises:
            websockets.ConnectionClosed, TimeoutError: the line is lost.
        """
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await self._socket.send(json.dumps(message))

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                self._take(json.loads(message))
            fault = BROKE_OFF
        except Exception as error:  # noqa: BLE001 -- whatever a service does ends this line only
            _log.warning("voice_line_lost", error=type(error).__name__)
            fault = fault_of(error)
        self.lost = True
        for queue in self._contexts.values():
            queue.put_nowait(fault)
        await self._socket.close()

    def _take(self, told: dict[str, Any]) -> None:
        context_id = told.get("context_id")
        if context_id is None and told.get("type") == "error":
            for queue in self._contexts.values():
                queue.put_nowait(told)
        elif context_id in self._contexts:
            self._contexts[context_id].put_nowait(told)

    async def close(self) -> None:
        """Hang up."""
        self.lost = True
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        await self._socket.close()


class ContextVoice:
    """One session's connection."""

    def __init__(self, synthesiser: ContextSynthesiser) -> None:
        self._synthesiser = synthesiser
        self._line: Line | None = None
        self._connecting = asyncio.Lock()

    async def stream(self, request: SpeechRequest, language: str) -> AsyncGenerator[bytes, None]:
        """Yield a context's audio; closing it early cancels the context."""
        line = await self._connected()
        context_id = uuid.uuid4().hex
        queue = line.begin(context_id)
        reader = CanonicalReader(self._synthesiser.endpoint.rate)
        whole = False
        try:
            await line.send(self._request(request, context_id, request.language or language))
            while not whole:
                piece, whole = _audio(await queue.get())
                yield reader.feed(piece)
            yield reader.finish()
        finally:
            if line.forget(context_id) and not whole:
                with suppress(ConnectionClosed, TimeoutError):
                    await line.send({"context_id": context_id, "cancel": True})

    async def _connected(self) -> Line:
        async with self._connecting:
            if self._line is None or self._line.lost:
                self._line = Line(await self._synthesiser.connect())
            return self._line

    def _request(self, request: SpeechRequest, context_id: str, language: str) -> dict[str, Any]:
        endpoint = self._synthesiser.endpoint
        asked: dict[str, Any] = {
            "model_id": endpoint.model,
            "transcript": request.text,
            "voice": {"mode": "id", "id": self._synthesiser.voice_named(request.voice)},
            "language": language.partition("-")[0].lower(),
            "context_id": context_id,
            "output_format": {
                "container": "raw",
                "encoding": _ENCODING,
                "sample_rate": endpoint.rate,
            },
            "continue": False,
        }
        if request.speed != 1.0:
            asked["generation_config"] = {"speed": request.speed}
        return asked | dict(endpoint.options)

    async def close(self) -> None:
        """Hang up."""
        line, self._line = self._line, None
        if line is not None:
            await line.close()


def _audio(told: Told) -> tuple[bytes, bool]:
    """Return the audio of a message and whether the context is over.

    Raises:
        EndpointError, ValueError, KeyError, TypeError: there will be no more, or no sense in it.
    """
    if isinstance(told, EngineFault):
        raise EndpointError(told)
    if told["type"] == "error":
        status = told.get("status_code")
        raise EndpointError(fault_of_status(status) if isinstance(status, int) else UNREADABLE)
    if told["type"] == "chunk":
        return pybase64.b64decode(told["data"], validate=True), bool(told.get("done"))
    return b"", told["type"] == "done"


class ContextSynthesiser(HostedSynthesiser):
    """`realtime.ports.Synthesiser` by a socket of contexts."""

    def __init__(
        self, endpoint: ContextEndpoint, *, voices: Mapping[str, str], default_voice: str
    ) -> None:
        super().__init__(timeout_s=endpoint.timeout_s, voices=voices, default_voice=default_voice)
        self.endpoint = endpoint

    def open_voice(self) -> ContextVoice:
        """Return what speaks for one session."""
        return ContextVoice(self)

    async def connect(self) -> ClientConnection:
        """Connect; raise what that raises."""
        endpoint = self.endpoint
        headers = {"X-API-Key": endpoint.api_key, "Cartesia-Version": endpoint.version}
        query = {"cartesia_version": endpoint.version}
        return await connected(endpoint.url, query, headers, timeout_s=endpoint.timeout_s)

    async def probe(self) -> dict[str, Any]:
        """Connect and hang up; raise what that raises."""
        socket = await self.connect()
        async with asyncio.timeout(self.endpoint.timeout_s):
            await socket.close()
        return {"model": self.endpoint.model}
