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
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

from ovos_bridge.speech.channel import LOST, SLOW
from ovos_bridge.speech.choices import DEFAULT
from ovos_bridge.speech.detector import Detection, SpeechDetector
from ovos_bridge.speech.protocol import HEADER, Ask, FrameError, FrameReader, Tell, frame
from ovos_bridge.speech.recogniser import SpeechRecogniser
from ovos_bridge.speech.synthesiser import SpeechSynthesiser
from ovos_bridge.speech.wake_word import WakeWordDetector, WakeWordStream

__all__ = ["LOST", "SLOW", "SpeechClient"]

READ_BYTES = 256 * 1024
FLUSH_S = 0.01
RECONNECT_S = 0.25
PROBE_TIMEOUT_S = 10.0
TEACH_TIMEOUT_S = 60.0
MOST_QUEUED_BYTES = 16 * 1024 * 1024

_log = logging.getLogger(__name__)


class SpeechClient:
    """One connection to the worker, kept up; implements the three speech ports."""

    def __init__(
        self,
        socket_path: str,
        *,
        recognition_timeout_s: float,
        synthesis_timeout_s: float,
        on_change: Callable[[bool], None],
        voices: Mapping[str, str] | None = None,
    ) -> None:
        """`voices` maps names of voices to what the synthesis plugin calls them."""
        self._path = socket_path
        self._voices = voices or {}
        self.recognition_timeout_s = recognition_timeout_s
        self.synthesis_timeout_s = synthesis_timeout_s
        self._on_change = on_change
        self._streams: dict[int, Any] = {}
        self._detections: dict[int, Detection | WakeWordStream] = {}
        self._last_stream = 0
        self._writer: asyncio.StreamWriter | None = None
        self._queued: list[bytes] = []
        self._flushed = 0.0
        self._flush_at: float | None = None
        self._flush_timer: asyncio.Handle | None = None
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
        """The recognition port, by the default recogniser."""
        return self.recogniser_named(DEFAULT)

    def recogniser_named(self, name: str) -> SpeechRecogniser:
        """Return the recognition port of a recogniser by its name in the configuration."""
        return SpeechRecogniser(self, name)

    def detector_behind(self, wake_word: str) -> WakeWordDetector:
        """Return the voice activity port that is silent until a wake word was said."""
        return WakeWordDetector(self, self.detector, wake_word)

    @property
    def synthesiser(self) -> SpeechSynthesiser:
        """The synthesis port."""
        return SpeechSynthesiser(self, self._voices)

    def synthesiser_with(self, voices: Mapping[str, str]) -> SpeechSynthesiser:
        """Return the synthesis port for further names of voices."""
        return SpeechSynthesiser(self, {**self._voices, **voices})

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
        return {"voices": len(self.synthesiser.voices())}

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
        if isinstance(owner, Detection | WakeWordStream):
            self._detections[stream] = owner

    def forget(self, stream: int) -> None:
        """Frames of the stream mean nothing any more."""
        self._streams.pop(stream, None)
        self._detections.pop(stream, None)

    # --- the connection ---

    def send(
        self, kind: Ask, stream: int, payload: bytes = b"", *, droppable: bool = False
    ) -> bool:
        """Queue a frame; return whether it will go.

        What is queued goes at the end of this turn of the loop. Audio of many
        callers comes one by one, so droppable frames wait until the last write is
        `FLUSH_S` old: a single caller never waits, a hundred share a write.
        """
        writer = self._writer
        if writer is None:
            return False
        if droppable and writer.transport.get_write_buffer_size() > MOST_QUEUED_BYTES:
            return False
        self._queued.append(HEADER.pack(len(payload), kind, stream))
        self._queued.append(payload)
        if droppable and self._flush_at is not None:
            return True
        loop = asyncio.get_running_loop()
        due = self._flushed + FLUSH_S if droppable else 0.0
        if self._flush_at is None or due < self._flush_at:
            if self._flush_timer is not None:
                self._flush_timer.cancel()
            self._flush_at = due
            late = due > loop.time()
            self._flush_timer = (
                loop.call_at(due, self._flush) if late else loop.call_soon(self._flush)
            )
        return True

    def _flush(self) -> None:
        self._flush_at = self._flush_timer = None
        self._flushed = asyncio.get_running_loop().time()
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
            except Exception:  # a worker of another version, say: this connection's end, not ours
                _log.exception("speech_told_nonsense")
            finally:
                writer.close()
                self._disconnected()
            await asyncio.sleep(RECONNECT_S)

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
