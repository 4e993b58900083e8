"""One case: a session in virtual time, what its client does, and the laws after each step."""

from __future__ import annotations

import json
import random
import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal, cast

import orjson

from gateway.identity.principal import Principal
from gateway.ingress.websocket import reading
from gateway.ingress.websocket.protocol import FramedWebSocket
from gateway.ingress.websocket.reading import Reading
from gateway.limits.memory import MemoryRateLimits
from gateway.recording.recorder import SessionOpened, SessionRecorder
from gateway.services import Services
from gateway.sessions import runner as shell
from gateway.sessions.admission import Allowed, Denied, Verdict
from gateway.sessions.dialects import DialectName
from gateway.sessions.directory import Directory
from gateway.sessions.opening import OpenedSession, fresh_session
from gateway.sessions.projection import Projection
from gateway.settings import Settings
from gateway.tools.session import Tools
from realtime.engine import Volunteered
from realtime.ids import ID_LENGTH
from realtime.prompts import PromptTemplate
from realtime.session.inputs import EndReason, Narrowed, Opened
from tests.fuzz.engine import DELAYS_S, Parts, Script
from tests.fuzz.laws import UNNAMED, Broken, Laws, Shapes
from tests.fuzz.loop import VirtualLoop, running
from tests.fuzz.tools import ScriptedTools

SETTINGS = Settings(speech=False, skills=False)
AUDIO = '{"type":"response.output_audio.delta"'
KNOWN = {"item_id", "response_id", "call_id", "id"}
MOST_PAUSE_S = 120.0
QUIET_S = 40.0
"""Longer than any delay of the engine and any idle timeout."""

Kind = Literal["realtime", "reasoning", "transcription"]


@dataclass(frozen=True)
class Step:
    """What happens next: a frame, a pause, words of the engine's own, tools taken away."""

    does: Literal["frame", "wait", "volunteer", "narrow"]
    frame: str | bytes = ""
    seconds: float = 0.0
    mutated: bool = False

    def __str__(self) -> str:
        if self.does == "frame":
            shown = (
                self.frame
                if len(self.frame) < 600
                else f"{self.frame[:160]!r}… ({len(self.frame)})"
            )
            return f"{'mutated' if self.mutated else 'valid  '} {shown!r}"
        return f"{self.does} {self.seconds}"


class Ids:
    """Ids in sequence, that no client can know before it is told them."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_Server{self._count:0{ID_LENGTH - 6}d}"


class _Log:
    """Takes what the last lines of defence catch, so that no fault of ours is survived."""

    def __init__(self) -> None:
        self._caught: Broken | None = None

    def exception(self, _event: str, **_about: object) -> None:
        error = sys.exc_info()[1]
        if self._caught is None:
            known = isinstance(error, Broken)
            self._caught = error if known else Broken("exception", traceback.format_exc())

    def check(self) -> None:
        if self._caught is not None:
            raise self._caught

    def __getattr__(self, _name: str) -> Callable[..., object]:
        return lambda *_args, **_about: self


class _Connection:
    """A socket's reading side."""

    def __init__(self) -> None:
        self.paused = False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


class _Admission:
    """Answers at once or later, and refuses now and then."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def _verdict(self) -> Verdict:
        return Denied("fuzzed", "Try again.", "d1") if self._script.happens(0.03) else Allowed()

    def admit_nowait(self, action: str, facts: Mapping[str, Any]) -> Verdict | None:
        return None if self._script.happens(0.3) else self._verdict()

    async def admit(self, action: str, facts: Mapping[str, Any]) -> Verdict:
        return self._verdict()


class _Prompts:
    """Knows every prompt, or none."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def find(self, *_: object) -> PromptTemplate | None:
        if self._script.happens(0.5):
            return None
        return PromptTemplate(instructions="Be {{who}}.", voice="marin", variables={"who": "it"})


class _Tap:
    """A client's view, before which each frame is held to the laws as the GA frame it was."""

    audio = True

    def __init__(self, view: Projection, look: Callable[[str], None]) -> None:
        self.dialect = view.dialect
        self._view, self._look = view, look

    def frames(self, text: str) -> Sequence[str]:
        self._look(text)
        made = self._view.frames(text)
        for frame in made:
            event = orjson.loads(frame)
            if not {"type", "event_id"} <= event.keys() or UNNAMED in frame:
                raise Broken("form", f"no event for a client: {frame[:300]}")
        return made


class Session:
    """A live session and what it sent."""

    projection: _Tap

    def __init__(self, seed: str, shapes: Shapes, loop: VirtualLoop) -> None:
        self.chance = random.Random(seed)
        self.loop = loop
        self.script = Script(self.loop, random.Random(seed + ":engine"))
        self.laws = Laws(shapes)
        self.known: list[str] = []
        self.spoken: list[str] = []
        """Items that the server made."""
        self.closed: tuple[int, str] | None = None
        self._log = _Log()
        shell._log = reading._log = self._log  # type: ignore[attr-defined]
        self.kind: Kind = self.chance.choice(
            ("realtime", "realtime", "realtime", "reasoning", "transcription")
        )
        self.connection = _Connection()
        self._opened = self._open()
        self._opened.log = cast("Any", self._log)
        self.dialect: DialectName = "beta" if self.chance.random() < 0.15 else "ga"
        self._runner = self._opened.start(self._spawn, dialect=self.dialect)
        self._runner._tools = cast("Any", ScriptedTools(self.script, self._runner.post))
        self.projection = _Tap(self._opened.projection, self._look)
        controller = self._runner.controllers.add(self)
        self._reading = Reading(
            self._opened, controller, cast("FramedWebSocket", self.connection),
            lag_ms=SETTINGS.detection_lag_ms, dialect=self.projection.dialect,
        )  # fmt: skip
        self._runner.post(Opened(controller))

    def _open(self) -> OpenedSession:
        chance, script = self.chance, self.script
        speaks, listens = chance.random() < 0.95, chance.random() < 0.95
        engine = Parts(script).engine(
            listens=listens, speaks=speaks, needs_transcript=chance.random() < 0.6
        )
        self.tight = chance.random() < 0.1
        services = SimpleNamespace(
            settings=SETTINGS,
            ids=Ids(),
            admission=_Admission(script),
            limits=MemoryRateLimits(
                requests_per_minute=5 if self.tight else 1_000_000,
                tokens_per_minute=3_000 if self.tight else 10**12,
                monotonic_s=self.loop.time,
            ),
            directory=Directory(),
            prompts=_Prompts(script),
            tools=Tools([], allowed_origins=[]),
        )
        config = fresh_session(
            "transcription" if self.kind == "transcription" else "realtime",
            session_id=services.ids("sess"),
            model="gpt-realtime-2" if self.kind == "reasoning" else "gpt-realtime",
            expires_at=1_800_000_000,
            engine=engine,
        )
        opened = SessionOpened(
            session_id=config.id, organisation_id="org-1", project_id="proj_1", key_id="key_1",
            client_secret_id=None, engine="scripted", model="gpt-realtime", started_at=1,
        )  # fmt: skip
        recorder = SessionRecorder(opened, cast("Any", SimpleNamespace(put=lambda row: None)))
        principal = Principal(
            kind="api_key", organisation_id="org-1", project_id="proj_1", key_id="key_1"
        )
        return OpenedSession(cast("Services", services), principal, config, engine, recorder)

    def _spawn(self, made: Coroutine[Any, Any, None]) -> None:
        delay_s = 0.0 if self.script.calm else self.script.chance.choice(DELAYS_S)
        self.loop.spawn(made, delay_s)

    # --- the client's end ---

    def send(self, text: str) -> None:
        """Take a frame in the client's own dialect; audio comes past the view."""
        if text.startswith(AUDIO):
            self._look(text)

    def _look(self, text: str) -> None:
        event = self.laws.take(text)
        if event["type"] == "response.output_item.added":
            self.spoken.append(event["item"]["id"])
        for key, value in _ids(event):
            if key in KNOWN:
                self.known.append(value)

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    # --- what happens ---

    def do(self, step: Step) -> None:
        """Take a step, and hold the laws."""
        if step.does == "frame":
            self._frame(step.frame)
        elif step.does == "wait":
            self.loop.run_for(step.seconds)
        elif step.does == "volunteer":
            self._runner.post(Volunteered("The timer rings."))
        else:
            self._runner.post(Narrowed(frozenset({"look"})))
        self.check()

    def _frame(self, frame: str | bytes) -> None:
        waited = 0.0
        while self.connection.paused:
            self.loop.run_for(0.1)
            waited += 0.1
            if waited > MOST_PAUSE_S:
                raise Broken("stuck", "the socket is not read any more")
        self.laws.ask(frame)
        self._reading.take(frame)

    def check(self) -> None:
        """No fault of ours was caught, and nobody ended the session."""
        self._log.check()
        if self.closed is not None:
            raise Broken("closed", f"{self.closed}")

    def settle(self) -> None:
        """Let everything come to its end; what waits for ever is cancelled by the client."""
        self.script.calm = True
        self.frame(type="session.update", event_id="f:calm", session=self._without_turns())
        self.loop.run_for(QUIET_S)
        for number, response_id in enumerate(list(self.laws.live)):
            event_id = f"f:cancel{number}"
            self.frame(type="response.cancel", event_id=event_id, response_id=response_id)
        self.loop.run_for(QUIET_S)
        self.check()
        self.laws.settled()

    def _without_turns(self) -> dict[str, Any]:
        if self.dialect == "beta" and self.kind != "transcription":
            return {"turn_detection": None}
        kind = "transcription" if self.kind == "transcription" else "realtime"
        return {"type": kind, "audio": {"input": {"turn_detection": None}}}

    def frame(self, **event: Any) -> None:
        """Send a valid frame."""
        self._frame(json.dumps(event))
        self.check()

    def probe(self) -> None:
        """A plain conversation works, whatever came before."""
        self.loop.run_for(2 * QUIET_S)
        if self.dialect == "beta":
            self._probe_beta()
        elif self.kind == "transcription":
            self._probe_transcription()
        else:
            self._probe_conversation()
        self.check()
        self.laws.settled()

    def _probe_conversation(self) -> None:
        counts = dict(self.laws.counts)
        audio = {"input": {"turn_detection": None}}
        session = {"type": "realtime", "output_modalities": ["text"], "tools": [], "audio": audio}
        plain = {"instructions": "", "tool_choice": "auto", "max_output_tokens": "inf"}
        self.frame(type="session.update", event_id="f:probe1", session={**session, **plain})
        content = [{"type": "input_text", "text": "hello"}]
        item = {"type": "message", "role": "user", "content": content}
        self.frame(type="conversation.item.create", event_id="f:probe2", item=item)
        response = {"input": [item], "metadata": {"probe": "1"}}
        self.frame(type="response.create", event_id="f:probe3", response=response)
        self.loop.run_for(QUIET_S)
        self._expect(counts, "session.updated", "conversation.item.done", "response.done")

    def _probe_transcription(self) -> None:
        counts = dict(self.laws.counts)
        audio = {"input": {"turn_detection": None, "format": {"type": "audio/pcm", "rate": 24_000},
                           "transcription": {"model": "gpt-4o-transcribe"}}}  # fmt: skip
        session = {"type": "transcription", "audio": audio}
        self.frame(type="session.update", event_id="f:probe1", session=session)
        self.frame(type="input_audio_buffer.clear", event_id="f:probe2")
        self.frame(type="input_audio_buffer.append", audio="AAAA" * 2_400)
        self.frame(type="input_audio_buffer.commit", event_id="f:probe3")
        self.loop.run_for(QUIET_S)
        self._expect(
            counts, "session.updated", "input_audio_buffer.committed", "conversation.item.done"
        )

    def _probe_beta(self) -> None:
        counts = dict(self.laws.counts)
        self.frame(type="input_audio_buffer.clear", event_id="f:probe1")
        if self.kind != "transcription":
            session = {"modalities": ["text"], "turn_detection": None, "tools": []}
            self.frame(type="session.update", event_id="f:probe2", session=session)
            self.frame(type="response.create", event_id="f:probe3")
            self.loop.run_for(QUIET_S)
            self._expect(counts, "session.updated", "response.done")
        self._expect(counts, "input_audio_buffer.cleared")

    def _expect(self, before: Mapping[str, int], *kinds: str) -> None:
        for kind in kinds:
            if self.laws.counts.get(kind, 0) <= before.get(kind, 0):
                faults = {k: v for k, v in self.laws.faults.items() if str(k).startswith("f:probe")}
                raise Broken("stuck", f"the probe got no {kind}; {faults}")

    def end(self) -> None:
        """The client leaves; nothing is owed afterwards."""
        self._runner.shutdown(EndReason.CLIENT_CLOSED, code=1000)
        self._reading.close()
        self._log.check()
        if self.laws.live:
            raise Broken("responses", f"without their done at the end: {list(self.laws.live)}")


def _ids(value: Any) -> list[tuple[str, str]]:
    found = []
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            for key, inner in part.items():
                if isinstance(inner, str):
                    found.append((key, inner))
                else:
                    waiting.append(inner)
        elif isinstance(part, list):
            waiting.extend(part)
    return found


class Failed(Exception):
    """A case that breaks a law, with its steps up to there."""

    def __init__(self, seed: str, steps: list[Step], wrong: Broken) -> None:
        super().__init__(str(wrong))
        self.seed, self.steps, self.wrong = seed, steps, wrong


def play(
    seed: str, shapes: Shapes, next_step: Callable[[Session], Step | None]
) -> tuple[Session, list[Step]]:
    """Play a case to its end; return the session and the steps it took.

    Raises:
        Failed: a law does not hold.
    """
    steps: list[Step] = []
    loop = VirtualLoop()
    with running(loop):
        try:
            session = Session(seed, shapes, loop)
            while (step := next_step(session)) is not None:
                steps.append(step)
                session.do(step)
            session.settle()
            session.probe()
            session.end()
        except Broken as wrong:
            raise Failed(seed, steps, wrong) from wrong
        except Exception as error:
            wrong = Broken("exception", traceback.format_exc())
            raise Failed(seed, steps, wrong) from error
    return session, steps
