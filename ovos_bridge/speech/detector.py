"""Voice activity by the speech worker, as the gateway sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ovos_bridge.speech.channel import LOST, Channel, told_fault
from ovos_bridge.speech.protocol import POSITION, PROBABILITY, Ask, Tell
from realtime.engine import (
    BYTES_PER_SAMPLE,
    DetectionLost,
    DetectionReport,
    EngineFault,
    SpeechProbability,
)
from realtime.ports import Audio


class Detection:
    """Voice activity of one session."""

    def __init__(
        self, client: Channel, at_sample: int, sink: Callable[[DetectionReport], None]
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
            self._lose(told_fault(payload))
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


class SpeechDetector:
    """`realtime.ports.VoiceActivityDetector` by the worker."""

    def __init__(self, client: Channel) -> None:
        self._client = client

    def open(self, *, at_sample: int, sink: Callable[[DetectionReport], None]) -> Detection:
        """Start a stream."""
        detection = Detection(self._client, at_sample, sink)
        self._client.remember(detection.stream, detection)
        if self._client.connected:
            detection.begin()
        else:
            detection.lost = True
        return detection
