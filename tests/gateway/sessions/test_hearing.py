"""What detection hears of the ring, and where it stands."""

from __future__ import annotations

from collections.abc import Callable

from gateway.engines.echo import EchoBrain
from gateway.engines.engine import Engine
from gateway.sessions.audio import InputRing
from gateway.sessions.hearing import AHEAD_SAMPLES, Hearing
from realtime.engine import DetectionReport, SpeechProbability
from realtime.ports import Audio
from realtime.session.inputs import Input


class Detection:
    """A stream that remembers what it was fed, and reports when told."""

    def __init__(self, at_sample: int, sink: Callable[[DetectionReport], None]) -> None:
        self.end, self._sink, self.closed = at_sample, sink, False

    def feed(self, audio: Audio) -> None:
        self.end += len(audio) // 2

    def report(self) -> None:
        if not self.closed:
            self._sink(SpeechProbability(self.end, 0.0))

    def close(self) -> None:
        self.closed = True


class Detector:
    """Opens them."""

    def __init__(self) -> None:
        self.opened: list[Detection] = []

    def open(self, *, at_sample: int, sink: Callable[[DetectionReport], None]) -> Detection:
        self.opened.append(Detection(at_sample, sink))
        return self.opened[-1]


def test_audio_forgotten_unheard_is_passed_over() -> None:
    """A burst that is committed at once leaves the ring before detection had it.

    Detection goes on behind it, at the right position: else every later position
    is too early, and the audio it seems to lag by stops the socket for good.
    """
    detector, ring, posted = Detector(), InputRing(most_bytes=10_000_000), list[Input]()
    engine = Engine(name="test", brain=EchoBrain(), detector=detector)
    hearing = Hearing(engine, ring, posted.append)
    hearing.start_detection(0)
    burst = 3 * AHEAD_SAMPLES
    ring.append(bytes(2 * burst))
    hearing.audio_came()
    ring.forget(burst)
    ring.append(bytes(2 * 2_400))
    hearing.audio_came()
    detector.opened[-1].report()
    assert detector.opened[0].closed
    assert posted[-1] == SpeechProbability(burst + 2_400, 0.0)
    assert hearing.lag_samples == 0
