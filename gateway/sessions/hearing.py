"""Feeds voice activity detection and recognition from the input ring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

from gateway.engines.engine import Engine
from gateway.sessions.audio import InputRing
from realtime.engine import (
    DetectionReport,
    EngineFault,
    RecognitionFailed,
    RecognitionReport,
    RecognitionRequest,
    SpeechProbability,
    TranscriptFinal,
)
from realtime.ports import RecognitionStream, VoiceActivityStream
from realtime.session.inputs import Input

AHEAD_SAMPLES = 24_000 * 4
"""Audio given to detection before it has reported on it; a burst waits in the ring."""


@runtime_checkable
class Woken(Protocol):
    """A voice activity stream that counts speech for one turn at a time."""

    def turn_ended(self) -> None:
        """The turn is over."""


class Hearing:
    """One session's ears."""

    def __init__(
        self,
        engine: Engine,
        ring: InputRing,
        post: Callable[[Input], None],
        *,
        language: str | None = None,
    ) -> None:
        """`language` is spoken where a request names none; None leaves it to the recogniser."""
        self._engine = engine
        self._language = language
        self._ring = ring
        self._post = post
        self._detection: VoiceActivityStream | None = None
        self._fed = 0
        self._known = 0
        self._utterances: dict[str, tuple[RecognitionStream, int]] = {}
        self._finishing: dict[str, RecognitionStream] = {}
        """Those that have ended and whose words are awaited."""

    # --- voice activity ---

    def start_detection(self, at_sample: int) -> None:
        """Listen from a position on."""
        self.stop_detection()
        if self._engine.detector is None:
            return
        self._fed = self._known = at_sample
        self._detection = self._engine.detector.open(at_sample=at_sample, sink=self._detected)
        self.audio_came()

    def stop_detection(self) -> None:
        """Listen no more."""
        if self._detection is not None:
            self._detection.close()
            self._detection = None

    def turn_ended(self) -> None:
        """Whoever listens behind a wake word waits for it again."""
        if isinstance(self._detection, Woken):
            self._detection.turn_ended()

    def audio_came(self) -> None:
        """Give detection what it may have now."""
        if self._detection is None:
            return
        if self._ring.start > self._fed:
            # A burst was committed or cleared before it was heard: go on behind it.
            self.start_detection(self._ring.start)
            return
        upto = min(self._ring.end, self._known + AHEAD_SAMPLES)
        if upto > self._fed:
            start, self._fed = self._fed, upto
            self._detection.feed(self._ring.slice(start, upto))

    def _detected(self, report: DetectionReport) -> None:
        if isinstance(report, SpeechProbability):
            self._known = max(self._known, report.at_sample)
        self._post(report)
        self.audio_came()

    @property
    def lag_samples(self) -> int:
        """Appended audio that detection has not judged yet."""
        return 0 if self._detection is None else self._ring.end - self._known

    # --- recognition ---

    def open(self, request: RecognitionRequest, start: int) -> None:
        """Start an utterance."""
        if self._engine.recogniser is None:
            self._fail(request.utterance_id)
            return
        stream = self._engine.recogniser.open(self._spoken(request), self._recognised)
        self._utterances[request.utterance_id] = (stream, start)

    def _spoken(self, request: RecognitionRequest) -> RecognitionRequest:
        if request.language is not None or self._language is None:
            return request
        return replace(request, language=self._language)

    def _fail(self, utterance_id: str) -> None:
        fault = EngineFault("speech_unavailable", "Speech recognition is not available.")
        self._post(RecognitionFailed(utterance_id, fault))

    def _recognised(self, report: RecognitionReport) -> None:
        if isinstance(report, TranscriptFinal | RecognitionFailed):
            self._finishing.pop(report.utterance_id, None)
        self._post(report)

    def feed(self, utterance_id: str, upto: int) -> None:
        """Give the utterance the ring up to a position."""
        stream, fed = self._utterances.get(utterance_id, (None, 0))
        if stream is not None and upto > fed:
            stream.feed(self._ring.slice(fed, upto))
            self._utterances[utterance_id] = (stream, upto)

    def prepare(self, utterance_id: str) -> None:
        """The utterance has maybe ended."""
        if utterance_id in self._utterances:
            self._utterances[utterance_id][0].prepare()

    def abandon(self, utterance_id: str) -> None:
        """The utterance goes on."""
        if utterance_id in self._utterances:
            self._utterances[utterance_id][0].abandon()

    def commit(self, utterance_id: str, upto: int) -> None:
        """The utterance has ended."""
        self.feed(utterance_id, upto)
        stream, _ = self._utterances.pop(utterance_id, (None, 0))
        if stream is not None:
            self._finishing[utterance_id] = stream
            stream.commit()

    def recognise(self, request: RecognitionRequest, audio: bytes | None) -> None:
        """Transcribe a recording."""
        if self._engine.recogniser is None or audio is None:
            self._fail(request.utterance_id)
            return
        stream = self._engine.recogniser.open(self._spoken(request), self._recognised)
        self._finishing[request.utterance_id] = stream
        stream.feed(audio)
        stream.commit()

    def close_utterance(self, utterance_id: str) -> None:
        """Forget an utterance."""
        stream, _ = self._utterances.pop(utterance_id, (None, 0))
        for each in (stream, self._finishing.pop(utterance_id, None)):
            if each is not None:
                each.close()

    def close(self) -> None:
        """The session is over: nobody waits for words any more."""
        self.stop_detection()
        for utterance_id in (*self._utterances, *self._finishing):
            self.close_utterance(utterance_id)
