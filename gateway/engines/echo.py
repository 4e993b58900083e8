"""The echo engine: it says and writes back what it was given.

A model named `echo` for tests and measurements: written input comes back as
written; with `response.create {"metadata": {"echo": "tone"}}` a response of
steady speech-like audio runs, in real time, until it is cancelled.
"""

from __future__ import annotations

import asyncio
import math
import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.engines.plain import PlainSession
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
    Volunteered,
)
from realtime.events.session import VOICES
from realtime.ports import SpeechSink
from realtime.tools.calls import call_reports, forced_function, last_output

PIECE_MS = 40
_TONE = re.compile(r"tone:([0-9]{1,8})")
"""A text that is spoken as a tone of so many ms, in real time: `tone:5000`."""

_MS_PER_CHARACTER = 50


def _tone(ms: int) -> bytes:
    count = SAMPLE_RATE * ms // 1000
    wave = array("h", (int(8_000 * math.sin(place * 0.115)) for place in range(count)))
    return wave.tobytes()


_PIECE = _tone(PIECE_MS)


NOTHING_SAID = "Nothing was said."


def echoed(request: BrainRequest) -> list[BrainReport]:
    """Return the last words of the user as an answer; calls and outputs as any brain has them."""
    end = BrainFinished(request.response_id)
    function = forced_function(request)
    if function is not None:
        return [*call_reports(request, function), end]
    text = last_output(request)
    if text is None:
        said = [item.text for item in request.items if item.role == "user"]
        text = (said[-1] if said else "") or request.metadata.get("echo", "")
    return [BrainText(request.response_id, text or NOTHING_SAID), end]


class EchoBrain:
    """Repeats the user."""

    def open(
        self, facts: SessionFacts, volunteer: Callable[[Volunteered], None] | None = None
    ) -> PlainSession:
        """Serve a session."""
        return PlainSession(echoed)


class Ticker:
    """One timer for all streamed tones, so that a thousand of them wake the process once a step."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._calls: dict[str, Callable[[], None]] = {}
        self._handle: asyncio.TimerHandle | None = None

    def add(self, key: str, call: Callable[[], None]) -> None:
        """Call at every step, until removed."""
        self._calls[key] = call
        if self._handle is None:
            loop = asyncio.get_running_loop()
            self._handle = loop.call_at(loop.time(), self._tick, loop.time())

    def remove(self, key: str) -> None:
        """Call no more; an unknown key is nothing."""
        self._calls.pop(key, None)

    def _tick(self, due: float) -> None:
        for call in list(self._calls.values()):
            call()
        self._handle = None
        if self._calls:
            due += self._step_s
            self._handle = asyncio.get_running_loop().call_at(due, self._tick, due)


@dataclass(slots=True)
class _Segment:
    response_id: str
    pieces: int


class ToneSession:
    """Speaks tones: 50 ms a character at once, or `tone:<ms>` at the pace of real time."""

    def __init__(
        self,
        ticker: Ticker,
        audio: SpeechSink,
        sink: Callable[[SpeechFinished | SpeechFailed], None],
    ) -> None:
        self._ticker = ticker
        self._audio = audio
        self._sink = sink
        self._segments: dict[str, _Segment] = {}

    def speak(self, request: SpeechRequest) -> None:
        """Begin a segment."""
        wanted = _TONE.fullmatch(request.text)
        streamed = wanted is not None
        length_ms = int(wanted[1]) if wanted else len(request.text) * _MS_PER_CHARACTER
        segment_id = request.segment_id
        self._segments[segment_id] = _Segment(request.response_id, max(length_ms // PIECE_MS, 1))
        if streamed:
            self._ticker.add(segment_id, lambda: self._next(segment_id))
        else:
            asyncio.get_running_loop().call_soon(self._all, segment_id)

    def _all(self, segment_id: str) -> None:
        while segment_id in self._segments:
            self._next(segment_id)

    def _next(self, segment_id: str) -> None:
        segment = self._segments[segment_id]
        if segment.pieces == 0:
            self._drop(segment_id)
            self._sink(SpeechFinished(segment_id))
            return
        segment.pieces -= 1
        self._audio(segment_id, _PIECE)

    def _drop(self, segment_id: str) -> None:
        del self._segments[segment_id]
        self._ticker.remove(segment_id)

    def cancel(self, response_id: str) -> None:
        """Drop the response's segments."""
        for segment_id, segment in list(self._segments.items()):
            if segment.response_id == response_id:
                self._drop(segment_id)

    def close(self) -> None:
        """Drop everything."""
        for segment_id in list(self._segments):
            self._drop(segment_id)


class ToneSynthesiser:
    """Speaks tones."""

    def __init__(self) -> None:
        self._ticker = Ticker(PIECE_MS / 1000)

    def open(
        self,
        facts: SessionFacts,
        *,
        audio: SpeechSink,
        sink: Callable[[SpeechFinished | SpeechFailed], None],
    ) -> ToneSession:
        """Serve a session."""
        return ToneSession(self._ticker, audio, sink)

    def voices(self) -> Sequence[str]:
        """The contract's, which all sound the same."""
        return VOICES
