"""Recognition by the speech worker, as the gateway sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from ovos_bridge.speech.channel import LOST, SLOW, Channel, told_fault
from ovos_bridge.speech.protocol import Ask, Tell
from ovos_bridge.speech.streaming import AGREEMENTS, USUAL_AGREEMENTS, Wishes
from realtime.engine import (
    EngineFault,
    RecognitionFailed,
    RecognitionReport,
    RecognitionRequest,
    TokenLogprob,
    TranscriptFinal,
    TranscriptPartial,
    TurnHypothesis,
)
from realtime.ports import Audio


class Recognition:
    """One utterance."""

    def __init__(
        self,
        client: Channel,
        request: RecognitionRequest,
        sink: Callable[[RecognitionReport], None],
    ) -> None:
        self._client = client
        self._id = request.utterance_id
        self._sink = sink
        self._failed: EngineFault | None = None
        self._committed = False
        self._pauses = 0
        self._pausing = False
        self._timer: asyncio.Handle | None = None
        self.stream = client.next_stream()

    def feed(self, audio: Audio) -> None:
        if self._failed is None:
            sent = self._client.send(Ask.STT_AUDIO, self.stream, bytes(audio), droppable=True)
            if not sent:
                self._failed = LOST

    def prepare(self) -> None:
        self._pauses, self._pausing = self._pauses + 1, True
        self._client.send(Ask.STT_PREPARE, self.stream)

    def abandon(self) -> None:
        self._pausing = False
        self._client.send(Ask.STT_ABANDON, self.stream)

    def commit(self) -> None:
        self._committed, self._pausing = True, False
        loop = asyncio.get_running_loop()
        if self._failed is not None:
            self._timer = loop.call_soon(self._fail, self._failed)
            return
        self._client.send(Ask.STT_COMMIT, self.stream)
        self._timer = loop.call_later(self._client.recognition_timeout_s, self._fail, SLOW)

    def close(self) -> None:
        self._end()
        self._client.send(Ask.STT_CLOSE, self.stream)

    def _end(self) -> None:
        self._client.forget(self.stream)
        if self._timer is not None:
            self._timer.cancel()

    def _fail(self, fault: EngineFault) -> None:
        self._end()
        self._sink(RecognitionFailed(self._id, fault))

    def told(self, kind: int, payload: bytes) -> None:
        """Report a transcript or its failure; a kind of a later version is passed over."""
        if kind == Tell.STT_PARTIAL:
            self._sink(TranscriptPartial(self._id, json.loads(payload)["delta"]))
        elif kind == Tell.STT_UNDERSTOOD:
            self._understood(**json.loads(payload))
        elif kind == Tell.STT_FINAL:
            told = json.loads(payload)
            report = TranscriptFinal(self._id, told["text"], logprobs=_tokens(told["logprobs"]))
            self._end()
            self._sink(report)
        elif kind == Tell.STT_FAILED:
            self._failed = told_fault(payload)
            if self._committed:
                self._fail(self._failed)

    def _understood(self, *, pause: int, **understood: Any) -> None:
        if self._pausing and pause == self._pauses:
            self._sink(TurnHypothesis(self._id, **understood))

    def broken(self) -> None:
        """The worker is gone; the failure is told once the utterance is committed."""
        self._failed = LOST
        if self._committed:
            self._fail(LOST)


def _tokens(scored: Sequence[tuple[str, float]]) -> tuple[TokenLogprob, ...]:
    """Return words as tokens that make the text when they are put together."""
    return tuple(
        TokenLogprob(f" {word}" if place else word, logprob)
        for place, (word, logprob) in enumerate(scored)
    )


def _wishes(request: RecognitionRequest) -> Wishes:
    return Wishes(
        partials=request.partials,
        agreements=AGREEMENTS.get(request.delay or "", USUAL_AGREEMENTS),
        hypotheses=request.hypotheses,
        logprobs=request.logprobs,
    )


class SpeechRecogniser:
    """`realtime.ports.Recogniser` by one of the worker's recognisers."""

    def __init__(self, client: Channel, name: str) -> None:
        self._client = client
        self._name = name

    def open(
        self, request: RecognitionRequest, sink: Callable[[RecognitionReport], None]
    ) -> Recognition:
        """Start an utterance."""
        recognition = Recognition(self._client, request, sink)
        self._client.remember(recognition.stream, recognition)
        asked = {
            "language": request.language,
            "recogniser": self._name,
            "wishes": asdict(_wishes(request)),
        }
        if not self._client.send(Ask.STT_OPEN, recognition.stream, json.dumps(asked).encode()):
            recognition.broken()
        return recognition
