"""A scripted engine: every port, every report, at any delay, from one seeded generator."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from gateway.engines.engine import Engine
from realtime.engine import (
    BrainCallArguments,
    BrainCallFinished,
    BrainCallStarted,
    BrainFailed,
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainText,
    BrainUsage,
    DetectionLost,
    EngineFault,
    RecognitionFailed,
    RecognitionReport,
    RecognitionRequest,
    SessionFacts,
    SpeechFailed,
    SpeechFinished,
    SpeechProbability,
    SpeechRequest,
    TokenLogprob,
    TranscriptFinal,
    TranscriptPartial,
    TurnHypothesis,
)
from realtime.events.session import VOICES
from tests.fuzz.loop import VirtualLoop

WINDOW = 768
DELAYS_S = (0.0, 0.0, 0.0, 0.001, 0.005, 0.02, 0.1, 0.7)
TIMEOUT_S = 10.0
FAULT = EngineFault("broken", "A part broke.")
WORDS = (
    "yes", "what time is it", "and then", "tell me a", "Grüße", "naïve café", "日本語", "🙂🙃",
    "a\u0000b", "line\nbreak", '"quoted"', "\\", "x" * 300, " ", ".",
)  # fmt: skip


class Script:
    """Chance and time for the parts of one session's engine."""

    def __init__(self, loop: VirtualLoop, chance: random.Random) -> None:
        self.loop = loop
        self.chance = chance
        self.calm = False
        """Nothing fails, everything is quick: for the conversation at the end."""

    def later(self, call: Callable[[], object]) -> None:
        """Call after some delay."""
        delay_s = 0.0 if self.calm else self.chance.choice(DELAYS_S)
        self.loop.call_later(delay_s, call)

    def happens(self, probability: float) -> bool:
        """Say whether something odd happens; never while calm."""
        return not self.calm and self.chance.random() < probability

    def words(self) -> str:
        """Return something to say."""
        return "fine" if self.calm else self.chance.choice(WORDS)


class Detection:
    """Voice activity: runs of speech and silence."""

    def __init__(self, script: Script, at_sample: int, sink: Callable[[Any], None]) -> None:
        self._script, self._sink = script, sink
        self._fed = self._judged = at_sample
        self._voiced = False
        self._closed = self._lost = False

    def feed(self, audio: bytes | bytearray | memoryview) -> None:
        self._fed += len(audio) // 2
        self._script.later(self._judge)

    def _judge(self) -> None:
        while not self._closed and self._judged + WINDOW <= self._fed:
            self._judged += WINDOW
            if self._script.happens(0.08):
                self._voiced = not self._voiced
            if not self._lost and self._script.happens(0.002):
                self._lost = True  # what nobody judges passes as silence
                self._sink(DetectionLost(FAULT))
            voiced = self._voiced and not self._lost
            self._sink(SpeechProbability(self._judged, 0.95 if voiced else 0.02))

    def close(self) -> None:
        self._closed = True


class Utterance:
    """Recognition of one utterance."""

    def __init__(
        self, script: Script, request: RecognitionRequest, sink: Callable[[Any], None]
    ) -> None:
        self._script, self._request, self._sink = script, request, sink
        self._said = ""
        self._over = self._committed = self._reported = False

    def _report(self, report: RecognitionReport) -> None:
        if not self._over:
            self._over = isinstance(report, TranscriptFinal | RecognitionFailed)
            self._sink(report)

    def feed(self, audio: bytes | bytearray | memoryview) -> None:
        if self._request.partials and self._script.happens(0.5):
            self._script.later(self._partial)

    def _partial(self) -> None:
        if self._over:
            return
        words = self._script.words()
        self._said += words
        self._report(TranscriptPartial(self._id, words, self._logprobs(words)))

    @property
    def _id(self) -> str:
        return self._request.utterance_id

    def _logprobs(self, words: str) -> tuple[TokenLogprob, ...]:
        return (TokenLogprob(words, -0.25),) if self._request.logprobs else ()

    def prepare(self) -> None:
        if self._script.happens(0.7):
            whole = self._script.chance.choice((True, False, None))
            words = self._said + self._script.words()
            self._script.later(lambda: self._report(TurnHypothesis(self._id, words, whole)))

    def abandon(self) -> None:
        pass

    def commit(self) -> None:
        assert not self._committed, "an utterance is committed once"
        self._committed = True
        if self._script.happens(0.02):  # it hangs, until its own timeout
            self._script.loop.call_later(
                TIMEOUT_S, lambda: self._report(RecognitionFailed(self._id, FAULT))
            )
        else:
            self._script.later(self._end)

    def _end(self) -> None:
        if self._script.happens(0.1):
            self._report(RecognitionFailed(self._id, FAULT))
            return
        said = self._said + self._script.words()
        self._report(TranscriptFinal(self._id, said, "en", self._logprobs(said), ("en",)))

    def close(self) -> None:
        self._over = True


class Run:
    """One answer: texts and calls in any mixture, then an end."""

    def __init__(
        self, script: Script, request: BrainRequest, sink: Callable[[BrainReport], None]
    ) -> None:
        self._script, self._sink, self._id = script, sink, request.response_id
        self._over = False
        self._reports = self._plan(request)

    def _plan(self, request: BrainRequest) -> list[BrainReport]:
        script, made = self._script, []
        pieces = 1 if script.calm else script.chance.randrange(5)
        for number in range(pieces):
            if request.tools and script.happens(0.6):
                made += self._call(f"call_{self._id[-6:]}{number}", request)
            else:
                made.append(BrainText(self._id, script.words(), not script.happens(0.4)))
        if script.happens(0.08):
            return [*made, BrainFailed(self._id, FAULT)]
        if script.happens(0.02):
            return made  # it never ends by itself
        usage = BrainUsage(input_text_tokens=9, output_text_tokens=3, cached_text_tokens=1)
        cut = "content_filter" if script.happens(0.05) else None
        return [*made, BrainFinished(self._id, usage if script.happens(0.3) else None, cut)]

    def _call(self, call_id: str, request: BrainRequest) -> list[BrainReport]:
        name = self._script.chance.choice(request.tools).name
        return [
            BrainCallStarted(self._id, call_id, name),
            BrainCallArguments(self._id, call_id, '{"a":'),
            BrainCallArguments(
                self._id, call_id, self._script.chance.choice(("1}", "", "}}", "é"))
            ),
            BrainCallFinished(self._id, call_id),
        ]

    def commit(self) -> None:
        self._script.later(self._next)

    def _next(self) -> None:
        if self._over or not self._reports:
            return
        self._sink(self._reports.pop(0))
        if self._script.happens(0.3):
            self._script.later(self._next)
        else:
            self._next()

    def cancel(self) -> None:
        self._over = True


class Mind:
    """The brain's side of a session."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def prepare(self, request: BrainRequest, sink: Callable[[BrainReport], None]) -> Run:
        return Run(self._script, request, sink)

    def playback(self, *, playing: bool) -> None:
        pass

    def close(self) -> None:
        pass


class Voice:
    """Synthesis of a session's segments, in order, in pieces."""

    def __init__(
        self,
        script: Script,
        audio: Callable[[str, bytes], None],
        sink: Callable[[SpeechFinished | SpeechFailed], None],
    ) -> None:
        self._script, self._audio, self._sink = script, audio, sink
        self._live: dict[str, str] = {}

    def speak(self, request: SpeechRequest) -> None:
        self._live[request.segment_id] = request.response_id
        if not self._script.happens(0.02):  # else it never speaks
            pieces = 1 if self._script.calm else self._script.chance.randrange(4)
            self._script.later(lambda: self._speak(request.segment_id, pieces))

    def _speak(self, segment_id: str, pieces: int) -> None:
        if segment_id not in self._live:
            return
        if pieces:
            samples = self._script.chance.choice((0, 1, 240, 2_400, 30_000))
            self._audio(segment_id, bytes(2 * samples))
            self._script.later(lambda: self._speak(segment_id, pieces - 1))
            return
        del self._live[segment_id]
        failed = self._script.happens(0.05)
        self._sink(SpeechFailed(segment_id, FAULT) if failed else SpeechFinished(segment_id))

    def cancel(self, response_id: str) -> None:
        self._live = {s: r for s, r in self._live.items() if r != response_id}

    def close(self) -> None:
        self._live.clear()


class Parts:
    """All four ports over one script."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def engine(self, *, listens: bool, speaks: bool, needs_transcript: bool) -> Engine:
        """Return an engine of these parts."""
        return Engine(
            name="scripted",
            brain=_Brain(self._script),
            detector=_Detector(self._script) if listens else None,
            recogniser=_Recogniser(self._script) if listens else None,
            synthesiser=_Synthesiser(self._script) if speaks else None,
            needs_transcript=needs_transcript,
        )


class _Part:
    def __init__(self, script: Script) -> None:
        self._script = script


class _Brain(_Part):
    def open(self, facts: SessionFacts, **_more: Any) -> Mind:
        return Mind(self._script)


class _Detector(_Part):
    def open(self, *, at_sample: int, sink: Callable[[Any], None]) -> Detection:
        return Detection(self._script, at_sample, sink)


class _Recogniser(_Part):
    def open(self, request: RecognitionRequest, sink: Callable[[Any], None]) -> Utterance:
        return Utterance(self._script, request, sink)


class _Synthesiser(_Part):
    def open(
        self,
        facts: SessionFacts,
        *,
        audio: Callable[[str, bytes], None],
        sink: Callable[[SpeechFinished | SpeechFailed], None],
    ) -> Voice:
        return Voice(self._script, audio, sink)

    def voices(self) -> Sequence[str]:
        return VOICES
