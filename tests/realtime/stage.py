"""The protocol machine as the stage of a golden trace: a scripted engine, caller and clock."""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import orjson

from realtime.engine import (
    BrainCallArguments,
    BrainCallFinished,
    BrainCallStarted,
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
    TokenLogprob,
    TranscriptFinal,
    TranscriptPartial,
    TurnHypothesis,
    Volunteered,
)
from realtime.errors import WireFault
from realtime.events.client import client_event, event_id_of
from realtime.events.items import InputAudio, OutputAudio, RetrievedAudio, RetrievedMessage
from realtime.events.mcp_items import (
    McpError,
    McpExecutionError,
    McpHttpError,
    McpListedTool,
    McpProtocolError,
)
from realtime.events.response_events import OutputAudioDelta
from realtime.events.server import ItemRetrieved, RateLimitsUpdated
from realtime.ids import SequentialIds
from realtime.session import effects as fx
from realtime.session.config import AnySessionConfig, TranscriptionSessionConfig, fresh_config
from realtime.session.inputs import (
    Allowed,
    AudioAppended,
    EngineTraits,
    FromClient,
    Input,
    InvalidFromClient,
    Opened,
    PromptFound,
    SessionLimits,
    TokensRefused,
    TokensReserved,
    ToolReturned,
    ToolsImported,
    ToolsNotImported,
)
from realtime.session.machine import Session
from tests.realtime.driver import ALLOWANCE

WINDOW = 768
SAMPLES_PER_MS = 24
STARTED_S = 1_700_000_000


def silence(samples: int) -> str:
    """Return that much PCM in base64."""
    return base64.b64encode(bytes(2 * samples)).decode()


class MachineStage:
    """A session machine that does nothing by itself but what a trace scripts."""

    def __init__(self, traits: Mapping[str, Any]) -> None:
        self.now_ms = 0
        self._sent: deque[dict[str, Any]] = deque()
        self._asked: deque[dict[str, Any]] = deque()
        self._segments: list[SpeechRequest] = []
        self._audio: dict[str, int] = {}
        self._cut: set[str] = set()
        self._appended = self._judged = 0
        self._queue: deque[Input] = deque()
        self._utterance = ""
        self._refusal: WireFault | None = None
        ids = SequentialIds()
        self._machine = Session(
            _config(ids("sess"), traits),
            ids=ids,
            noise=lambda length: "x" * length,
            limits=SessionLimits(context_tokens=traits.get("context_tokens", 32_000)),
            traits=EngineTraits(needs_transcript=traits.get("needs_transcript", True)),
        )
        self._give(Opened(1))

    # --- the stage ---

    def send(self, line: Mapping[str, Any]) -> None:
        """Send a client event, valid or not."""
        data = json.loads(json.dumps(line["ev"]))
        try:
            event = client_event(data)
        except WireFault as fault:
            self._give(InvalidFromClient(1, fault, event_id_of(data)))
            return
        self._give(FromClient(1, event))

    def act(self, line: Mapping[str, Any]) -> None:
        """Let the engine, the caller or the clock act."""
        acts: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "hear": self._hear,
            "wait": self._wait,
            "speak": lambda it: self._give(
                SpeechProduced(self._segment(it).segment_id, it["ms"] * SAMPLES_PER_MS)
            ),
            "speech_end": lambda it: self._give(SpeechFinished(self._last_of_segment(it))),
            "speech_fail": lambda it: self._give(
                SpeechFailed(self._last_of_segment(it), _fault(it))
            ),
            "detection_fail": lambda it: self._give(DetectionLost(_fault(it))),
            "hypothesis": lambda it: self._give(
                TurnHypothesis(it["item"], it["text"], it.get("whole"))
            ),
            "transcribe": lambda it: self._give(
                TranscriptPartial(it.get("item", self._utterance), it["delta"], _logprobs(it))
            ),
            "transcript": lambda it: self._give(
                TranscriptFinal(
                    it["item"],
                    it["text"],
                    logprobs=_logprobs(it),
                    languages=tuple(it.get("languages", ())),
                )
            ),
            "transcript_fail": lambda it: self._give(RecognitionFailed(it["item"], _fault(it))),
            "say": lambda it: self._give(
                BrainText(it["response"], it["text"], it.get("complete", True))
            ),
            "call": lambda it: self._give(
                BrainCallStarted(it["response"], it["call_id"], it["name"])
            ),
            "argue": lambda it: self._give(
                BrainCallArguments(it["response"], it["call_id"], it["delta"])
            ),
            "call_end": lambda it: self._give(BrainCallFinished(it["response"], it["call_id"])),
            "finish": self._finish,
            "fail": lambda it: self._give(BrainFailed(it["response"], _fault(it))),
            "tools": lambda it: self._give(
                ToolsImported(it["item"], tuple(McpListedTool(**tool) for tool in it["tools"]))
            ),
            "tools_fail": lambda it: self._give(ToolsNotImported(it["item"])),
            "return": lambda it: self._give(
                ToolReturned(it["response"], it["call_id"], it.get("output"), _tool_error(it))
            ),
            "volunteer": lambda it: self._give(Volunteered(it["text"], it.get("language"))),
            "allowance": self._allow,
        }
        acts[line["does"]](line)

    def asked(self) -> Mapping[str, Any] | None:
        """Return the next request to the brain."""
        return self._asked.popleft() if self._asked else None

    def take(self) -> Mapping[str, Any] | None:
        """Return the next event that was sent."""
        return self._sent.popleft() if self._sent else None

    unasked = take

    # --- engine, caller, clock ---

    def _hear(self, line: Mapping[str, Any]) -> None:
        """Append audio; with `voiced` voice activity judges it at once."""
        samples = line["ms"] * SAMPLES_PER_MS
        self._appended += samples
        self._give(AudioAppended(samples))
        if "voiced" not in line:
            return
        while self._judged + WINDOW <= self._appended:
            self._judged += WINDOW
            self._give(SpeechProbability(self._judged, 0.95 if line["voiced"] else 0.02))

    def _segment(self, line: Mapping[str, Any]) -> SpeechRequest:
        """Return the oldest segment, of the response that is named if one is."""
        wanted = line.get("response")
        return next(one for one in self._segments if wanted in {None, one.response_id})

    def _last_of_segment(self, line: Mapping[str, Any]) -> str:
        segment = self._segment(line)
        self._segments.remove(segment)
        return segment.segment_id

    def _wait(self, line: Mapping[str, Any]) -> None:
        until = self.now_ms + line["ms"]
        while (due := self._machine.deadline()) is not None and due <= until:
            self.now_ms = max(self.now_ms, due)
            self._machine.expire(self.now_ms)
            self._settle()
            self._answer()
        self.now_ms = until

    def _finish(self, line: Mapping[str, Any]) -> None:
        usage = BrainUsage(**line["usage"]) if "usage" in line else None
        self._give(BrainFinished(line["response"], usage, line.get("cut")))

    def _allow(self, line: Mapping[str, Any]) -> None:
        """Have no more room for responses, with the code to say so; without one have room again."""
        self._refusal = None
        if "code" in line:
            self._refusal = WireFault(line["message"], code=line["code"])
            self._refusal.type = line.get("type", WireFault.type)

    # --- the machine ---

    def _give(self, given: Input) -> None:
        self._queue.append(given)
        self._answer()

    def _answer(self) -> None:
        while self._queue:
            self._machine.receive(self._queue.popleft(), self.now_ms)
            self._settle()

    def _settle(self) -> None:
        for effect in self._machine.effects():
            self._carry_out(effect)

    def _carry_out(self, effect: fx.Effect) -> None:
        match effect:
            case fx.Send():
                self._sent.append(orjson.loads(orjson.dumps(effect.event)))
            case fx.SendAudio():
                self._keep(effect.lane.item_id, effect.samples)
                delta = OutputAudioDelta(
                    event_id=effect.event_id,
                    response_id=effect.lane.response_id,
                    item_id=effect.lane.item_id,
                    output_index=effect.lane.output_index,
                    content_index=effect.lane.content_index,
                    delta=silence(effect.samples),
                )
                self._sent.append(asdict(delta))
            case fx.SendRetrieved():
                self._send_retrieved(effect)
            case fx.KeepAudio():
                self._keep(effect.item_id, effect.end - effect.start)
            case fx.KeepSentAudio():
                self._keep(effect.item_id, len(effect.audio) // 2)
            case fx.CutItemAudio():
                self._audio[effect.item_id] = effect.samples
                self._cut.add(effect.item_id)
            case fx.Ask():
                self._queue.append(Allowed(effect.question))
            case fx.FindPrompt():
                self._queue.append(PromptFound(effect.question, None))
            case fx.ReserveTokens() if self._refusal is not None:
                self._queue.append(TokensRefused(effect.response_id, self._refusal))
            case fx.ReserveTokens():
                self._queue.append(TokensReserved(effect.response_id))
            case fx.OpenRecognition():
                self._utterance = effect.request.utterance_id
            case fx.SendRateLimits():
                event = RateLimitsUpdated(event_id=effect.event_id, rate_limits=[ALLOWANCE])
                self._sent.append(orjson.loads(orjson.dumps(event)))
            case fx.StartBrain():
                self._asked.append(orjson.loads(orjson.dumps(effect.request)))
            case fx.Speak():
                self._segments.append(effect.request)
            case fx.CancelSpeech():
                kept = [one for one in self._segments if one.response_id != effect.response_id]
                self._segments = kept
            case fx.Close():
                self._sent.append({"close": [effect.code, effect.reason]})
            case _:
                pass

    def _keep(self, item_id: str, samples: int) -> None:
        if item_id not in self._cut:
            self._audio[item_id] = self._audio.get(item_id, 0) + samples

    def _send_retrieved(self, effect: fx.SendRetrieved) -> None:
        """Fill the audio in, as the shell does."""
        item = effect.item
        if isinstance(item, RetrievedMessage) and item.id in self._audio:
            audio = silence(self._audio[item.id])
            content = [
                RetrievedAudio(
                    type=part.type, transcript=part.transcript, audio=audio, format="pcm16"
                )
                if place in effect.audio_parts and isinstance(part, InputAudio | OutputAudio)
                else part
                for place, part in enumerate(item.content)
            ]
            item = replace(item, content=content)
        event = ItemRetrieved(event_id=effect.event_id, item=item)
        self._sent.append(orjson.loads(orjson.dumps(event)))


def _config(session_id: str, traits: Mapping[str, Any]) -> AnySessionConfig:
    expires_at = STARTED_S + 3600
    if traits.get("session") == "transcription":
        return TranscriptionSessionConfig(id=session_id, expires_at=expires_at)
    model = traits.get("model", "gpt-realtime")
    return fresh_config(session_id=session_id, model=model, expires_at=expires_at)


def _logprobs(line: Mapping[str, Any]) -> tuple[TokenLogprob, ...]:
    return tuple(TokenLogprob(token, logprob) for token, logprob in line.get("logprobs", ()))


_ERRORS = {
    "protocol_error": McpProtocolError,
    "tool_execution_error": McpExecutionError,
    "http_error": McpHttpError,
}


def _tool_error(line: Mapping[str, Any]) -> McpError | None:
    error = line.get("error")
    return None if error is None else _ERRORS[error["type"]](**error)


def _fault(line: Mapping[str, Any]) -> EngineFault:
    return EngineFault(line["code"], line["message"])
