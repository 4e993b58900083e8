"""The gateway's side of the speech worker: detector, recogniser and synthesiser over one socket.

Loss of the worker fails what is open at once: recognitions and segments report
their failure, voice activity streams report `DetectionLost` and go on by
themselves when the worker is back. Overflow: at `MOST_QUEUED_BYTES` unsent
bytes voice activity audio is dropped (newest first, the position moves on) and
an utterance that would need more fails.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from ovos_bridge.speech.protocol import (
    HEADER,
    POSITION,
    PROBABILITY,
    Ask,
    FrameError,
    FrameReader,
    Tell,
    frame,
)
from realtime.engine import (
    BYTES_PER_SAMPLE,
    DetectionLost,
    DetectionReport,
    EngineFault,
    RecognitionFailed,
    RecognitionReport,
    RecognitionRequest,
    SessionFacts,
    SpeechFailed,
    SpeechFinished,
    SpeechProbability,
    SpeechRequest,
    TranscriptFinal,
    TranscriptPartial,
)
from realtime.ports import Audio, SpeechSink

READ_BYTES = 256 * 1024
RECONNECT_S = 0.25
PROBE_TIMEOUT_S = 10.0
TEACH_TIMEOUT_S = 60.0
MOST_QUEUED_BYTES = 16 * 1024 * 1024
VOICES = (
    "alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar",
)  # fmt: skip

LOST = EngineFault("speech_unavailable", "Speech stopped working and is being restarted.")
SLOW = EngineFault("speech_timeout", "Speech did not answer in time.")


def _fault(payload: bytes) -> EngineFault:
    told = json.loads(payload)
    return EngineFault(told["code"], told["message"])


class _Detection:
    """Voice activity of one session."""

    def __init__(
        self, client: SpeechClient, at_sample: int, sink: Callable[[DetectionReport], None]
    ) -> None:
        self._client = client
        self._sink = sink
        self._position = at_sample
        self.stream = client.next_stream()
        self.lost = False
        self._dropped = False
        self._closed = False

    def begin(self) -> None:
        """(Re)open at the worker, at the position reached."""
        self.lost = self._dropped = False
        self._client.send(Ask.VAD_OPEN, self.stream, POSITION.pack(self._position))

    def feed(self, audio: Audio) -> None:
        if not self.lost:
            self._pass_on(bytes(audio))
        self._position += len(audio) // BYTES_PER_SAMPLE
        if self.lost:
            # Nobody judges this audio: it passes as silence, so that it is not waited for.
            # A sink is never called from inside `feed` (realtime.ports).
            passed = SpeechProbability(self._position, 0.0)
            asyncio.get_running_loop().call_soon(self._report, passed)

    def _pass_on(self, audio: bytes) -> None:
        if self._dropped:
            # The worker counts what it gets: after a gap it is told where the audio goes on.
            place = POSITION.pack(self._position)
            self._dropped = not self._client.send(Ask.VAD_OPEN, self.stream, place, droppable=True)
        if not self._dropped:
            sent = self._client.send(Ask.VAD_AUDIO, self.stream, audio, droppable=True)
            self._dropped = not sent

    def _report(self, report: SpeechProbability) -> None:
        if not self._closed:
            self._sink(report)

    def close(self) -> None:
        self._closed = True
        self._client.forget(self.stream)
        self._client.send(Ask.VAD_CLOSE, self.stream)

    def told(self, kind: int, payload: bytes) -> None:
        """Report the probabilities of a frame, or that there will be no more."""
        if kind == Tell.VAD_LOST:
            self._lose(_fault(payload))
            return
        for at_sample, chance in PROBABILITY.iter_unpack(payload):
            self._sink(SpeechProbability(at_sample, chance))

    def broken(self) -> None:
        """The worker is gone."""
        self._lose(LOST)

    def _lose(self, fault: EngineFault) -> None:
        if not self.lost:
            self.lost = True
            self._sink(DetectionLost(fault))
            self._sink(SpeechProbability(self._position, 0.0))


class _Recognition:
    """One utterance."""

    def __init__(
        self,
        client: SpeechClient,
        request: RecognitionRequest,
        sink: Callable[[RecognitionReport], None],
    ) -> None:
        self._client = client
        self._id = request.utterance_id
        self._sink = sink
        self._failed: EngineFault | None = None
        self._committed = False
        self._timer: asyncio.Handle | None = None
        self.stream = client.next_stream()

    def feed(self, audio: Audio) -> None:
        if self._failed is None:
            sent = self._client.send(Ask.STT_AUDIO, self.stream, bytes(audio), droppable=True)
            if not sent:
                self._failed = LOST

    def prepare(self) -> None:
        self._client.send(Ask.STT_PREPARE, self.stream)

    def abandon(self) -> None:
        self._client.send(Ask.STT_ABANDON, self.stream)

    def commit(self) -> None:
        self._committed = True
        loop = asyncio.get_running_loop()
        if self._failed is not None:
            self._timer = loop.call_soon(self._fail, self._failed)
            return
        self._client.send(Ask.STT_COMMIT, self.stream)
        self._timer = loop.call_later(self._client.recognition_timeout_s, self._fail, SLOW)

    def close(self) -> None:
        self._end()
        self._client.send(Ask.STT_CLOSE, self.stream)

    def _end(self) -> None:
        self._client.forget(self.stream)
        if self._timer is not None:
            self._timer.cancel()

    def _fail(self, fault: EngineFault) -> None:
        self._end()
        self._sink(RecognitionFailed(self._id, fault))

    def told(self, kind: int, payload: bytes) -> None:
        """Report a transcript or its failure."""
        if kind == Tell.STT_PARTIAL:
            self._sink(TranscriptPartial(self._id, payload.decode()))
        elif kind == Tell.STT_FINAL:
            self._end()
            self._sink(TranscriptFinal(self._id, payload.decode()))
        elif kind == Tell.STT_FAILED:
            self._failed = _fault(payload)
            if self._committed:
                self._fail(self._failed)

    def broken(self) -> None:
        """The worker is gone; the failure is told once the utterance is committed."""
        self._failed = LOST
        if self._committed:
            self._fail(LOST)


class _Segment:
    """One segment being spoken."""

    def __init__(self, session: _SpeechSession, request: SpeechRequest, stream: int) -> None:
        self._session = session
        self.request = request
        self.stream = stream
        self.timer: asyncio.TimerHandle | None = None

    def told(self, kind: int, payload: bytes) -> None:
        """Pass audio on, or the end."""
        if kind == Tell.TTS_AUDIO:
            self._session.watch(self)
            self._session.audio(self.request.segment_id, payload)
        elif kind == Tell.TTS_DONE:
            self._session.ended(self, SpeechFinished(self.request.segment_id))
        elif kind == Tell.TTS_FAILED:
            self.failed(_fault(payload))

    def failed(self, fault: EngineFault) -> None:
        """Report that it cannot be spoken."""
        self._session.ended(self, SpeechFailed(self.request.segment_id, fault))

    def broken(self) -> None:
        """The worker is gone."""
        self.failed(LOST)


class _SpeechSession:
    """Synthesis for one session."""

    def __init__(
        self,
        client: SpeechClient,
        facts: SessionFacts,
        audio: SpeechSink,
        sink: Callable[[SpeechFinished | SpeechFailed], None],
    ) -> None:
        self._client = client
        self._language = facts.language
        self.audio = audio
        self._sink = sink
        self._segments: dict[int, _Segment] = {}

    def speak(self, request: SpeechRequest) -> None:
        segment = _Segment(self, request, self._client.next_stream())
        self._segments[segment.stream] = segment
        self._client.remember(segment.stream, segment)
        asked = {
            "text": request.text,
            "voice": request.voice,
            "speed": request.speed,
            "language": request.language or self._language,
        }
        if not self._client.send(Ask.TTS_SPEAK, segment.stream, json.dumps(asked).encode()):
            asyncio.get_running_loop().call_soon(segment.failed, LOST)
            return
        self.watch(segment)

    def watch(self, segment: _Segment) -> None:
        """Fail the segment if its next audio takes too long."""
        if segment.timer is not None:
            segment.timer.cancel()
        segment.timer = asyncio.get_running_loop().call_later(
            self._client.synthesis_timeout_s, segment.failed, SLOW
        )

    def ended(self, segment: _Segment, report: SpeechFinished | SpeechFailed) -> None:
        """Report the end, once."""
        if self._drop(segment):
            self._sink(report)

    def _drop(self, segment: _Segment) -> bool:
        self._client.forget(segment.stream)
        if segment.timer is not None:
            segment.timer.cancel()
        return self._segments.pop(segment.stream, None) is not None

    def cancel(self, response_id: str) -> None:
        for segment in list(self._segments.values()):
            if segment.request.response_id == response_id:
                self._drop(segment)
                self._client.send(Ask.TTS_CANCEL, segment.stream)

    def close(self) -> None:
        for segment in list(self._segments.values()):
            self._drop(segment)
            self._client.send(Ask.TTS_CANCEL, segment.stream)


class SpeechClient:
    """One connection to the worker, kept up; implements the three speech ports."""

    def __init__(
        self,
        socket_path: str,
        *,
        recognition_timeout_s: float,
        synthesis_timeout_s: float,
        on_change: Callable[[bool], None],
    ) -> None:
        self._path = socket_path
        self.recognition_timeout_s = recognition_timeout_s
        self.synthesis_timeout_s = synthesis_timeout_s
        self._on_change = on_change
        self._streams: dict[int, Any] = {}
        self._detections: dict[int, _Detection] = {}
        self._last_stream = 0
        self._writer: asyncio.StreamWriter | None = None
        self._queued: list[bytes] = []
        self._flushing = False
        self._task: asyncio.Task[None] | None = None
        self._grammar: bytes | None = None
        self._pongs: dict[int, asyncio.Future[None]] = {}

    async def __aenter__(self) -> SpeechClient:
        """Begin to connect; being connected is told through `on_change`."""
        self._task = asyncio.create_task(self._keep_connected(), name="speech-client")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @property
    def connected(self) -> bool:
        """The worker is there."""
        return self._writer is not None

    # --- ports ---

    @property
    def detector(self) -> SpeechDetector:
        """The voice activity port."""
        return SpeechDetector(self)

    @property
    def recogniser(self) -> SpeechRecogniser:
        """The recognition port."""
        return SpeechRecogniser(self)

    @property
    def synthesiser(self) -> SpeechSynthesiser:
        """The synthesis port."""
        return SpeechSynthesiser(self)

    async def teach(self, phrases: Iterable[str]) -> None:
        """Give the recogniser the phrases it should know, now and after a restart.

        Raises:
            ConnectionError, TimeoutError: the worker does not take them.
        """
        self._grammar = json.dumps(list(phrases)).encode()
        await self._ask(Ask.GRAMMAR, self._grammar, TEACH_TIMEOUT_S)

    async def probe(self) -> dict[str, Any]:
        """Ask the worker something.

        Raises:
            ConnectionError, TimeoutError: it does not answer.
        """
        await self._ask(Ask.PING, b"", PROBE_TIMEOUT_S)
        return {"voices": len(VOICES)}

    async def _ask(self, kind: Ask, payload: bytes, timeout_s: float) -> None:
        stream = self.next_stream()
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pongs[stream] = answered
        try:
            if not self.send(kind, stream, payload):
                raise ConnectionError("the speech worker is not connected")
            async with asyncio.timeout(timeout_s):
                await answered
        finally:
            self._pongs.pop(stream, None)

    # --- streams ---

    def next_stream(self) -> int:
        """Return a fresh stream number."""
        self._last_stream = self._last_stream % 0xFFFF_FFFF + 1
        return self._last_stream

    def remember(self, stream: int, owner: Any) -> None:
        """Send a stream's frames to its owner."""
        self._streams[stream] = owner
        if isinstance(owner, _Detection):
            self._detections[stream] = owner

    def forget(self, stream: int) -> None:
        """Frames of the stream mean nothing any more."""
        self._streams.pop(stream, None)
        self._detections.pop(stream, None)

    # --- the connection ---

    def send(
        self, kind: Ask, stream: int, payload: bytes = b"", *, droppable: bool = False
    ) -> bool:
        """Queue a frame for the end of this turn of the loop; return whether it will go."""
        writer = self._writer
        if writer is None:
            return False
        if droppable and writer.transport.get_write_buffer_size() > MOST_QUEUED_BYTES:
            return False
        self._queued.append(HEADER.pack(len(payload), kind, stream))
        self._queued.append(payload)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)
        return True

    def _flush(self) -> None:
        self._flushing = False
        queued, self._queued = self._queued, []
        if self._writer is not None and queued:
            self._writer.write(b"".join(queued))

    async def _keep_connected(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path)
            except (OSError, ConnectionError):
                await asyncio.sleep(RECONNECT_S)
                continue
            self._connected(writer)
            try:
                await self._read(reader)
            except (OSError, FrameError):
                pass
            finally:
                writer.close()
                self._disconnected()

    def _connected(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        if self._grammar is not None:
            writer.write(frame(Ask.GRAMMAR, 0, self._grammar))
        for detection in self._detections.values():
            detection.begin()
        self._on_change(True)

    def _disconnected(self) -> None:
        self._writer = None
        self._queued.clear()
        for asked in self._pongs.values():
            if not asked.done():
                asked.set_exception(ConnectionError("the speech worker is gone"))
        for owner in list(self._streams.values()):
            owner.broken()
        self._on_change(False)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        frames = FrameReader()
        while data := await reader.read(READ_BYTES):
            for kind, stream, payload in frames.feed(data):
                if kind == Tell.PONG:
                    pong = self._pongs.get(stream)
                    if pong is not None and not pong.done():
                        pong.set_result(None)
                elif stream in self._streams:
                    self._streams[stream].told(kind, payload)


class SpeechDetector:
    """`realtime.ports.VoiceActivityDetector` by the worker."""

    def __init__(self, client: SpeechClient) -> None:
        self._client = client

    def open(self, *, at_sample: int, sink: Callable[[DetectionReport], None]) -> _Detection:
        """Start a stream."""
        detection = _Detection(self._client, at_sample, sink)
        self._client.remember(detection.stream, detection)
        if self._client.connected:
            detection.begin()
        else:
            detection.lost = True
        return detection


class SpeechRecogniser:
    """`realtime.ports.Recogniser` by the worker."""

    def __init__(self, client: SpeechClient) -> None:
        self._client = client

    def open(
        self, request: RecognitionRequest, sink: Callable[[RecognitionReport], None]
    ) -> _Recognition:
        """Start an utterance."""
        recognition = _Recognition(self._client, request, sink)
        self._client.remember(recognition.stream, recognition)
        asked = json.dumps({"language": request.language}).encode()
        if not self._client.send(Ask.STT_OPEN, recognition.stream, asked):
            recognition.broken()
        return recognition


class SpeechSynthesiser:
    """`realtime.ports.Synthesiser` by the worker."""

    def __init__(self, client: SpeechClient) -> None:
        self._client = client

    def open(
        self,
        facts: SessionFacts,
        *,
        audio: SpeechSink,
        sink: Callable[[SpeechFinished | SpeechFailed], None],
    ) -> _SpeechSession:
        """Start serving a session."""
        return _SpeechSession(self._client, facts, audio, sink)

    def voices(self) -> Sequence[str]:
        """Return the contract's voices."""
        return VOICES
