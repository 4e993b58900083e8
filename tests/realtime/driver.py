"""Drives a session machine with a scripted engine; no loop, no sleep."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson

from realtime.engine import (
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainText,
    SpeechFinished,
    SpeechProbability,
    SpeechProduced,
    SpeechRequest,
    TranscriptFinal,
)
from realtime.errors import WireFault
from realtime.events.client import client_event, event_id_of
from realtime.events.server import RateLimit, RateLimitsUpdated
from realtime.ids import SequentialIds
from realtime.prompts import PromptTemplate
from realtime.session import effects as fx
from realtime.session.config import AnySessionConfig, fresh_config
from realtime.session.inputs import (
    Allowed,
    AudioAppended,
    EngineTraits,
    FromClient,
    Input,
    InvalidFromClient,
    Opened,
    PlaybackCleared,
    PromptFound,
    SessionLimits,
    SpeculationRoom,
    TokensRefused,
    TokensReserved,
)
from realtime.session.machine import Session

WINDOW = 768
SAMPLES_PER_MS = 24
ALLOWANCE = RateLimit(name="tokens", limit=40_000, remaining=39_000, reset_seconds=1.5)
Thinker = Callable[[BrainRequest], list[BrainReport]]


def say(text: str) -> Thinker:
    """Return a brain that answers with one text."""
    return lambda request: [
        BrainText(request.response_id, text),
        BrainFinished(request.response_id),
    ]


class Driver:
    """A session, its clock, and everything it sent."""

    def __init__(
        self,
        *,
        brain: Thinker | None = None,
        transcript: str | None = "hello",
        speech_ms: int = 400,
        limits: SessionLimits | None = None,
        traits: EngineTraits | None = None,
        admit: bool = True,
        allowance: bool = True,
        config: AnySessionConfig | None = None,
        has_leg: bool = False,
    ) -> None:
        self.now_ms = 0
        self.sent: list[dict[str, Any]] = []
        self.effects: list[fx.Effect] = []
        self.brain = brain or say("All is well.")
        self.transcript = transcript
        self.speech_ms = speech_ms
        self.admit = admit
        self.allowance = allowance
        self.heard_ms: dict[str, int] = {}
        """What a media leg played of items when it is cleared."""
        self.prompts: dict[tuple[str, str | None], PromptTemplate] = {}
        self.refusal: WireFault | None = None
        """What the allowance says to responses; None has room for all."""
        self.machine = Session(
            config or fresh_config(session_id="sess_test", model="gpt-realtime", expires_at=3600),
            ids=SequentialIds(),
            noise=lambda length: "x" * length,
            limits=limits,
            traits=traits,
            has_leg=has_leg,
        )
        self.begun: dict[str, BrainRequest] = {}
        """Answers that the brain works on and nobody wants yet."""
        self._queue: list[Input] = []
        self._appended = 0
        self._heard = 0
        self.give(Opened(1))

    # --- what happens ---

    def give(self, given: Input) -> None:
        """Apply an input and what the scripted engine answers."""
        self.machine.receive(given, self.now_ms)
        self._carry_out()
        self._answer()

    def _answer(self) -> None:
        while self._queue:
            self.machine.receive(self._queue.pop(0), self.now_ms)
            self._carry_out()

    def client(self, kind: str, **fields: Any) -> None:
        """Send a client event, valid or not."""
        data = json.loads(json.dumps({"type": kind, **fields}))
        try:
            event = client_event(data)
        except WireFault as fault:
            self.give(InvalidFromClient(1, fault, event_id_of(data)))
            return
        self.give(FromClient(1, event))

    def audio(self, ms: int, *, voiced: bool | None = None) -> None:
        """Append audio; with `voiced` voice activity judges it at once."""
        self._appended += ms * SAMPLES_PER_MS
        self.give(AudioAppended(ms * SAMPLES_PER_MS))
        if voiced is None:
            return
        while self._heard + WINDOW <= self._appended:
            self._heard += WINDOW
            self.give(SpeechProbability(self._heard, 0.95 if voiced else 0.02))

    def utterance(self) -> None:
        """Say something: 800 ms of speech and enough silence."""
        self.audio(640, voiced=False)
        self.audio(800, voiced=True)
        self.audio(480, voiced=False)

    def run(self, *, until_ms: int = 60_000) -> None:
        """Let time pass while the machine has something to do."""
        while (due := self.machine.deadline()) is not None and due <= until_ms:
            self.now_ms = max(self.now_ms, due)
            self.machine.expire(self.now_ms)
            self._carry_out()
            self._answer()

    # --- what it did ---

    def _carry_out(self) -> None:
        for effect in self.machine.effects():
            self.effects.append(effect)
            match effect:
                case fx.Send():
                    self.sent.append(orjson.loads(orjson.dumps(effect.event)))
                case fx.SendAudio():
                    shown = {
                        "type": "response.output_audio.delta",
                        "response_id": effect.lane.response_id,
                        "item_id": effect.lane.item_id,
                        "samples": effect.samples,
                    }
                    self.sent.append(shown)
                case fx.Ask() if self.admit:
                    self._queue.append(Allowed(effect.question))
                case fx.FindPrompt():
                    template = self.prompts.get((effect.prompt_id, effect.version))
                    self._queue.append(PromptFound(effect.question, template))
                case fx.ReserveTokens(speculative=True):
                    room = self.refusal is None
                    self._queue.append(SpeculationRoom(effect.response_id, room))
                case fx.ReserveTokens() if self.allowance:
                    self._queue.append(self._allowance(effect.response_id))
                case fx.ClearPlayback():
                    self._queue.extend(
                        PlaybackCleared(response_id, self.heard_ms)
                        for response_id in effect.response_ids
                    )
                case fx.SendRateLimits():
                    shown = RateLimitsUpdated(event_id=effect.event_id, rate_limits=[ALLOWANCE])
                    self.sent.append(orjson.loads(orjson.dumps(shown)))
                case fx.CommitRecognition() if self.transcript is not None:
                    self._queue.append(TranscriptFinal(effect.utterance_id, self.transcript))
                case fx.StartBrain(speculative=True):
                    self.begun[effect.request.response_id] = effect.request
                case fx.CommitBrain():
                    self._queue.extend(self.brain(self.begun.pop(effect.response_id)))
                case fx.DiscardBrain():
                    self.begun.pop(effect.response_id)
                case fx.StartBrain():
                    self._queue.extend(self.brain(effect.request))
                case fx.Speak():
                    self._queue.extend(self._speech(effect.request))
                case _:
                    pass

    def _allowance(self, response_id: str) -> Input:
        if self.refusal is None:
            return TokensReserved(response_id)
        return TokensRefused(response_id, self.refusal)

    def _speech(self, request: SpeechRequest) -> list[Input]:
        made = SpeechProduced(request.segment_id, self.speech_ms * SAMPLES_PER_MS)
        return [made, SpeechFinished(request.segment_id)] if self.speech_ms else []

    def types(self, *, skip: int = 0) -> list[str]:
        """Return the types of what was sent, runs of one delta as one."""
        found: list[str] = []
        for event in self.sent[skip:]:
            kind = event["type"]
            if not (found and found[-1] == kind and kind.endswith(".delta")):
                found.append(kind)
        return found

    def last(self, kind: str) -> dict[str, Any]:
        """Return the last event of a type."""
        return next(event for event in reversed(self.sent) if event["type"] == kind)

    def error(self) -> dict[str, Any]:
        """Return the body of the last `error`."""
        return dict(self.last("error")["error"])


def text_item(text: str, **fields: Any) -> dict[str, Any]:
    """Return a user message item."""
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content, **fields}
