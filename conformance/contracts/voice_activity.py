"""The contract of `realtime.ports.VoiceActivityDetector`; every detector runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from realtime.engine import (
    BYTES_PER_SAMPLE,
    SAMPLE_RATE,
    DetectionReport,
    SpeechProbability,
)
from realtime.ports import VoiceActivityDetector, VoiceActivityStream

REPORT_TIMEOUT_S = 15.0
QUIET_S = 0.3
"""Time in which a stream that may not report gets its chance to break the rule."""

PIECE_BYTES = 960
LEAST_SPEECH = 0.5
MOST_PENDING_SAMPLES = SAMPLE_RATE // 10
"""Audio at the end of what was fed that may be unjudged: a window of at most 100 ms."""

START = 1_000_003
"""A position that is no multiple of any window."""


class Watching:
    """One stream and what was reported of it."""

    def __init__(self, detector: VoiceActivityDetector, at_sample: int = START) -> None:
        """Open the stream; a report from inside `open` is a fault."""
        self.reports: list[DetectionReport] = []
        self._changed = asyncio.Event()
        self.at_sample = self.end = at_sample
        self.stream: VoiceActivityStream = detector.open(at_sample=at_sample, sink=self._take)
        assert self.reports == [], "reported from inside open"

    def _take(self, report: DetectionReport) -> None:
        self.reports.append(report)
        self._changed.set()

    def feed(self, audio: bytes) -> None:
        """Feed audio; a report from inside `feed` is a fault."""
        before = len(self.reports)
        self.stream.feed(audio)
        self.end += len(audio) // BYTES_PER_SAMPLE
        assert len(self.reports) == before, "reported from inside feed"

    @property
    def found(self) -> list[SpeechProbability]:
        """Every probability so far."""
        return [r for r in self.reports if isinstance(r, SpeechProbability)]

    async def judged(self) -> list[SpeechProbability]:
        """Wait until what was fed is judged, but for the last window."""
        async with asyncio.timeout(REPORT_TIMEOUT_S):
            while not self.found or self.found[-1].at_sample < self.end - MOST_PENDING_SAMPLES:
                self._changed.clear()
                await self._changed.wait()
        return self.found

    @property
    def loudest(self) -> float:
        """The highest probability so far."""
        return max(report.probability for report in self.found)


async def check_voice_activity(detector: VoiceActivityDetector, speech: bytes) -> None:
    """Raise AssertionError where a detector breaks the contract; `speech` holds some."""
    rules: tuple[Callable[[VoiceActivityDetector, bytes], Awaitable[None]], ...] = (
        positions_grow_from_the_start,
        speech_is_told_from_silence,
        pace_of_audio_changes_nothing,
        streams_at_once_stay_apart,
        closed_stream_is_silent,
    )
    for rule in rules:
        await rule(detector, speech)


async def positions_grow_from_the_start(detector: VoiceActivityDetector, speech: bytes) -> None:
    """Probabilities lie in 0..1, at growing positions between the start and the end."""
    watching = Watching(detector)
    watching.feed(speech)
    found = await watching.judged()
    places = [report.at_sample for report in found]
    assert places == sorted(set(places))
    assert watching.at_sample < places[0] <= watching.at_sample + MOST_PENDING_SAMPLES
    assert places[-1] <= watching.end
    assert all(0.0 <= report.probability <= 1.0 for report in found)
    assert len(found) == len(watching.reports)
    watching.stream.close()


async def speech_is_told_from_silence(detector: VoiceActivityDetector, speech: bytes) -> None:
    """Speech passes the usual threshold and silence does not."""
    talking, silent = Watching(detector), Watching(detector)
    talking.feed(speech)
    silent.feed(bytes(len(speech)))
    await talking.judged()
    await silent.judged()
    assert talking.loudest >= LEAST_SPEECH
    assert silent.loudest < LEAST_SPEECH
    talking.stream.close()
    silent.stream.close()


async def pace_of_audio_changes_nothing(detector: VoiceActivityDetector, speech: bytes) -> None:
    """Audio in small pieces gets the same judgement as in one."""
    at_once, piecewise = Watching(detector), Watching(detector)
    at_once.feed(speech)
    for place in range(0, len(speech), PIECE_BYTES):
        piecewise.feed(speech[place : place + PIECE_BYTES])
        await asyncio.sleep(0)
    one, other = await at_once.judged(), await piecewise.judged()
    assert [r.at_sample for r in one] == [r.at_sample for r in other]
    for left, right in zip(one, other, strict=True):
        assert abs(left.probability - right.probability) < 0.02
    at_once.stream.close()
    piecewise.stream.close()


async def streams_at_once_stay_apart(detector: VoiceActivityDetector, speech: bytes) -> None:
    """A caller who is silent is not heard through others who speak at the same time."""
    callers = [Watching(detector, START + n) for n in range(8)]
    for place in range(0, len(speech), PIECE_BYTES):
        piece = speech[place : place + PIECE_BYTES]
        for number, caller in enumerate(callers):
            caller.feed(bytes(len(piece)) if number % 2 else piece)
        await asyncio.sleep(0)
    for number, caller in enumerate(callers):
        await caller.judged()
        assert (caller.loudest >= LEAST_SPEECH) == (number % 2 == 0)
        assert (caller.found[0].at_sample - callers[0].found[0].at_sample) == number
        caller.stream.close()


async def closed_stream_is_silent(detector: VoiceActivityDetector, speech: bytes) -> None:
    """Nothing is reported after `close`."""
    watching = Watching(detector)
    watching.feed(speech)
    watching.stream.close()
    before = len(watching.reports)
    await asyncio.sleep(QUIET_S)
    assert len(watching.reports) == before
