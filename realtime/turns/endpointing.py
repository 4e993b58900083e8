"""Where speech begins and ends, by voice activity, counted in samples.

Speech begins after a run of voiced windows (a click is shorter) and ends after
`silence` samples without voice. In between the end is first provisional
(`MaybeEnded`), so that work may be prepared, and `Resumed` takes it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from realtime.engine import SAMPLE_RATE

HYSTERESIS = 0.15
"""Once speech runs, a window counts as silent only this far below the threshold."""

MAYBE_ENDED_SAMPLES = SAMPLE_RATE * 96 // 1000
"""Silence after which the end is provisionally reported."""

WINDOW_SAMPLES = 768
"""Samples of a first window, whose start no earlier report tells (32 ms)."""


@dataclass(frozen=True, slots=True)
class Began:
    """Speech began at `at` (the start of its first voiced window)."""

    at: int


@dataclass(frozen=True, slots=True)
class MaybeEnded:
    """Silence since `at`, not yet long enough."""

    at: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """The provisional end is void."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Speech ended; `at` includes the silence, `voiced_until` does not."""

    at: int
    voiced_until: int


Finding: TypeAlias = Began | MaybeEnded | Resumed | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What counts as speech; samples."""

    threshold: float
    start_samples: int
    silence_samples: int


class Endpointer:
    """Turns speech probabilities into findings."""

    def __init__(self, rule: Rule, *, at_sample: int) -> None:
        self._rule = rule
        self._at = at_sample
        self._run_start: int | None = None
        self._speaking = False
        self._voiced_until = at_sample
        self._maybe = False
        self._patience: int | None = None

    @property
    def speaking(self) -> bool:
        """A turn is open."""
        return self._speaking

    @property
    def pausing(self) -> bool:
        """The open turn has maybe ended."""
        return self._maybe

    def change_rule(self, rule: Rule) -> None:
        """Use another rule from now on; speech in progress goes on (CONTRACT 6.9)."""
        if rule != self._rule:  # what was judged by the old one no longer holds this pause open
            self._rule, self._patience = rule, None

    def reset(self, at_sample: int) -> None:
        """Forget the run and the turn; later windows count from `at_sample`."""
        self._at = max(self._at, at_sample)
        self._run_start = None
        self._speaking = False
        self._maybe = False
        self._patience = None

    def wait(self, silence_samples: int) -> Ended | None:
        """Let this pause, and no later one, end the turn after so much silence.

        Returns the end if there has been as much already; does nothing outside a pause.
        """
        if not self._maybe:
            return None
        self._patience = silence_samples
        return self._end_of_pause(self._at)

    def observe(self, at_sample: int, probability: float) -> Finding | None:
        """Take the window that ends at `at_sample`; windows in the past are ignored."""
        if at_sample <= self._at:
            return None
        start = max(self._at, at_sample - WINDOW_SAMPLES)
        self._at = at_sample
        if self._speaking:
            return self._while_speaking(at_sample, probability)
        return self._while_silent(start, at_sample, probability)

    def _while_silent(self, start: int, end: int, probability: float) -> Finding | None:
        if probability < self._rule.threshold:
            self._run_start = None
            return None
        if self._run_start is None:
            self._run_start = start
        if end - self._run_start < self._rule.start_samples:
            return None
        began = self._run_start
        self._speaking, self._maybe = True, False
        self._voiced_until, self._run_start = end, None
        return Began(began)

    def _while_speaking(self, end: int, probability: float) -> Finding | None:
        if probability >= max(self._rule.threshold - HYSTERESIS, 0.01):
            self._voiced_until = end
            if self._maybe:
                self._maybe, self._patience = False, None
                return Resumed()
            return None
        ended = self._end_of_pause(end)
        if ended is None and not self._maybe and end - self._voiced_until >= MAYBE_ENDED_SAMPLES:
            self._maybe = True
            return MaybeEnded(self._voiced_until)
        return ended

    def _end_of_pause(self, now: int) -> Ended | None:
        patience = self._rule.silence_samples if self._patience is None else self._patience
        if now - self._voiced_until < patience:
            return None
        self._speaking, self._maybe, self._patience = False, False, None
        return Ended(now, self._voiced_until)
