"""The source's audio, cut into stretches that are recognised one by one.

A stretch ends at a pause; once it is `short_stretch_ms` long at any pause; and
at `longest_stretch_ms` wherever it is, so that the translation goes on while
the speaker does. Without voice activity detection the last rule is the only one.

Invariants: stretches do not overlap and follow one another in time; what is fed
was judged by voice activity, where there is any; nothing is kept that no stretch
can need any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from realtime.engine import RecognitionRequest, SpeechProbability
from realtime.session.effects import (
    AbandonRecognition,
    CommitRecognition,
    FeedRecognition,
    ForgetAudio,
    OpenRecognition,
    PrepareRecognition,
    StartDetection,
    TurnEnded,
)
from realtime.session.outbox import Outbox
from realtime.translation.limits import TranslationLimits, samples_of
from realtime.turns.endpointing import Began, Ended, Endpointer, MaybeEnded, Resumed, Rule

THRESHOLD: Final = 0.5
TRIM_STEP_SAMPLES: Final = samples_of(5_000)
UNJUDGED_SAMPLES: Final = 1_536
"""Two windows of voice activity: what is less than that at the end is never judged."""


class Source:
    """Hears the speaker."""

    def __init__(
        self,
        outbox: Outbox,
        limits: TranslationLimits,
        *,
        listens: bool,
        opened: Callable[[], RecognitionRequest],
        closed: Callable[[str, int], None],
    ) -> None:
        """`opened` makes the request of a new stretch, `closed` gets its id and its samples."""
        self._outbox = outbox
        self._limits = limits
        self._opened = opened
        self._closed = closed
        self.appended = 0
        """Samples since the session began."""
        self.heard = 0
        """Samples that were judged."""
        self._free = 0
        """Where the next stretch may start at the earliest."""
        self._stretch: tuple[str, int] | None = None
        rule = Rule(
            threshold=THRESHOLD,
            start_samples=samples_of(limits.speech_start_ms),
            silence_samples=samples_of(limits.silence_ms),
        )
        self._endpointer = Endpointer(rule, at_sample=0) if listens else None

    def begin(self) -> None:
        """Listen from now on."""
        if self._endpointer is not None:
            self._outbox.do(StartDetection(0))

    @property
    def all_heard(self) -> bool:
        """What was appended has been judged, as far as it will be."""
        return self.appended - self.heard < UNJUDGED_SAMPLES

    def append(self, samples: int) -> None:
        """More audio lies in the ring."""
        self.appended += samples
        if self._endpointer is None:
            self.heard = self.appended
            if self._stretch is None:
                self._open(self._free)
            self._grow()

    def observe(self, report: SpeechProbability) -> None:
        """Take a window of voice activity."""
        if self._endpointer is None:
            return
        at = min(report.at_sample, self.appended)
        self.heard = max(self.heard, at)
        match self._endpointer.observe(at, report.probability):
            case Began() as began:
                self._open(began.at - samples_of(self._limits.padding_ms))
            case Ended():
                self._close(self.heard)
            case MaybeEnded():
                self._pause()
            case Resumed():
                self._go_on()
            case None:
                self._grow()
        self._trim()

    def _open(self, start: int) -> None:
        self._begin_stretch(start)
        self._grow()

    def _begin_stretch(self, start: int) -> None:
        request = self._opened()
        self._stretch = (request.utterance_id, max(self._free, start))
        self._outbox.do(OpenRecognition(request, self._stretch[1]))

    def _grow(self) -> None:
        longest = samples_of(self._limits.longest_stretch_ms)
        while self._stretch is not None and self.heard - self._stretch[1] >= longest:
            end = self._stretch[1] + longest
            self._close(end)
            self._begin_stretch(end)
        if self._stretch is not None:
            self._outbox.do(FeedRecognition(self._stretch[0], self.heard))

    def _pause(self) -> None:
        if self._stretch is None:
            return
        utterance_id, start = self._stretch
        if self.heard - start >= samples_of(self._limits.short_stretch_ms):
            self._close(self.heard)
            return
        self._outbox.do(FeedRecognition(utterance_id, self.heard))
        self._outbox.do(PrepareRecognition(utterance_id))

    def _go_on(self) -> None:
        if self._stretch is None:
            self._open(self.heard - samples_of(self._limits.padding_ms))
        else:
            self._outbox.do(AbandonRecognition(self._stretch[0]))
            self._grow()

    def _close(self, end: int) -> None:
        if self._stretch is None:
            return
        utterance_id, start = self._stretch
        self._stretch = None
        self._free = end
        self._outbox.do(TurnEnded(utterance_id, end))
        self._outbox.do(CommitRecognition(utterance_id, end))
        self._outbox.do(ForgetAudio(end))
        self._closed(utterance_id, end - start)

    def _trim(self) -> None:
        needed = self.heard - samples_of(self._limits.padding_ms + self._limits.silence_ms)
        if self._stretch is None and needed - self._free >= TRIM_STEP_SAMPLES:
            self._free = needed
            self._outbox.do(ForgetAudio(needed))

    def lost(self) -> None:
        """Voice activity is gone for now: a stretch ends where it was."""
        if self._endpointer is not None:
            self._close(self.heard)
            self._endpointer.reset(self.appended)

    def finish(self) -> None:
        """No more audio comes."""
        self._close(self.appended)
