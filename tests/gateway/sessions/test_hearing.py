"""What detection hears of the ring, and where it stands."""

from __future__ import annotations

from collections.abc import Callable

from gateway.engines.echo import EchoBrain
from gateway.engines.engine import Engine
from gateway.sessions.audio import InputRing
from gateway.sessions.hearing import AHEAD_SAMPLES, Hearing
from realtime.engine import (
    DetectionReport,
    RecognitionReport,
    RecognitionRequest,
    SpeechProbability,
    TranscriptFinal,
)
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


class Utterance:
    """A stream that notes whether it was closed, and answers when told."""

    def __init__(
        self, request: RecognitionRequest, sink: Callable[[RecognitionReport], None]
    ) -> None:
        self.request, self._sink, self.closed = request, sink, False

    def feed(self, audio: Audio) -> None:
        del audio

    def prepare(self) -> None: ...

    def abandon(self) -> None: ...

    def commit(self) -> None: ...

    def answer(self) -> None:
        self._sink(TranscriptFinal(self.request.utterance_id, "words"))

    def close(self) -> None:
        self.closed = True


class Recogniser:
    """Opens them."""

    def __init__(self) -> None:
        self.opened: list[Utterance] = []

    def open(
        self, request: RecognitionRequest, sink: Callable[[RecognitionReport], None]
    ) -> Utterance:
        self.opened.append(Utterance(request, sink))
        return self.opened[-1]


def ended_utterances() -> tuple[Hearing, list[Utterance]]:
    """Return ears with a committed turn "a" and a recording "b" whose words are awaited."""
    recogniser = Recogniser()
    engine = Engine(name="test", brain=EchoBrain(), recogniser=recogniser)
    hearing = Hearing(engine, InputRing(most_bytes=1_000_000), list[Input]().append)
    hearing.open(RecognitionRequest(utterance_id="a"), 0)
    hearing.commit("a", 0)
    hearing.recognise(RecognitionRequest(utterance_id="b"), bytes(960))
    return hearing, recogniser.opened


def test_words_of_a_deleted_item_are_not_worked_for() -> None:
    """Who is forgotten while words are awaited is closed, however it was heard."""
    hearing, opened = ended_utterances()
    hearing.close_utterance("b")
    assert [stream.closed for stream in opened] == [False, True]


def test_words_nobody_waits_for_are_not_worked_for() -> None:
    """At a session's end every utterance is closed, but for those that have answered."""
    hearing, opened = ended_utterances()
    opened[0].answer()
    hearing.close()
    assert [stream.closed for stream in opened] == [False, True]
