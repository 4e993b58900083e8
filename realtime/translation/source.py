"""The source's audio, cut into stretches that are recognised one by one.

A stretch ends at a pause; once it is `short_stretch_ms` long at any pause; and
at `longest_stretch_ms` wherever it is, so that the translation goes on while
the speaker does. Without voice activity detection the last rule is the only one.
Where the source comes faster than it is recognised, stretches wait in the ring.

Invariants: stretches do not overlap and follow one another in time; what is fed
was judged by voice activity, where there is any; no more than
`most_recognitions` are recognised at a time; nothing is kept that no stretch
can need any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
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
)
from realtime.session.outbox import Outbox
from realtime.translation.limits import TranslationLimits, samples_of
from realtime.turns.endpointing import Began, Ended, Endpointer, MaybeEnded, Resumed, Rule

THRESHOLD: Final = 0.5
TRIM_STEP_SAMPLES: Final = samples_of(5_000)
UNJUDGED_SAMPLES: Final = 1_536
"""Two windows of voice activity: what is less than that at the end is never judged."""


@dataclass(slots=True)
class _Stretch:
    start: int
    end: int | None = None
    utterance_id: str = ""
    """Empty until it is being recognised."""


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
        """`opened` makes the request of a stretch, `closed` gets its id and its samples."""
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
        self._stretch: _Stretch | None = None
        """The one that grows."""
        self._goes_on = False
        """One was cut at its longest, and the next begins with the next audio."""
        self._waiting: deque[_Stretch] = deque()
        """Those that are not recognised yet; the one that grows may be the last."""
        self._recognising = 0
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

    @property
    def waiting(self) -> int:
        """Stretches that nobody recognises yet."""
        return len(self._waiting)

    def append(self, samples: int) -> None:
        """More audio lies in the ring."""
        self.appended += samples
        if self._endpointer is None:
            self.heard = self.appended
            if self._stretch is None:
                self._begin_stretch(self._free)
            self._grow()

    def observe(self, report: SpeechProbability) -> None:
        """Take a window of voice activity."""
        if self._endpointer is None:
            return
        at = min(report.at_sample, self.appended)
        self.heard = max(self.heard, at)
        match self._endpointer.observe(at, report.probability):
            case Began() as began:
                self._begin_stretch(began.at - samples_of(self._limits.padding_ms))
                self._grow()
            case Ended():
                self._close(self.heard)
            case MaybeEnded():
                self._pause()
            case Resumed():
                self._resume()
            case None:
                self._grow()
        self._trim()

    # --- stretches ---

    def _begin_stretch(self, start: int) -> None:
        self._goes_on = False
        self._stretch = _Stretch(max(self._free, start))
        self._waiting.append(self._stretch)
        self._recognise()

    def _grow(self) -> None:
        longest = samples_of(self._limits.longest_stretch_ms)
        if self._goes_on and self.heard > self._free:
            self._begin_stretch(self._free)
        while self._stretch is not None and self.heard - self._stretch.start >= longest:
            end = self._stretch.start + longest
            self._close(end)
            self._goes_on = True
            if self.heard > end:
                self._begin_stretch(end)
        if self._stretch is not None and self._stretch.utterance_id:
            self._outbox.do(FeedRecognition(self._stretch.utterance_id, self.heard))

    def _pause(self) -> None:
        self._goes_on = False
        stretch = self._stretch
        if stretch is None:
            return
        if self.heard - stretch.start >= samples_of(self._limits.short_stretch_ms):
            self._close(self.heard)
        elif stretch.utterance_id:
            self._outbox.do(FeedRecognition(stretch.utterance_id, self.heard))
            self._outbox.do(PrepareRecognition(stretch.utterance_id))

    def _resume(self) -> None:
        if self._stretch is None:
            self._begin_stretch(self.heard - samples_of(self._limits.padding_ms))
        elif self._stretch.utterance_id:
            self._outbox.do(AbandonRecognition(self._stretch.utterance_id))
        self._grow()

    def _close(self, end: int) -> None:
        stretch, self._stretch, self._goes_on = self._stretch, None, False
        if stretch is None:
            return
        stretch.end = self._free = end
        if stretch.utterance_id:
            self._commit(stretch, end)
        self._forget(end)

    def _commit(self, stretch: _Stretch, end: int) -> None:
        self._outbox.do(CommitRecognition(stretch.utterance_id, end))
        self._closed(stretch.utterance_id, end - stretch.start)

    # --- recognition ---

    def _recognise(self) -> None:
        while self._waiting and self._recognising < self._limits.most_recognitions:
            stretch = self._waiting.popleft()
            self._recognising += 1
            request = self._opened()
            stretch.utterance_id = request.utterance_id
            self._outbox.do(OpenRecognition(request, stretch.start))
            if stretch.end is not None:
                self._commit(stretch, stretch.end)
                self._forget(self._free)

    def recognised(self) -> None:
        """A stretch was recognised, or cannot be: there is a place for the next."""
        self._recognising -= 1
        self._recognise()

    # --- what is kept ---

    def _forget(self, before: int) -> None:
        needed = self._waiting[0].start if self._waiting else before
        self._outbox.do(ForgetAudio(min(needed, before)))

    def _trim(self) -> None:
        needed = self.heard - samples_of(self._limits.padding_ms + self._limits.silence_ms)
        if self._stretch is None and needed - self._free >= TRIM_STEP_SAMPLES:
            self._free = needed
            self._forget(needed)

    def lost(self) -> None:
        """Voice activity is gone for now: a stretch ends where it was."""
        if self._endpointer is not None:
            self._close(self.heard)
            self._endpointer.reset(self.appended)

    def finish(self) -> None:
        """No more audio comes."""
        self._close(self.appended)
