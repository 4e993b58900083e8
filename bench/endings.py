"""When a turn ends under each turn detection, and how often too early: `--only endings`.

The turns of the corpus go through the real voice activity detection, the real
recogniser and the real session core in the time of the audio, so that a busy
machine changes nothing: a judgement of the words is taken to arrive
`JUDGED_AFTER_MS` after it was asked for (the run prints what it really took). The
time to the first audio of an answer is measured on a real server, in real time,
with the commands of the corpus.
"""

from __future__ import annotations

import asyncio
import statistics
import time
import wave
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench import turns
from bench.children import skills, speech_worker
from bench.corpus.sentences import FOLDER, SpokenTurn, spoken_turns
from ovos_bridge.speech.client import SpeechClient
from realtime.engine import (
    DetectionReport,
    RecognitionReport,
    RecognitionRequest,
    SpeechProbability,
    TurnHypothesis,
)
from realtime.events.client import client_event
from realtime.events.server import SpeechStopped
from realtime.ids import SequentialIds
from realtime.media.resample import Resampler
from realtime.session import effects as fx
from realtime.session.config import fresh_config
from realtime.session.inputs import Allowed, AudioAppended, FromClient, Input, Opened
from realtime.session.machine import Session

Detection = Mapping[str, Any]

DETECTIONS: Mapping[str, Detection] = {
    **{
        f"server_vad {ms} ms": {"type": "server_vad", "silence_duration_ms": ms}
        for ms in (200, 500, 700)
    },
    **{
        f"semantic_vad {eagerness}": {"type": "semantic_vad", "eagerness": eagerness}
        for eagerness in ("low", "medium", "high")
    },
}
HZ = 24_000
LEAD_MS, TAIL_MS = 500, 9_000
WINDOW = 768
JUDGED_AFTER_MS = 64
JUDGEMENT_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Played:
    """A turn as audio: where it ends, and what voice activity makes of it."""

    turn: SpokenTurn
    audio: bytes
    end: int
    """The sample after the last sound."""
    probabilities: Sequence[SpeechProbability]


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of one turn under one detection."""

    turn: SpokenTurn
    cuts: int
    """Ends found before the end."""
    delay_ms: float
    """From the last sound to the end found after it."""


def sound(turn: SpokenTurn) -> bytes:
    """Return the turn as canonical audio, pauses included, without silence around it."""
    made = b""
    for place, pause_ms in enumerate([*turn.pauses_ms, 0]):
        with wave.open(str(turn.path(FOLDER, place)), "rb") as file:
            up = Resampler(file.getframerate(), HZ)
            made += up.process(file.readframes(file.getnframes())) + up.flush() + silence(pause_ms)
    return made


def silence(duration_ms: int) -> bytes:
    """Return canonical silence."""
    return bytes(HZ * duration_ms // 1000 * 2)


async def played(client: SpeechClient, turn: SpokenTurn) -> Played:
    """Have voice activity judge a turn."""
    spoken = silence(LEAD_MS) + sound(turn)
    audio = spoken + silence(TAIL_MS)
    found: list[SpeechProbability] = []
    whole = asyncio.Event()

    def take(report: DetectionReport) -> None:
        assert isinstance(report, SpeechProbability), report
        found.append(report)
        if report.at_sample + WINDOW > len(audio) // 2:
            whole.set()

    stream = client.detector.open(at_sample=0, sink=take)
    stream.feed(audio)
    await asyncio.wait_for(whole.wait(), JUDGEMENT_TIMEOUT_S)
    stream.close()
    return Played(turn, audio, turns.speech_end(spoken) // 2, found)


@dataclass
class Judge:
    """Asks the recogniser what was said up to a pause, once for all detections."""

    client: SpeechClient
    known: dict[tuple[str, int, int], TurnHypothesis | None] = field(default_factory=dict)
    took_ms: list[float] = field(default_factory=list)

    async def judge(self, of: Played, start: int, at: int) -> TurnHypothesis | None:
        """Return the hypothesis, None where the recogniser has none."""
        key = (of.turn.name, start, at)
        if key not in self.known:
            self.known[key] = await self._ask(of.audio[start * 2 : at * 2])
        return self.known[key]

    async def _ask(self, audio: bytes) -> TurnHypothesis | None:
        judged: asyncio.Future[TurnHypothesis] = asyncio.get_running_loop().create_future()

        def take(report: RecognitionReport) -> None:
            if isinstance(report, TurnHypothesis) and not judged.done():
                judged.set_result(report)

        request = RecognitionRequest(utterance_id="item", hypotheses=True)
        stream = self.client.recogniser.open(request, take)
        last = max(len(audio) - WINDOW * 2, 0)
        stream.feed(audio[:last])
        # As in a call, all but the newest window has been heard when the pause is told.
        await asyncio.sleep(len(audio) / HZ / 2)
        asked = time.monotonic()
        stream.feed(audio[last:])
        stream.prepare()
        try:
            return await asyncio.wait_for(judged, JUDGEMENT_TIMEOUT_S)
        except TimeoutError:
            return None
        finally:
            self.took_ms.append((time.monotonic() - asked) * 1000)
            stream.close()


class Run:
    """One turn through one session."""

    def __init__(self, of: Played, detection: Detection, judge: Judge) -> None:
        config = fresh_config(session_id="sess_bench", model="gpt-realtime")
        self._machine = Session(config, ids=SequentialIds(), noise=lambda length: "x" * length)
        self._of = of
        self._judge = judge
        self._at = 0
        self._starts: dict[str, int] = {}
        self._asked: tuple[str, int] | None = None
        self._judgement: tuple[int, TurnHypothesis] | None = None
        self.stops: list[int] = []
        self._give(Opened(1))
        chosen = {**detection, "create_response": False, "interrupt_response": False}
        session = {"type": "realtime", "audio": {"input": {"turn_detection": chosen}}}
        event = client_event({"type": "session.update", "session": session})
        self._give(FromClient(1, event))

    def _give(self, given: Input) -> None:
        self._machine.receive(given, self._at * 1000 // HZ)
        for effect in self._machine.effects():
            match effect:
                case fx.Ask():
                    self._give(Allowed(effect.question))
                case fx.OpenRecognition():
                    self._starts[effect.request.utterance_id] = effect.start
                case fx.PrepareRecognition():
                    self._asked = (effect.utterance_id, self._at)
                case fx.AbandonRecognition() | fx.CommitRecognition() | fx.CloseRecognition():
                    self._judgement = None
                case fx.Send(SpeechStopped()):
                    self.stops.append(self._at)
                case _:
                    pass

    async def play(self, *, judges: bool) -> Ending:
        """Play until the turn has ended."""
        for probability in self._of.probabilities:
            self._at = probability.at_sample
            self._give(AudioAppended(WINDOW))
            self._give(probability)
            await self._judged(judges=judges)
            if self.stops and self.stops[-1] >= self._of.end:
                break
        cuts = [at for at in self.stops if at < self._of.end]
        assert len(cuts) < len(self.stops), f"{self._of.turn.name} never ended"
        return Ending(self._of.turn, len(cuts), (self.stops[-1] - self._of.end) * 1000 / HZ)

    async def _judged(self, *, judges: bool) -> None:
        if self._judgement is not None and self._judgement[0] <= self._at:
            (_, hypothesis), self._judgement = self._judgement, None
            self._give(hypothesis)
        asked, self._asked = self._asked, None
        if asked is not None and judges:
            utterance_id, at = asked
            found = await self._judge.judge(self._of, self._starts[utterance_id], at)
            if found is not None:
                known = TurnHypothesis(utterance_id, found.text, found.whole, found.extendable)
                self._judgement = (at + JUDGED_AFTER_MS * HZ // 1000, known)


def summed_up(endings: Sequence[Ending]) -> dict[str, Any]:
    """Return one detection's figures."""

    def delays(*kinds: str) -> list[float]:
        return sorted(e.delay_ms for e in endings if e.turn.kind in kinds)

    cut = Counter(e.turn.kind for e in endings if e.cuts)
    return {
        "command_p50_ms": statistics.median(delays("command")),
        "command_max_ms": delays("command")[-1],
        "open_p50_ms": statistics.median(delays("open")),
        "open_max_ms": delays("open")[-1],
        "all_p50_ms": statistics.median(e.delay_ms for e in endings),
        "all_max_ms": max(e.delay_ms for e in endings),
        "cut": dict(cut),
        "cut_turns": sum(cut.values()),
        "turns": len(endings),
    }


async def measure(*, each: bool = False) -> dict[str, Any]:
    """Return the figures of every detection over the corpus."""
    async with skills() as brain:
        phrases = sorted(await brain.phrases())
    endings: dict[str, list[Ending]] = {}
    async with speech_worker() as client:
        await client.teach(phrases)
        judge = Judge(client)
        audio = [await played(client, turn) for turn in spoken_turns()]
        for name, detection in DETECTIONS.items():
            judges = detection["type"] == "semantic_vad"
            endings[name] = [await Run(of, detection, judge).play(judges=judges) for of in audio]
    if each:
        _print_each(endings, judge)
    figures: dict[str, Any] = {name: summed_up(found) for name, found in endings.items()}
    figures["judged_after_ms_p50"] = statistics.median(judge.took_ms)
    return figures


def _print_each(endings: Mapping[str, Sequence[Ending]], judge: Judge) -> None:
    for (name, start, at), found in judge.known.items():
        print(f"  {name:16} {start / HZ:5.2f} {at / HZ:5.2f} s  {found}")
    for place, turn in enumerate(spoken_turns()):
        told = [f"{found[place].cuts}/{found[place].delay_ms:.0f}" for found in endings.values()]
        print(f"  {turn.name:16} {' '.join(f'{t:>8}' for t in told)}  {turn.text}")


async def first_audio(url: str, key: str, *, times: int) -> dict[str, float]:
    """Return the median ms from the last sound of a command to the answer's first audio."""
    commands = [turn for turn in spoken_turns() if turn.kind == "command"][:times]
    found = {}
    for name, detection in DETECTIONS.items():
        taken = [
            await turns.turn(url, key, sound(command), detection=detection) for command in commands
        ]
        found[name] = statistics.median(taken)
    return found
