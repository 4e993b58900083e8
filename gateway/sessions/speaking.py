"""Asks the brain and the synthesiser, and keeps the audio that waits to be sent."""

from __future__ import annotations

from collections.abc import Callable

from gateway.engines.engine import Engine
from gateway.engines.group import dropped, spent
from gateway.sessions.audio import OutputAudio
from realtime.engine import (
    BrainRequest,
    BrainSpent,
    EngineFault,
    SessionFacts,
    SpeechFailed,
    SpeechFinished,
    SpeechProduced,
    SpeechRequest,
)
from realtime.ports import BrainRun
from realtime.session.inputs import Input


class Speaking:
    """One session's mind and mouth."""

    def __init__(
        self,
        engine: Engine,
        facts: SessionFacts,
        waiting: OutputAudio,
        post: Callable[[Input], None],
    ) -> None:
        self._waiting = waiting
        self._post = post
        self._runs: dict[str, BrainRun] = {}
        self._speculative: dict[str, BrainRun] = {}
        """Runs that nobody is sure to want, by the id of the response that may use them."""
        self._segments: dict[str, str] = {}
        self._brain = engine.brain.open(facts, volunteer=post)
        self._voice = (
            None
            if engine.synthesiser is None
            else engine.synthesiser.open(facts, audio=self._spoken, sink=self._segment_ended)
        )

    def start(self, request: BrainRequest) -> None:
        """Ask for an answer."""
        run = self._runs[request.response_id] = self._brain.prepare(request, self._post)
        run.commit()

    def speculate(self, request: BrainRequest) -> bool:
        """Prepare an answer; return whether the brain has begun it, which may wait for `commit`."""
        run = self._speculative[request.response_id] = self._brain.prepare(request, self._post)
        return spent(run) is not None

    def commit(self, response_id: str) -> tuple[bool, BrainSpent | None]:
        """A speculative answer is wanted; return whether it was begun before, and what is lost.

        What was begun is lost where the brain has another answer now.
        """
        run = self._runs[response_id] = self._speculative.pop(response_id)
        begun = spent(run) is not None
        run.commit()
        return begun, dropped(run)

    def discard(self, response_id: str) -> BrainSpent | None:
        """A speculative answer is not wanted; return what it cost, None if it was never begun."""
        run = self._speculative.pop(response_id)
        cost = spent(run)
        run.cancel()
        return cost

    def cancel(self, response_id: str) -> None:
        """An answer is not wanted any more."""
        run = self._runs.pop(response_id, None)
        if run is not None:
            run.cancel()

    def finished(self, response_id: str) -> None:
        """The response is over."""
        self._runs.pop(response_id, None)
        self._waiting.drop(response_id)

    def speak(self, request: SpeechRequest) -> None:
        """Synthesise a segment."""
        if self._voice is None:
            fault = EngineFault("speech_unavailable", "Speech synthesis is not available.")
            self._post(SpeechFailed(request.segment_id, fault))
            return
        self._segments[request.segment_id] = request.response_id
        self._voice.speak(request)

    def _spoken(self, segment_id: str, audio: bytes) -> None:
        response_id = self._segments.get(segment_id)
        if response_id is not None:
            samples = self._waiting.add(response_id, audio)
            self._post(SpeechProduced(segment_id, samples))

    def _segment_ended(self, report: SpeechFinished | SpeechFailed) -> None:
        if self._segments.pop(report.segment_id, None) is not None:
            self._post(report)

    def cancel_speech(self, response_id: str) -> None:
        """Drop a response's segments and its unsent audio."""
        if self._voice is not None:
            self._voice.cancel(response_id)
        self._segments = {s: r for s, r in self._segments.items() if r != response_id}
        self._waiting.drop(response_id)

    def playback(self, *, playing: bool) -> None:
        """Pass on what the caller hears."""
        self._brain.playback(playing=playing)

    def close(self) -> None:
        """The session is over."""
        for run in (*self._runs.values(), *self._speculative.values()):
            run.cancel()
        self._runs.clear()
        self._speculative.clear()
        if self._voice is not None:
            self._voice.close()
        self._brain.close()
