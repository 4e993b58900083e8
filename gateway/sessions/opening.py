"""Opens a session for a principal: configuration, machine, runner, record."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Literal

from gateway.engines.engine import Engine
from gateway.engines.registry import context_tokens
from gateway.identity.principal import Principal
from gateway.limits.port import RateLimited
from gateway.recording.recorder import SessionOpened, SessionRecorder
from gateway.services import Services
from gateway.sessions.admission import Allowed, Denied
from gateway.sessions.admitted import AdmittedSession, owner_of
from gateway.sessions.allowance import Allowance
from gateway.sessions.dialects import DialectName
from gateway.sessions.locale import ANY_LOCALE, Locale
from gateway.sessions.relay_opening import OpenedRelay, open_relay
from gateway.sessions.runner import SessionRunner
from gateway.telemetry import metrics
from realtime.engine import SessionFacts
from realtime.events.client import session_in
from realtime.session.config import (
    AnySessionConfig,
    SessionConfig,
    TranscriptionSessionConfig,
    fresh_config,
)
from realtime.session.inputs import EngineTraits, SessionLimits
from realtime.session.machine import Session
from realtime.session.updates import updated

_NOISE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SHIFT = {byte: ord(_NOISE[byte % len(_NOISE)]) for byte in range(256)}


def noise(length: int) -> str:
    """Return random padding for text deltas (`obfuscation`)."""
    return secrets.token_bytes(length).decode("latin-1").translate(_SHIFT)


SessionKind = Literal["realtime", "transcription"]


def effective_config(
    kind: SessionKind,
    session: dict[str, Any] | None,
    *,
    session_id: str,
    model: str,
    expires_at: int,
    traits: EngineTraits,
) -> AnySessionConfig:
    """Return the defaults of a kind of session with a client secret's session applied.

    Raises:
        WireFault: the session does not fit.
    """
    config: AnySessionConfig
    if kind == "transcription":
        config = TranscriptionSessionConfig(id=session_id, expires_at=expires_at)
    else:
        config = fresh_config(session_id=session_id, model=model, expires_at=expires_at)
    if session:
        config = updated(config, session_in(session), has_spoken=False, traits=traits)
    return config


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
        self, spawn: Callable[[Coroutine[Any, Any, None]], object], *, dialect: DialectName
    ) -> SessionRunner:
        """Build the machine, its runner and the client's view; tasks it needs are `spawn`ed."""
        services, settings = self._services, self._services.settings
        loop = asyncio.get_running_loop()
        limits = SessionLimits(
            max_duration_ms=settings.session_max_minutes * 60_000,
            speech_start_ms=settings.speech_start_ms,
            first_audio_ms=settings.output_first_ms,
            pace=settings.output_pace,
            context_tokens=context_tokens(self.config.model),
            import_ms=int(settings.mcp_import_timeout_s * 1000),
            tool_call_ms=int(settings.mcp_call_timeout_s * 1000),
            tool_call_most_ms=int(settings.mcp_call_most_s * 1000),
            offered_tools=settings.most_offered_tools,
            tool_rounds=settings.tool_rounds,
        )
        whose = {"project_id": self._principal.project_id, "model": self.config.model}
        traits = replace(
            self._engine.traits(self._locale.language),
            tools=services.tools.offered(**whose),
            actions=services.tools.actions.offered(**whose),
            actions_only=services.tools.actions.only,
        )
        machine = Session(
            self.config,
            ids=services.ids,
            noise=noise,
            limits=limits,
            traits=traits,
            opened_ms=int(loop.time() * 1000),
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
            input_ring_bytes=settings.input_ring_bytes,
            item_audio_bytes=settings.item_audio_bytes,
        )
        talks = self.config.type == "realtime"
        self._begin(dialect, machine.conversation_id if talks else None)
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


async def _admit(
    services: Services, principal: Principal, *, kind: SessionKind, model: str
) -> Allowed:
    """Count a connection and ask admission.

    Raises:
        RateLimited: too many requests.
        WireFault: policy refused.
    """
    try:
        services.limits.take(owner_of(principal, model), requests=1)
    except RateLimited as fault:
        metrics.RATE_LIMITED.labels("connect", fault.resource).inc()
        raise
    verdict = await services.admission.admit(
        "realtime.connect", {**principal.facts(), "session_type": kind, "model": model}
    )
    if isinstance(verdict, Denied):
        metrics.DENIALS.labels(verdict.reason).inc()
        raise verdict.fault()
    return verdict


async def open_session(
    services: Services,
    principal: Principal,
    *,
    kind: SessionKind,
    model: str,
    engine: Engine,
    locale: Locale = ANY_LOCALE,
    wake_word: str | None = None,
) -> OpenedSession | OpenedRelay:
    """Admit and prepare a session; `model` is empty where only transcription was asked for.

    Raises:
        RateLimited: too many requests.
        ServerFault: a relayed endpoint cannot be used.
        WireFault: policy refused, or a bound configuration does not fit.
    """
    usual = services.settings.wake_word
    engine = engine.woken_by(wake_word or (usual if usual in engine.wake_words else None))
    verdict = await _admit(services, principal, kind=kind, model=model)
    if engine.relay is not None:
        return await open_relay(services, principal, model=model, endpoint=engine.relay)
    now_s = int(time.time())
    config = effective_config(
        kind,
        principal.session,
        session_id=services.ids("sess"),
        model=model,
        expires_at=now_s + services.settings.session_max_minutes * 60,
        traits=engine.traits(),
    )
    recorder = services.recorder.open_session(
        SessionOpened(
            session_id=config.id,
            organisation_id=principal.organisation_id,
            project_id=principal.project_id,
            key_id=principal.key_id,
            client_secret_id=principal.client_secret_id,
            engine=engine.name,
            model=model,
            started_at=now_s,
        )
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
