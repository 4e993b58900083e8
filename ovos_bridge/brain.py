"""OVOS skills as the brain of a session (`realtime.ports.Brain`)."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ovos_bridge import languages, sessions
from ovos_bridge.bus import Bus
from ovos_bridge.conversation import Conversation
from ovos_bridge.readiness import Readiness, SkillsState
from ovos_bridge.runs import UNAVAILABLE, Patience, SkillsRun
from realtime.engine import BrainReport, BrainRequest, SessionFacts, Volunteered

MAX_TURNS = 32
"""Utterances inside core at one time; its throughput does not grow beyond that."""


class SkillsBrain:
    """Answers by the skills of the OVOS at a bus address.

    Run `run` in a task for as long as the brain is used. One instance serves all
    sessions; what is asked while the skills are not ready fails at once.
    """

    def __init__(
        self,
        url: str,
        *,
        patience: Patience | None = None,
        max_turns: int = MAX_TURNS,
        on_state: Callable[[SkillsState], None] | None = None,
        alone: bool = True,
    ) -> None:
        """`on_state` is told of each change of readiness.

        Not `alone`, somebody else answers what no skill understands: core's
        fallbacks are not asked, and such a run fails with `runs.UNMATCHED`.
        """
        self.alone = alone
        self.patience = patience or Patience()
        prefix = f"ve-{secrets.token_hex(4)}-"
        self.bus = Bus(url, prefix=prefix)
        self.readiness = Readiness(self.bus, on_state=on_state)
        self._max_turns = max_turns
        self._running: set[SkillsRun] = set()
        self._waiting: deque[tuple[SkillsRun, Callable[[SkillsRun], bool]]] = deque()
        self._opened = 0

    @property
    def ready(self) -> bool:
        """True while skills answer."""
        return self.readiness.state.ready

    @property
    def state(self) -> SkillsState:
        """What to tell `/readyz`."""
        return self.readiness.state

    async def run(self) -> None:
        """Keep the connection and the readiness, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.bus.run())
            tasks.create_task(self.readiness.run())

    async def probe(self) -> dict[str, Any]:
        """Ask a real question; raise `BusUnavailable` or `TimeoutError` when it is not answered."""
        await self.readiness.ask()
        return self.state.facts()

    async def phrases(self, limit: int = 5_000) -> Sequence[str]:
        """Return what the loaded skills understand, for a recogniser's grammar."""
        return await self.readiness.phrases(limit)

    def core_lost(self) -> None:
        """The process behind the bus has died, as its supervisor knows: turns fail now."""
        self.readiness.core_lost()

    # --- Brain ---

    def open(
        self,
        facts: SessionFacts,
        volunteer: Callable[[Volunteered], None] | None = None,
        *,
        alone: bool | None = None,
    ) -> SkillsSession:
        """Serve a session; `volunteer` gets what skills say without being asked."""
        self._opened += 1
        ovos_id = f"{self.bus.prefix}{self._opened}-{facts.session_id}"
        alone = self.alone if alone is None else alone
        return SkillsSession(self, facts, ovos_id, volunteer, alone=alone)

    def answering(self, *, alone: bool) -> SkillsBeside:
        """Return the same skills, answering alone or before somebody else."""
        return SkillsBeside(self, alone=alone)

    # --- turns, at most `max_turns` at a time, the others in order of arrival ---

    def core_facts(self, *, alone: bool) -> tuple[tuple[str, ...], frozenset[str]]:
        """Return core's pipeline and the skills that converse."""
        pipeline = self.readiness.pipeline
        if not alone:
            pipeline = tuple(sessions.without_fallbacks(pipeline))
        return pipeline, self.readiness.conversational

    def start(self, run: SkillsRun, send: Callable[[SkillsRun], bool]) -> None:
        """Send a run's words when there is room."""
        if not self.ready:
            run.fail(UNAVAILABLE)
            return
        self._waiting.append((run, send))
        self._fill()

    def stop(self, run: SkillsRun) -> None:
        """A run has ended; the next one has room."""
        self._running.discard(run)
        if self._waiting:
            self._waiting = deque(entry for entry in self._waiting if entry[0] is not run)
        self._fill()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._max_turns:
            run, send = self._waiting.popleft()
            self._running.add(run)
            if not self.ready or not send(run):
                run.fail(UNAVAILABLE)
        self.readiness.busy(bool(self._running))


class SkillsBeside:
    """One bus's skills as a brain of their own, for a model that holds another word of `alone`."""

    def __init__(self, brain: SkillsBrain, *, alone: bool) -> None:
        self._brain = brain
        self._alone = alone

    def open(
        self, facts: SessionFacts, volunteer: Callable[[Volunteered], None] | None = None
    ) -> SkillsSession:
        """Serve a session."""
        return self._brain.open(facts, volunteer, alone=self._alone)


class SkillsSession:
    """One caller's skills (`realtime.ports.BrainSession`)."""

    def __init__(
        self,
        brain: SkillsBrain,
        facts: SessionFacts,
        ovos_id: str,
        volunteer: Callable[[Volunteered], None] | None,
        *,
        alone: bool,
    ) -> None:
        self._brain = brain
        self._alone = alone
        self._language = languages.full_tag(facts.language)
        self._timezone = facts.timezone
        self._blocked = facts.blocked_skills
        self._ovos_id = ovos_id
        self._asides = 0
        self._talk = self._conversation(ovos_id, volunteer)
        self._runs: dict[SkillsRun, _Place] = {}

    def prepare(self, request: BrainRequest, sink: Callable[[BrainReport], None]) -> SkillsRun:
        """Begin an answer; nothing reaches core before `commit`."""
        place = _Place(self, aside=not request.in_conversation)
        run = SkillsRun(request, sink, place, self._brain.patience, alone=self._alone)
        self._runs[run] = place
        return run

    def playback(self, *, playing: bool) -> None:
        """The caller began or stopped hearing the answer."""
        self._talk.playback(playing=playing)

    def close(self) -> None:
        """The session is over."""
        for run in tuple(self._runs):
            run.cancel()
        self._talk.close()

    def _conversation(
        self, ovos_id: str, volunteer: Callable[[Volunteered], None] | None = None
    ) -> Conversation:
        session = sessions.fresh(
            ovos_id,
            language=self._language,
            timezone=self._timezone,
            blocked_skills=self._blocked,
        )
        facts = partial(self._brain.core_facts, alone=self._alone)
        return Conversation(self._brain.bus, session, facts=facts, volunteer=volunteer)

    def _aside(self) -> Conversation:
        self._asides += 1
        return self._conversation(f"{self._ovos_id}-aside{self._asides}")


class _Place:
    """Where a run's words go: the caller's conversation, or one that is thrown away."""

    def __init__(self, session: SkillsSession, *, aside: bool) -> None:
        self._session = session
        self._is_aside = aside
        self._talk = None if aside else session._talk

    @property
    def asked(self) -> bool:
        return self._talk is not None and self._talk.asked

    def start(self, run: SkillsRun) -> None:
        if self._talk is None:
            self._talk = self._session._aside()
        self._session._brain.start(run, self._send)

    def _send(self, run: SkillsRun) -> bool:
        spoken = run.request.spoken and not self._is_aside
        named = run.request.language
        language = languages.full_tag(named) if named else self._session._language
        return self._talk is not None and self._talk.say(
            run.words, run, language=language, spoken=spoken
        )

    def stop(self, run: SkillsRun) -> None:
        self._session._runs.pop(run, None)
        if self._talk is not None:
            self._talk.drop(run, cut_off=run.cut_off)
            if self._is_aside:
                self._talk.close()
        self._session._brain.stop(run)
