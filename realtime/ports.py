"""What the session needs from the outside, as protocols.

None of the methods blocks or awaits: a session's shell calls them from the
event loop, and reports come back later through the sink, on the same loop.
A sink must never be called from inside `open`, `feed` or `start` of the same
object before that call has returned its stream; after `close` it is not called
any more. Every implementation runs the contract tests in `conformance/contracts`.

Speculation (prepare, commit, abandon): when a turn has *maybe* ended, work may
be prepared; nothing prepared has a side effect or reaches the client before
`commit`, and `abandon` forgets it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from realtime.engine import (
    BrainReport,
    BrainRequest,
    BrainSpent,
    DetectionReport,
    RecognitionReport,
    RecognitionRequest,
    SessionFacts,
    SpeechFailed,
    SpeechFinished,
    SpeechRequest,
    Volunteered,
)

Audio = bytes | bytearray | memoryview
"""Canonical audio (see `realtime.engine`): PCM16 little-endian mono, 24 kHz."""


class VoiceActivityStream(Protocol):
    """Voice activity of one session."""

    def feed(self, audio: Audio) -> None:
        """Take the next audio of the session. At its bound the oldest waiting audio is dropped."""

    def close(self) -> None:
        """Stop; nothing is reported afterwards."""


class VoiceActivityDetector(Protocol):
    """Says how probable speech is, window by window."""

    def open(
        self, *, at_sample: int, sink: Callable[[DetectionReport], None]
    ) -> VoiceActivityStream:
        """Start a stream whose first fed sample has the position `at_sample`."""


class RecognitionStream(Protocol):
    """One utterance on its way to a transcript."""

    def feed(self, audio: Audio) -> None:
        """Take the next audio of the utterance, at any pace."""

    def prepare(self) -> None:
        """The utterance has maybe ended: work towards the final transcript.

        Nothing is reported but `TurnHypothesis`, once, and only where it was asked
        for and neither `abandon` nor `commit` came before it.
        """

    def abandon(self) -> None:
        """Speech went on: what `prepare` began is void, further audio follows."""

    def commit(self) -> None:
        """The utterance has ended: report `TranscriptFinal` or `RecognitionFailed`, once."""

    def close(self) -> None:
        """Forget the utterance; nothing is reported afterwards. Idempotent."""


class Recogniser(Protocol):
    """Speech to text."""

    def open(
        self, request: RecognitionRequest, sink: Callable[[RecognitionReport], None]
    ) -> RecognitionStream:
        """Start an utterance."""


class BrainRun(Protocol):
    """One answer being made."""

    def commit(self) -> None:
        """The answer is wanted: side effects and reports may happen from now on."""

    def cancel(self) -> None:
        """The answer is not wanted (any more); nothing is reported afterwards. Idempotent.

        Before `commit` this is the "abandon" of a speculation and leaves no trace.
        """


@runtime_checkable
class MeteredRun(Protocol):
    """A run that may cost something before `commit`; every one of a speculative brain is."""

    def spent(self) -> BrainSpent | None:
        """Return what it has cost so far, None where nothing was begun before `commit`."""


@runtime_checkable
class HandingRun(Protocol):
    """A run that may give up at its `commit` what it began before, since another answers."""

    def dropped(self) -> BrainSpent | None:
        """Return what was given up, None where nothing was."""


class BrainSession(Protocol):
    """The brain's side of one session; keeps what it must remember between turns."""

    def prepare(self, request: BrainRequest, sink: Callable[[BrainReport], None]) -> BrainRun:
        """Begin an answer speculatively; call `commit` on the run when it is wanted."""

    def playback(self, *, playing: bool) -> None:
        """The caller began (True) or stopped (False) hearing the answer."""

    def close(self) -> None:
        """The session is over."""


class Brain(Protocol):
    """Decides what is answered: skills, a chat model, an echo."""

    def open(
        self, facts: SessionFacts, volunteer: Callable[[Volunteered], None] | None = None
    ) -> BrainSession:
        """Start serving a session; `volunteer` gets what the brain says without being asked.

        It is called as a sink is: never from inside `open`, not after `close`.
        """


@runtime_checkable
class SpeculativeBrain(Protocol):
    """A brain that works before `commit`, so that preparing early saves time and may cost money."""

    speculations: int
    """Answers that may be prepared for one turn before it is certain."""


SpeechSink = Callable[[str, bytes], None]
"""Called with (segment_id, canonical audio) for each piece of speech."""


class SpeechSession(Protocol):
    """Synthesis for one session; segments are spoken in the order of requests."""

    def speak(self, request: SpeechRequest) -> None:
        """Speak one segment; at its end `SpeechFinished` or `SpeechFailed` is reported."""

    def cancel(self, response_id: str) -> None:
        """Drop every segment of the response; nothing more is reported of them."""

    def close(self) -> None:
        """The session is over."""


class Synthesiser(Protocol):
    """Text to speech."""

    def open(
        self,
        facts: SessionFacts,
        *,
        audio: SpeechSink,
        sink: Callable[[SpeechFinished | SpeechFailed], None],
    ) -> SpeechSession:
        """Start serving a session. `audio` gets the samples, `sink` the ends of segments."""

    def voices(self) -> Sequence[str]:
        """Names of the voices it has, for `doctor` and the model registry."""


class Probe(Protocol):
    """A part that can say whether it works."""

    async def probe(self) -> dict[str, Any]:
        """Try the part for real; return facts for `/readyz` and `doctor`, raise on a fault."""


class IdSource(Protocol):
    """Makes public identifiers (CONTRACT 17)."""

    def __call__(self, prefix: str) -> str:
        """Return `prefix` + `_` + 21 characters of `[A-Za-z0-9]`."""
