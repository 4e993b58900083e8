"""A wake word as the gateway sees it: voice activity that counts only once the word was said."""

from __future__ import annotations

import json
from collections.abc import Callable

from ovos_bridge.speech.channel import LOST, Channel, told_fault
from ovos_bridge.speech.protocol import POSITION, Ask, Tell
from realtime.engine import (
    BYTES_PER_SAMPLE,
    SAMPLE_RATE,
    DetectionLost,
    DetectionReport,
    EngineFault,
    SpeechProbability,
)
from realtime.ports import Audio, VoiceActivityDetector, VoiceActivityStream

PATIENCE_SAMPLES = 8 * SAMPLE_RATE
"""Without speech for so long after the word, it has to be said again."""

SPEECH = 0.5


class WakeWordStream:
    """Voice activity of one session, silent until the word was heard.

    `turn_ended` makes it silent again. While the word cannot be listened for, nobody is
    heard, which is reported as a loss of detection.
    """

    def __init__(
        self, client: Channel, word: str, at_sample: int, sink: Callable[[DetectionReport], None]
    ) -> None:
        self._client = client
        self._word = word
        self._position = at_sample
        self._sink = sink
        self._awake_until: int | None = None
        self._voice: VoiceActivityStream
        self.stream = client.next_stream()

    def begin(self, detector: VoiceActivityDetector | None = None) -> None:
        """(Re)open at the worker, at the position reached; `detector` at first."""
        if detector is not None:
            self._voice = detector.open(at_sample=self._position, sink=self._judged)
        asked = {"wake_word": self._word, "at_sample": self._position}
        self._client.send(Ask.WAKE_OPEN, self.stream, json.dumps(asked).encode())

    def feed(self, audio: Audio) -> None:
        self._client.send(Ask.WAKE_AUDIO, self.stream, bytes(audio), droppable=True)
        self._position += len(audio) // BYTES_PER_SAMPLE
        self._voice.feed(audio)

    def close(self) -> None:
        self._client.forget(self.stream)
        self._client.send(Ask.WAKE_CLOSE, self.stream)
        self._voice.close()

    @property
    def awake(self) -> bool:
        """Speech counts."""
        return self._awake_until is not None

    def wake(self, at_sample: int) -> None:
        """The word was heard, or something as good."""
        self._awake_until = at_sample + PATIENCE_SAMPLES

    def turn_ended(self) -> None:
        """The word has to be said again."""
        self._awake_until = None

    def _judged(self, report: DetectionReport) -> None:
        if isinstance(report, SpeechProbability):
            report = SpeechProbability(report.at_sample, self._counted(report))
        self._sink(report)

    def _counted(self, report: SpeechProbability) -> float:
        if self._awake_until is None:
            return 0.0
        if report.probability >= SPEECH:
            self._awake_until = max(self._awake_until, report.at_sample + PATIENCE_SAMPLES)
        elif report.at_sample > self._awake_until:
            self._awake_until = None
        return report.probability

    def told(self, kind: int, payload: bytes) -> None:
        """The word was heard, or cannot be listened for."""
        if kind == Tell.WAKE_HEARD:
            self.wake(POSITION.unpack(payload)[0])
        elif kind == Tell.WAKE_LOST:
            self._lose(told_fault(payload))

    def broken(self) -> None:
        """The worker is gone."""
        self._lose(LOST)

    def _lose(self, fault: EngineFault) -> None:
        self._awake_until = None
        self._sink(DetectionLost(fault))


class WakeWordDetector:
    """`realtime.ports.VoiceActivityDetector` behind a wake word."""

    def __init__(self, client: Channel, detector: VoiceActivityDetector, word: str) -> None:
        self._client = client
        self._detector = detector
        self._word = word

    def open(self, *, at_sample: int, sink: Callable[[DetectionReport], None]) -> WakeWordStream:
        """Start a stream."""
        stream = WakeWordStream(self._client, self._word, at_sample, sink)
        self._client.remember(stream.stream, stream)
        stream.begin(self._detector)
        return stream
