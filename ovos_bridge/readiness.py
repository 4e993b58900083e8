"""Whether skills really answer: loaded, trained, and a question put to the proof.

Core says "ready" early. Utterances that arrive while it trains are lost, and may
crash it, so a probe is sent only when no training is under way. Afterwards core is
asked now and then whether it lives: a hub that stays up hides the death of core.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from ovos_bridge import grammar, messages
from ovos_bridge.bus import Bus, BusUnavailable
from ovos_bridge.launch.presence import CORE_GONE
from ovos_bridge.messages import HANDLED, UTTERANCE, BusMessage

PROBE_UTTERANCE = "what time is it"
PROBE_TIMEOUT_S = 5.0
POLL_S = 0.25
REPLY_TIMEOUT_S = 2.0
TRAINING_TIMEOUT_S = 300.0
SETTLE_S = 1.0
"""A foreign core that became ready before our eyes may begin to train again just then."""

PONG_WAIT_S = 0.6
ALIVE_IDLE_S = 5.0
ALIVE_BUSY_S = 1.0

Stage: TypeAlias = Literal["connecting", "loading", "training", "probing", "ready"]


@dataclass(frozen=True, slots=True)
class SkillsState:
    """How far the skills are."""

    stage: Stage = "connecting"
    skills: tuple[str, ...] = field(default=())
    pipeline: tuple[str, ...] = field(default=())

    @property
    def ready(self) -> bool:
        """True once a probe was answered and nothing died since."""
        return self.stage == "ready"

    def facts(self) -> dict[str, Any]:
        """Return what `/readyz` and `doctor` show."""
        return {"stage": self.stage, "skills": list(self.skills)}

    def sentence(self) -> str:
        """Say in a sentence how far the skills are."""
        return {
            "connecting": "The skills are not running.",
            "loading": "The skills are still loading.",
            "training": "The skills are still learning their phrases.",
            "probing": "The skills are nearly ready.",
            "ready": "The skills are ready.",
        }[self.stage]


class _Again(Exception):
    """What was found out no longer holds: begin anew."""


class Readiness:
    """Finds out, and goes on watching."""

    def __init__(self, bus: Bus, *, on_state: Callable[[SkillsState], None] | None = None) -> None:
        self.state = SkillsState()
        self.pipeline: tuple[str, ...] = ()
        self.conversational: frozenset[str] = frozenset()
        self._busy = False
        self._bus = bus
        self._on_state = on_state
        self._training = False
        self._lost = False
        self._changed = asyncio.Event()
        self._nudge = asyncio.Event()
        self._probes = 0
        bus.watch_connection(self._connection)
        bus.watch(messages.TRAIN, lambda _message: self._trains(True))
        bus.watch(messages.TRAINED, lambda _message: self._trains(False))
        bus.watch(messages.INITIALIZED, lambda _message: self._changed.set())
        bus.watch(messages.CONVERSE_PONG, self._pong)
        bus.watch(CORE_GONE, lambda _message: self.core_lost())

    def busy(self, busy: bool) -> None:
        """Turns are under way (or none is any more): look after core more often."""
        if busy and not self._busy:
            self._nudge.set()
        self._busy = busy

    def core_lost(self) -> None:
        """Core has died: every turn fails, and readiness begins anew."""
        self._lose()
        self._show("connecting" if not self._bus.connected else "loading")
        self._bus.abandon()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self._become_ready()
                await self._stay_ready()
            except (TimeoutError, BusUnavailable, _Again):
                if self.state.ready:
                    self.core_lost()
                await asyncio.sleep(POLL_S)

    async def ask(self) -> BusMessage:
        """Put a question in a session of its own and wait until it is handled."""
        self._probes += 1
        session_id = f"{self._bus.prefix}probe{self._probes}"
        listener = _Probe(asyncio.get_running_loop().create_future())
        self._bus.listen(session_id, listener)
        session = {"session_id": session_id, "lang": "en-US"}
        context = {"session": session, "source": "gateway", "destination": ["skills"]}
        data = {"utterances": [PROBE_UTTERANCE], "lang": "en-US"}
        try:
            if not self._bus.send(BusMessage(UTTERANCE, data, context)):
                raise BusUnavailable("no bus")
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                return await listener.handled
        finally:
            self._bus.unlisten(session_id)

    async def phrases(self, limit: int) -> Sequence[str]:
        """Return phrases of the loaded skills' intents, at most `limit`."""
        return await grammar.collect(self._bus, limit=limit, timeout_s=REPLY_TIMEOUT_S)

    # --- on the way ---

    async def _become_ready(self) -> None:
        self._lost = False
        self._show("loading" if self._bus.connected else "connecting")
        witnessed = await self._loaded()
        await self._trained()
        if witnessed:
            await asyncio.sleep(SETTLE_S)
            await self._trained()
        self._show("probing")
        handled = await self.ask()
        pipeline = handled.session.get("pipeline")
        self.pipeline = tuple(pipeline) if isinstance(pipeline, list) else ()
        skills = await self._skills()
        await self._learn_who_converses(skills)
        if self._lost or not self._bus.connected:
            raise _Again
        self.state = replace(self.state, skills=skills, pipeline=self.pipeline)
        self._show("ready")

    async def _loaded(self) -> bool:
        """Wait until core says that it is ready; return whether it was not at first."""
        witnessed = False
        while True:
            with contextlib.suppress(TimeoutError):
                reply = await self._bus.request(
                    messages.READY, f"{messages.READY}.response", timeout_s=REPLY_TIMEOUT_S
                )
                if reply.data.get("status") is True:
                    # Our own core trains before it says so and then says this, too.
                    return witnessed and not self._changed.is_set()
            witnessed = True
            self._show("training" if self._training else "loading")
            await asyncio.sleep(POLL_S)

    async def _trained(self) -> None:
        async with asyncio.timeout(TRAINING_TIMEOUT_S):
            while self._training:
                self._show("training")
                await asyncio.sleep(POLL_S)
                if not self._bus.connected:
                    raise BusUnavailable("lost")

    async def _skills(self) -> tuple[str, ...]:
        reply = await self._bus.request(
            messages.SKILL_LIST, messages.SKILL_LIST_REPLY, timeout_s=REPLY_TIMEOUT_S
        )
        loaded = (
            name
            for name, facts in reply.data.items()
            if isinstance(facts, dict) and facts.get("active")
        )
        return tuple(sorted(loaded))

    async def _learn_who_converses(self, skills: Sequence[str]) -> None:
        self.conversational = frozenset()
        for skill in skills:
            self._bus.send(
                BusMessage(f"{skill}.converse.ping", {"skill_id": skill}, self._bus.context())
            )
        await asyncio.sleep(PONG_WAIT_S)

    async def _stay_ready(self) -> None:
        """Return never; raise when core is gone or has begun anew."""
        misses = 0
        while True:
            self._nudge.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ALIVE_BUSY_S if self._busy else ALIVE_IDLE_S):
                    await self._nudge.wait()
            if self._lost:
                raise _Again
            try:
                await self._bus.request(
                    messages.ALIVE, f"{messages.ALIVE}.response", timeout_s=REPLY_TIMEOUT_S
                )
                misses = 0
            except TimeoutError:
                misses += 1
                if misses > 1:
                    raise

    # --- told by the bus ---

    def _connection(self, connected: bool) -> None:
        self._training = False
        self._changed.clear()
        if not connected:
            self._lose()
            self._show("connecting")

    def _trains(self, training: bool) -> None:
        self._training = training
        if training and self.state.ready:
            # A new core trains, or a skill was added: answers stop until it is done.
            self._lose()

    def _lose(self) -> None:
        self._lost = True
        self._nudge.set()

    def _pong(self, message: BusMessage) -> None:
        skill = message.data.get("skill_id")
        if isinstance(skill, str):
            self.conversational |= {skill}

    def _show(self, stage: Stage) -> None:
        if stage != self.state.stage:
            self.state = replace(self.state, stage=stage)
            if self._on_state is not None:
                self._on_state(self.state)


class _Probe:
    """Listens for the end of the probe's answer."""

    def __init__(self, handled: asyncio.Future[BusMessage]) -> None:
        self.handled = handled

    def received(self, message: BusMessage) -> None:
        if message.type == HANDLED and not self.handled.done():
            self.handled.set_result(message)

    def lost(self) -> None:
        if not self.handled.done():
            self.handled.set_exception(BusUnavailable("lost"))
