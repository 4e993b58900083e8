"""Segments of a session spoken in order, by voices that are asked one segment at a time.

The segment behind the one that is heard is asked for already, so that no pause
stands between them; its audio waits here, up to `MOST_HELD_BYTES`, after which
the endpoint is not read until its turn comes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from copy import copy
from itertools import islice
from typing import Any, Protocol, Self

import structlog

from gateway.engines.hosted.faults import BROKE_OFF, TOO_LONG, UNREADABLE, EndpointError, fault_of
from realtime.engine import SessionFacts, SpeechFailed, SpeechFinished, SpeechRequest
from realtime.events.session import VOICES
from realtime.ports import SpeechSink

AHEAD = 2
"""Segments asked for at a time: the one that is heard and the next."""

MOST_HELD_BYTES = 1024 * 1024
"""21 s of audio of the next segment."""

MOST_SEGMENT_BYTES = 28_800_000
"""10 minutes; an endpoint that says more to one segment will not end."""

MOST_SEGMENT_S = 1_200.0
"""Longest time from asking for a segment to its end, its wait for the one before included."""

CLOSE_TIMEOUT_S = 2.0

_log = structlog.get_logger("voice")
Sink = Callable[[SpeechFinished | SpeechFailed], None]


class Voice(Protocol):
    """What speaks for one session."""

    def stream(self, request: SpeechRequest, language: str) -> AsyncGenerator[bytes, None]:
        """Yield canonical audio of a segment; closing it early ends the request at once.

        Raises whatever `fault_of` knows.
        """

    async def close(self) -> None:
        """The session is over."""


class Segment:
    """One segment, asked for or not."""

    def __init__(self, request: SpeechRequest) -> None:
        self.request = request
        self.task: asyncio.Task[None] | None = None
        self.held: deque[bytes] = deque()
        self.held_bytes = 0
        self.got_bytes = 0
        self.turn = asyncio.Event()
        self.end: SpeechFinished | SpeechFailed | None = None


class OrderedSpeech:
    """`realtime.ports.SpeechSession` on a voice."""

    def __init__(
        self, owner: HostedSynthesiser, voice: Voice, facts: SessionFacts,
        audio: SpeechSink, sink: Sink,
    ) -> None:  # fmt: skip
        self._owner = owner
        self._voice = voice
        self._language = facts.language
        self._audio = audio
        self._sink = sink
        self._segments: deque[Segment] = deque()
        self._closed = False

    def speak(self, request: SpeechRequest) -> None:
        """Speak a segment behind those before it."""
        self._segments.append(Segment(request))
        self._ask()

    def cancel(self, response_id: str) -> None:
        """End the requests of a response."""
        for segment in tuple(self._segments):
            if segment.request.response_id == response_id:
                self._segments.remove(segment)
                if segment.task is not None:
                    segment.task.cancel()
        self._ask()
        asyncio.get_running_loop().call_soon(self._advance)

    def close(self) -> None:
        """End everything."""
        self._closed = True
        for segment in self._segments:
            if segment.task is not None:
                segment.task.cancel()
        self._segments.clear()
        self._owner.keep(asyncio.get_running_loop().create_task(self._voice.close()))

    def _ask(self) -> None:
        for segment in islice(self._segments, AHEAD):
            if segment.task is None:
                segment.task = asyncio.get_running_loop().create_task(self._speak(segment))
                self._owner.keep(segment.task)

    def _advance(self) -> None:
        """Tell what is known of the first segment, and of each that becomes the first."""
        while self._segments and not self._closed:
            segment = self._segments[0]
            if segment.held:
                piece = segment.held.popleft()
                segment.held_bytes -= len(piece)
                self._audio(segment.request.segment_id, piece)
            elif segment.end is not None:
                self._segments.popleft()
                self._ask()
                self._sink(segment.end)
            else:
                segment.turn.set()
                return

    async def _speak(self, segment: Segment) -> None:
        segment_id = segment.request.segment_id
        try:
            if any(letter.isalnum() for letter in segment.request.text):
                async with asyncio.timeout(MOST_SEGMENT_S):
                    await self._read(segment)
            segment.end = SpeechFinished(segment_id)
        except Exception as error:  # noqa: BLE001 -- whatever an endpoint does fails its segment
            _log.warning("synthesis_failed", error=type(error).__name__)
            told = isinstance(error, EndpointError | TimeoutError)
            fault = BROKE_OFF if segment.got_bytes and not told else fault_of(error)
            segment.end = SpeechFailed(segment_id, fault)
        self._advance()

    async def _read(self, segment: Segment) -> None:
        async with aclosing(self._voice.stream(segment.request, self._language)) as pieces:
            while True:
                async with asyncio.timeout(self._owner.timeout_s):
                    piece = await anext(pieces, None)
                if piece is None:
                    break
                if piece:
                    await self._take(segment, piece)
        if not segment.got_bytes:
            raise EndpointError(UNREADABLE)

    async def _take(self, segment: Segment, piece: bytes) -> None:
        segment.got_bytes += len(piece)
        if segment.got_bytes > MOST_SEGMENT_BYTES:
            raise EndpointError(TOO_LONG)
        segment.held.append(piece)
        segment.held_bytes += len(piece)
        if self._segments and self._segments[0] is segment:
            self._advance()
        elif segment.held_bytes > MOST_HELD_BYTES:
            await segment.turn.wait()


class HostedSynthesiser:
    """`realtime.ports.Synthesiser` by an endpoint; those for each service add `open_voice`."""

    def __init__(
        self, *, timeout_s: float, voices: Mapping[str, str], default_voice: str | None
    ) -> None:
        """`voices` maps names to the endpoint's; the rest are `default_voice`, or sent as named."""
        self.timeout_s = timeout_s
        self._voices = voices
        self._default_voice = default_voice
        self._tasks: set[asyncio.Task[Any]] = set()

    def open(self, facts: SessionFacts, *, audio: SpeechSink, sink: Sink) -> OrderedSpeech:
        """Start serving a session."""
        return OrderedSpeech(self, self.open_voice(), facts, audio, sink)

    async def probe(self) -> dict[str, Any]:
        """Try the endpoint; raise what that raises."""
        raise NotImplementedError

    def open_voice(self) -> Voice:
        """Return what speaks for one session."""
        raise NotImplementedError

    def voices(self) -> Sequence[str]:
        """Return the contract's voices and the operator's own."""
        return tuple(dict.fromkeys((*VOICES, *self._voices)))

    def with_voices(self, voices: Mapping[str, str]) -> Self:
        """Return the same endpoint for a model with names of its own; `close` either once."""
        another = copy(self)
        another._voices = {**self._voices, **voices}  # noqa: SLF001 -- of the same class
        return another

    def voice_named(self, name: str) -> str:
        """Return what the endpoint calls a voice; a name nobody knows is the contract's first."""
        if name in self._voices:
            return self._voices[name]
        return self._default_voice or (name if name in VOICES else VOICES[0])

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold a task until it ends, or `close` ends it."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End what runs."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await asyncio.gather(*tasks, return_exceptions=True)
