"""Opens a session for a principal: configuration, machine, runner, record."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from gateway.engines.engine import Engine
from gateway.engines.registry import context_tokens
from gateway.identity.principal import Principal
from gateway.limits.port import RateLimited
from gateway.recording.recorder import SessionRecorder
from gateway.services import Services
from gateway.sessions.admission import Allowed, both, permitted
from gateway.sessions.admitted import AdmittedSession, open_record, owner_of
from gateway.sessions.allowance import Allowance
from gateway.sessions.configuring import Configuring
from gateway.sessions.dialects import DialectName
from gateway.sessions.leg import MediaLeg
from gateway.sessions.locale import ANY_LOCALE, Locale
from gateway.sessions.prompting import ProjectPrompts
from gateway.sessions.relay_opening import OpenedRelay, open_relay
from gateway.sessions.runner import SessionRunner
from gateway.telemetry import metrics
from realtime.engine import SessionFacts
from realtime.errors import ServerFault
from realtime.session.config import (
    AnySessionConfig,
    SessionConfig,
    TranscriptionSessionConfig,
)
from realtime.session.inputs import SessionLimits
from realtime.session.machine import Session

_NOISE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SHIFT = {byte: ord(_NOISE[byte % len(_NOISE)]) for byte in range(256)}


def noise(length: int) -> str:
    """Return random padding for text deltas (`obfuscation`)."""
    return secrets.token_bytes(length).decode("latin-1").translate(_SHIFT)


SessionKind = Literal["realtime", "transcription"]


def _nothing() -> None:
    """There is nothing to do."""


def fresh_session(
    kind: SessionKind, *, session_id: str, model: str, expires_at: int, engine: Engine
) -> AnySessionConfig:
    """Return what a kind of session begins with, before anybody asks for anything."""
    if kind == "transcription":
        return TranscriptionSessionConfig(id=session_id, expires_at=expires_at)
    return engine.fresh_config(session_id=session_id, model=model, expires_at=expires_at)


def blocked_skills(everywhere: Sequence[str], verdict: Allowed) -> tuple[str, ...]:
    """Return the skills that a session may not reach, by the settings and by policy."""
    obliged = verdict.obligations.get("blocked_skills", ())
    return tuple(dict.fromkeys((*everywhere, *obliged)))


class OpenedSession(AdmittedSession):
    """A session of our own machine."""

    runner: SessionRunner

    def __init__(
        self,
        services: Services,
        principal: Principal,
        config: AnySessionConfig,
        engine: Engine,
        recorder: SessionRecorder,
        *,
        locale: Locale = ANY_LOCALE,
        blocked_skills: tuple[str, ...] = (),
    ) -> None:
        super().__init__(
            services, principal, session_id=config.id, model=config.model, recorder=recorder
        )
        self._locale = locale
        self._blocked_skills = blocked_skills
        self._engine = engine
        self.config = config

    def start(
        self,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        *,
        dialect: DialectName,
        leg: MediaLeg | None = None,
        transport: str = "websocket",
    ) -> SessionRunner:
        """Build the machine, its runner and the client's view; tasks it needs are `spawn`ed."""
        services, settings = self._services, self._services.settings
        loop, terms = asyncio.get_running_loop(), self._engine.terms
        limits = SessionLimits(
            max_duration_ms=(terms.session_minutes or settings.session_max_minutes) * 60_000,
            speech_start_ms=settings.speech_start_ms,
            first_audio_ms=settings.output_first_ms,
            pace=settings.output_pace,
            context_tokens=terms.context_tokens or context_tokens(self.config.model),
            import_ms=int(settings.mcp_import_timeout_s * 1000),
            tool_call_ms=int(settings.mcp_call_timeout_s * 1000),
            tool_call_most_ms=int(settings.mcp_call_most_s * 1000),
            offered_tools=settings.most_offered_tools,
            tool_rounds=settings.tool_rounds,
        )
        whose = {"project_id": self._principal.project_id, "model": self.config.model}
        traits = replace(
            self._engine.traits(self._locale.language),
            tools=services.tools.offered(**whose, skills=terms.skills_tool),
            actions=services.tools.actions.offered(**whose),
            actions_only=services.tools.actions.only,
        )
        if "tools" not in terms.features:
            traits = replace(traits, tools=(), actions=())
        machine = Session(
            self.config,
            ids=services.ids,
            noise=noise,
            limits=limits,
            traits=traits,
            opened_ms=int(loop.time() * 1000),
            has_leg=leg is not None,
        )
        self.runner = SessionRunner(
            machine,
            self._engine,
            facts=self._facts(),
            admission=services.admission,
            allowance=Allowance(services.limits, owner_of(self._principal, self.config.model)),
            principal_facts=self._principal.facts(),
            observer=self.observer,
            spawn=spawn,
            tools=services.tools,
            prompts=ProjectPrompts(services.prompts, self._principal.project_id),
            input_ring_bytes=settings.input_ring_bytes,
            item_audio_bytes=settings.item_audio_bytes,
            leg=leg,
        )
        talks = self.config.type == "realtime"
        self._begin(dialect, machine.conversation_id if talks else None, transport)
        return self.runner

    def _facts(self) -> SessionFacts:
        settings = self._services.settings
        config = self.config
        return SessionFacts(
            session_id=config.id,
            language=self._locale.language or settings.language,
            timezone=self._locale.timezone or settings.timezone,
            instructions=config.instructions if isinstance(config, SessionConfig) else "",
            blocked_skills=self._blocked_skills,
        )


AnyConversation: TypeAlias = OpenedSession | OpenedRelay
"""A conversation, whoever holds it; a call does not ask."""


def count_connection(services: Services, principal: Principal, model: str) -> None:
    """Count a connection to a session of a model as a request.

    Raises:
        RateLimited: too many requests.
    """
    try:
        services.limits.take(owner_of(principal, model), requests=1)
    except RateLimited as fault:
        metrics.RATE_LIMITED.labels("connect", fault.resource).inc()
        raise


async def admit_session(
    services: Services,
    principal: Principal,
    *,
    kind: str,
    model: str,
    meanwhile: Callable[[], None] = _nothing,
) -> Allowed:
    """Count a connection and ask admission; if it must be waited for, `meanwhile` comes first.

    Raises:
        Draining: the process is about to stop.
        RateLimited: too many requests.
        WireFault: policy refused.
    """
    services.directory.check_open()
    count_connection(services, principal, model)
    facts = {**principal.facts(), "session_type": kind, "model": model}
    return await permitted(services.admission, "realtime.connect", facts, meanwhile=meanwhile)


async def open_session(
    services: Services,
    principal: Principal,
    *,
    kind: SessionKind,
    model: str,
    engine: Engine,
    locale: Locale = ANY_LOCALE,
    wake_word: str | None = None,
    safety_identifier: str = "",
    leave: Allowed | None = None,
    meanwhile: Callable[[], None] = _nothing,
) -> AnyConversation:
    """Admit and prepare a session; `model` is empty where only transcription was asked for.

    `leave` is what policy said to the way in, beside what it says to the session. `meanwhile`
    is what the caller has to do while others are waited for, the sooner the better; it may be
    called several times, or not at all.

    Raises:
        RateLimited: too many requests.
        ServerFault: a relayed endpoint cannot be used.
        TooManySessions: the model has no place left for the project.
        WireFault: policy refused, or a bound configuration does not fit.
    """
    usual = services.settings.wake_word
    engine = engine.woken_by(wake_word or (usual if usual in engine.wake_words else None))
    verdict = await admit_session(services, principal, kind=kind, model=model, meanwhile=meanwhile)
    verdict = verdict if leave is None else both(leave, verdict)
    services.directory.enter(principal.project_id, model, engine.terms.most_sessions)
    try:
        opened = await _opened(
            services,
            principal,
            verdict,
            kind=kind,
            model=model,
            engine=engine,
            locale=locale,
            safety_identifier=safety_identifier,
            meanwhile=meanwhile,
        )
    except BaseException:
        services.directory.leave(principal.project_id, model)
        raise
    opened.withheld = verdict.withheld_tools
    return opened


async def _opened(
    services: Services,
    principal: Principal,
    verdict: Allowed,
    *,
    kind: SessionKind,
    model: str,
    engine: Engine,
    locale: Locale,
    safety_identifier: str,
    meanwhile: Callable[[], None],
) -> AnyConversation:
    stands_in = False
    while engine.relay is not None:
        try:
            return await open_relay(
                services,
                principal,
                model=model,
                engine=engine,
                safety_identifier=safety_identifier,
                meanwhile=meanwhile,
            )
        except ServerFault:
            if engine.fallback is None:
                raise
            metrics.FALLBACKS.inc()
            engine, stands_in = engine.fallback, True
    meanwhile()
    now_s = int(time.time())
    minutes = engine.terms.session_minutes or services.settings.session_max_minutes
    fresh = fresh_session(
        kind,
        session_id=services.ids("sess"),
        model=model,
        expires_at=now_s + minutes * 60,
        engine=engine,
    )
    prompts = ProjectPrompts(services.prompts, principal.project_id)
    config = await Configuring(engine, prompts, stands_in=stands_in).of(principal, fresh)
    recorder = open_record(
        services,
        principal,
        engine.terms,
        session_id=config.id,
        engine=engine.name,
        model=model,
        now_s=now_s,
    )
    return OpenedSession(
        services,
        principal,
        config,
        engine,
        recorder,
        locale=locale,
        blocked_skills=blocked_skills(services.settings.blocked_skills, verdict),
    )
