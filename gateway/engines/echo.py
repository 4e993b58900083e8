"""The echo engine: it says and writes back what it was given.

A model named `echo` for tests and measurements: written input comes back as
written; with `response.create {"metadata": {"echo": "tone"}}` a response of
steady speech-like audio runs, in real time, until it is cancelled.
"""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Callable, Sequence

from realtime.engine import (
    SAMPLE_RATE,
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainText,
    SessionFacts,
    SpeechFailed,
    SpeechFinished,
    SpeechRequest,
)
from realtime.ports import SpeechSink

PIECE_MS = 40
TONE_TEXT = "tone:"
"""A text that is spoken as a tone of so many ms, in real time: `tone:5000`."""

_MS_PER_CHARACTER = 50


def _tone(ms: int) -> bytes:
    count = SAMPLE_RATE * ms // 1000
    wave = array("h", (int(8_000 * math.sin(place * 0.115)) for place in range(count)))
    return wave.tobytes()


class EchoRun:
    """Answers at once with the last words of the user."""

    def __init__(self, request: BrainRequest, sink: Callable[[BrainReport], None]) -> None:
        self._request = request
        self._sink = sink
        self._handle: asyncio.Handle | None = None

    def commit(self) -> None:
        """Answer on the next turn of the loop."""
        self._handle = asyncio.get_running_loop().call_soon(self._answer)

    def _answer(self) -> None:
        said = [item.text for item in self._request.items if item.role == "user"]
        text = (said[-1] if said else "") or self._request.metadata.get("echo", "")
        response_id = self._request.response_id
        if text:
            self._sink(BrainText(response_id, text))
        self._sink(BrainFinished(response_id))

    def cancel(self) -> None:
        """Answer no more."""
        if self._handle is not None:
            self._handle.cancel()


class EchoSession:
    """Remembers nothing."""

    def prepare(self, request: BrainRequest, sink: Callable[[BrainReport], None]) -> EchoRun:
        """Begin an answer."""
        return EchoRun(request, sink)

    def playback(self, *, playing: bool) -> None:
        """Of no interest."""

    def close(self) -> None:
        """Nothing to close."""


class EchoBrain:
    """Repeats the user."""

    def open(self, facts: SessionFacts) -> EchoSession:
        """Serve a session."""
        return EchoSession()


class ToneSession:
    """Speaks tones: 50 ms a character at once, or `tone:<ms>` at the pace of real time."""

    def __init__(
        self, audio: SpeechSink, sink: Callable[[SpeechFinished | SpeechFailed], None]
    ) -> None:
        self._audio = audio
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._timers: dict[str, tuple[str, asyncio.Handle]] = {}
        self._piece = _tone(PIECE_MS)

    def speak(self, request: SpeechRequest) -> None:
        """Begin a segment."""
        streamed = request.text.startswith(TONE_TEXT)
        length_ms = (
            int(request.text[len(TONE_TEXT) :])
            if streamed
            else len(request.text) * _MS_PER_CHARACTER
        )
        pieces = max(length_ms // PIECE_MS, 1)
        due = self._loop.time()
        self._schedule(request, pieces, due, PIECE_MS / 1000 if streamed else 0.0)

    def _schedule(self, request: SpeechRequest, pieces: int, due: float, step_s: float) -> None:
        handle = self._loop.call_at(due, self._next, request, pieces, due, step_s)
        self._timers[request.segment_id] = (request.response_id, handle)

    def _next(self, request: SpeechRequest, pieces: int, due: float, step_s: float) -> None:
        del self._timers[request.segment_id]
        if pieces == 0:
            self._sink(SpeechFinished(request.segment_id))
            return
        self._schedule(request, pieces - 1, due + step_s, step_s)
        self._audio(request.segment_id, self._piece)

    def cancel(self, response_id: str) -> None:
        """Drop the response's segments."""
        for segment_id, (owner, handle) in list(self._timers.items()):
            if owner == response_id:
                handle.cancel()
                del self._timers[segment_id]

    def close(self) -> None:
        """Drop everything."""
        for _, handle in self._timers.values():
            handle.cancel()
        self._timers.clear()


class ToneSynthesiser:
    """Speaks tones."""

    def open(
        self,
        facts: SessionFacts,
        *,
        audio: SpeechSink,
        sink: Callable[[SpeechFinished | SpeechFailed], None],
    ) -> ToneSession:
        """Serve a session."""
        return ToneSession(audio, sink)

    def voices(self) -> Sequence[str]:
        """One tone."""
        return ("tone",)
