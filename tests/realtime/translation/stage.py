"""The machine of a translation session with a scripted engine, caller and clock."""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from realtime.engine import (
    BrainFailed,
    BrainFinished,
    BrainText,
    BrainUsage,
    DetectionLost,
    EngineFault,
    RecognitionFailed,
    SpeechFailed,
    SpeechFinished,
    SpeechProbability,
    SpeechProduced,
    SpeechRequest,
    TranscriptFinal,
    TranscriptPartial,
)
from realtime.errors import WireFault
from realtime.events.client import event_id_of
from realtime.events.translation import TranslatedAudioDelta, translation_event
from realtime.ids import SequentialIds
from realtime.session import effects as fx
from realtime.session.inputs import (
    Allowed,
    AudioAppended,
    EngineTraits,
    Input,
    InvalidFromClient,
    Opened,
    Refused,
    TokensRefused,
    TokensReserved,
)
from realtime.translation.config import TranslationSessionConfig
from realtime.translation.effects import SendTranslatedFrame
from realtime.translation.inputs import TranslationFromClient
from realtime.translation.limits import FRAME_SAMPLES, TranslationLimits
from realtime.translation.machine import TranslationSession

WINDOW = 768
SAMPLES_PER_MS = 24
STARTED_S = 1_700_000_000
MODEL = "gpt-realtime-translate"


class TranslationStage:
    """A session that does nothing by itself but what a trace or a test scripts."""

    def __init__(
        self,
        traits: Mapping[str, Any] | None = None,
        *,
        limits: TranslationLimits | None = None,
        listens: bool = True,
        language: str = "en-US",
    ) -> None:
        self.now_ms = 0
        self.sent: deque[dict[str, Any]] = deque()
        self.effects: list[fx.Effect] = []
        self.refusal: WireFault | None = None
        """What admission says to translations and updates."""
        self.allowance: WireFault | None = None
        self.produced = 0
        """Samples that the voice made."""
        self.asks = True
        """Admission answers."""
        self._asked: deque[dict[str, Any]] = deque()
        self._segments: list[SpeechRequest] = []
        self._utterances: list[str] = []
        self._responses: list[str] = []
        self._appended = self._judged = 0
        self._queue: deque[Input] = deque()
        ids = SequentialIds()
        config = TranslationSessionConfig(
            id=ids("sess"), expires_at=STARTED_S + 3600, model=(traits or {}).get("model", MODEL)
        )
        self.machine = TranslationSession(
            config,
            ids=ids,
            limits=limits,
            traits=EngineTraits(listens=listens, language=language),
        )
        self.give(Opened(1))

    # --- the stage of golden traces ---

    def send(self, line: Mapping[str, Any]) -> None:
        """Send a client event, valid or not; audio is counted only."""
        data = json.loads(json.dumps(line["ev"]))
        try:
            event = translation_event(data)
        except WireFault as fault:
            self.give(InvalidFromClient(1, fault, event_id_of(data)))
            return
        if event.type == "session.input_audio_buffer.append":
            self._append(len(base64.b64decode(event.audio)) // 2)
        else:
            self.give(TranslationFromClient(1, event))

    def act(self, line: Mapping[str, Any]) -> None:
        """Let the engine, the caller or the clock act."""
        acts: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "hear": lambda it: self.hear(it["ms"], voiced=it.get("voiced")),
            "wait": lambda it: self.wait(it["ms"]),
            "transcribe": lambda it: self.give(TranscriptPartial(self._utterance(it), it["delta"])),
            "transcript": lambda it: self.give(TranscriptFinal(self._utterance(it), it["text"])),
            "transcript_fail": lambda it: self.give(
                RecognitionFailed(self._utterance(it), _fault(it))
            ),
            "say": lambda it: self.give(
                BrainText(self._responses[-1], it["text"], it.get("complete", True))
            ),
            "finish": self._finish,
            "fail": lambda it: self.give(BrainFailed(self._responses[-1], _fault(it))),
            "speak": self._speak,
            "speech_end": lambda _: self.give(SpeechFinished(self._segments.pop(0).segment_id)),
            "speech_fail": lambda it: self.give(
                SpeechFailed(self._segments.pop(0).segment_id, _fault(it))
            ),
            "detection_fail": lambda it: self.give(DetectionLost(_fault(it))),
            "allowance": self._allow,
        }
        if self._possible(line):
            acts[line["does"]](line)

    def _possible(self, line: Mapping[str, Any]) -> bool:
        """An engine that was not asked says nothing."""
        does = line["does"]
        if does.startswith("trans"):
            return len(self._utterances) >= line.get("stretch", 1)
        if does in {"say", "finish", "fail"}:
            return bool(self._responses)
        return not does.startswith("spe") or bool(self._segments)

    def asked(self) -> Mapping[str, Any] | None:
        """Return the next request to the brain."""
        return self._asked.popleft() if self._asked else None

    def take(self) -> Mapping[str, Any] | None:
        """Return the next event that was sent."""
        return self.sent.popleft() if self.sent else None

    unasked = take

    # --- caller, clock, engine ---

    def client(self, kind: str, **fields: Any) -> None:
        """Send a client event."""
        self.send({"ev": {"type": kind, **fields}})

    def hear(self, ms: int, *, voiced: bool | None = None, at_once: bool = False) -> None:
        """Append audio in real time, piece by piece; with `voiced` it is judged."""
        step = ms if at_once else 20
        for _ in range(0, ms, step):
            if not at_once:
                self.wait(step)
            self._append(step * SAMPLES_PER_MS)
            while voiced is not None and self._judged + WINDOW <= self._appended:
                self._judged += WINDOW
                self.give(SpeechProbability(self._judged, 0.95 if voiced else 0.02))

    def _append(self, samples: int) -> None:
        self._appended += samples
        self.give(AudioAppended(samples))

    def wait(self, ms: int) -> None:
        """Let time pass."""
        until = self.now_ms + ms
        while (due := self.machine.deadline()) is not None and due <= until:
            self.now_ms = max(self.now_ms, due)
            self.machine.expire(self.now_ms)
            self._settle()
            self._answer()
        self.now_ms = until

    def _utterance(self, line: Mapping[str, Any]) -> str:
        """Return the stretch by its number, from 1; the last without one."""
        return self._utterances[line.get("stretch", 0) - 1]

    def _speak(self, line: Mapping[str, Any]) -> None:
        self.produced += line["ms"] * SAMPLES_PER_MS
        self.give(SpeechProduced(self._segments[0].segment_id, line["ms"] * SAMPLES_PER_MS))

    def _finish(self, line: Mapping[str, Any]) -> None:
        usage = BrainUsage(**line["usage"]) if "usage" in line else None
        self.give(BrainFinished(self._responses[-1], usage, line.get("cut")))

    def _allow(self, line: Mapping[str, Any]) -> None:
        self.allowance = None
        if "code" in line:
            self.allowance = WireFault(line["message"], code=line["code"])

    # --- the machine ---

    def give(self, given: Input) -> None:
        """Apply an input and what follows."""
        self._queue.append(given)
        self._answer()

    def _answer(self) -> None:
        while self._queue:
            self.machine.receive(self._queue.popleft(), self.now_ms)
            self._settle()

    def _settle(self) -> None:
        for effect in self.machine.effects():
            self.effects.append(effect)
            self._carry_out(effect)

    def _carry_out(self, effect: fx.Effect) -> None:
        match effect:
            case fx.Send():
                self.sent.append(orjson.loads(orjson.dumps(effect.event)))
            case SendTranslatedFrame():
                speech = b"\1\0" * effect.samples
                frame = TranslatedAudioDelta(
                    event_id=effect.event_id,
                    delta=base64.b64encode(speech.ljust(2 * FRAME_SAMPLES, b"\0")).decode(),
                    elapsed_ms=effect.elapsed_ms,
                )
                self.sent.append(orjson.loads(orjson.dumps(frame)))
            case fx.Ask() if self.asks:
                refused = self.refusal is not None
                answer = (
                    Refused(effect.question, self.refusal) if refused else Allowed(effect.question)
                )  # type: ignore[arg-type]
                self._queue.append(answer)
            case fx.ReserveTokens() if self.allowance is not None:
                self._queue.append(TokensRefused(effect.response_id, self.allowance))
            case fx.ReserveTokens():
                self._queue.append(TokensReserved(effect.response_id))
            case fx.OpenRecognition():
                self._utterances.append(effect.request.utterance_id)
            case fx.StartBrain():
                self._responses.append(effect.request.response_id)
                self._asked.append(orjson.loads(orjson.dumps(effect.request)))
            case fx.Speak():
                self._segments.append(effect.request)
            case fx.Close():
                self.sent.append({"close": [effect.code, effect.reason]})
            case _:
                pass

    # --- what it did ---

    def of(self, kind: type) -> list[Any]:
        """Return the effects of a kind."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return what was sent of a type."""
        return [event for event in self.sent if event.get("type") == kind]

    def text(self, kind: str) -> str:
        """Return the deltas of a type, joined."""
        return "".join(event["delta"] for event in self.events(kind))

    def frames(self) -> list[int]:
        """Return the samples of speech in each frame."""
        return [effect.samples for effect in self.of(SendTranslatedFrame)]


def _fault(line: Mapping[str, Any]) -> EngineFault:
    return EngineFault(line["code"], line["message"])
