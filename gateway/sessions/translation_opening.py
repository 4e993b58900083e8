"""Opens a translation session for a principal: configuration, machine, runner, record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from pydantic import ValidationError

from gateway.engines.engine import Engine
from gateway.identity.principal import Principal
from gateway.recording.recorder import SessionRecorder
from gateway.services import Services
from gateway.sessions.admitted import AdmittedSession, open_record, owner_of
from gateway.sessions.allowance import Allowance
from gateway.sessions.dialects import DialectName
from gateway.sessions.leg import MediaLeg
from gateway.sessions.locale import ANY_LOCALE, Locale
from gateway.sessions.opening import admit_session
from gateway.sessions.translating import TranslationCompany, TranslationRunner
from realtime.engine import SessionFacts
from realtime.events.faults import fault_of
from realtime.translation.config import TranslationSessionConfig
from realtime.translation.limits import TranslationLimits
from realtime.translation.machine import TranslationSession
from realtime.translation.requests import TranslationSessionIn, translation_updated

KIND: Final = "translation"
"""The `type` of such a session, in its configuration and in client secrets."""


def translation_config(
    session: TranslationSessionIn, *, session_id: str, expires_at: int, engine: Engine
) -> TranslationSessionConfig:
    """Return the defaults with what was asked for.

    Raises:
        WireFault: it does not fit.
    """
    fresh = TranslationSessionConfig(id=session_id, expires_at=expires_at, model=session.model)
    models = engine.traits().transcription_models
    return translation_updated(fresh, session, transcription_models=models)


def translation_session_in(data: dict[str, Any]) -> TranslationSessionIn:
    """Return the validated session of a client secret.

    Raises:
        WireFault: what is wrong with it.
    """
    try:
        return TranslationSessionIn.model_validate(data)
    except ValidationError as error:
        raise fault_of(error, data, root=("session",)) from None


class OpenedTranslation(AdmittedSession):
    """A translation session that may begin."""

    runner: TranslationRunner

    def __init__(
        self,
        services: Services,
        principal: Principal,
        config: TranslationSessionConfig,
        engine: Engine,
        recorder: SessionRecorder,
        *,
        locale: Locale,
    ) -> None:
        super().__init__(
            services, principal, session_id=config.id, model=config.model, recorder=recorder
        )
        self._config = config
        self._engine = engine
        self._locale = locale

    def start(
        self,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        *,
        dialect: DialectName,
        leg: MediaLeg | None = None,
        transport: str = "websocket",
    ) -> TranslationRunner:
        """Build the machine, its runner and the client's view; tasks it needs are `spawn`ed."""
        services, settings = self._services, self._services.settings
        machine = TranslationSession(
            self._config,
            ids=services.ids,
            limits=TranslationLimits(
                max_duration_ms=_minutes(services, self._engine) * 60_000,
                speech_start_ms=settings.speech_start_ms,
                longest_stretch_ms=int(settings.translation_stretch_s * 1000),
                # A leg plays in real time: what went ahead would be cut off by `session.close`.
                pace=settings.output_pace if leg is None else 1.0,
            ),
            traits=self._engine.traits(self._locale.language),
            opened_ms=int(asyncio.get_running_loop().time() * 1000),
            voice=self._engine.terms.voice,
        )
        owner = owner_of(self._principal, self._config.model)
        self.runner = TranslationRunner(
            machine,
            self._engine,
            facts=SessionFacts(
                session_id=self._config.id,
                language=self._locale.language or settings.language,
                timezone=self._locale.timezone or settings.timezone,
            ),
            company=TranslationCompany(
                admission=services.admission,
                allowance=Allowance(services.limits, owner),
                principal_facts=self._principal.facts(),
                observer=self.observer,
            ),
            spawn=spawn,
            input_ring_bytes=settings.input_ring_bytes,
            leg=leg,
        )
        self._begin(dialect, None, transport)
        return self.runner


def _minutes(services: Services, engine: Engine) -> int:
    return engine.terms.session_minutes or services.settings.session_max_minutes


async def open_translation(
    services: Services,
    principal: Principal,
    *,
    model: str,
    engine: Engine,
    locale: Locale = ANY_LOCALE,
) -> OpenedTranslation:
    """Admit and prepare a translation session.

    Raises:
        RateLimited: too many requests.
        TooManySessions: the model has no place left for the project.
        WireFault: policy refused, or a bound configuration does not fit.
    """
    await admit_session(services, principal, kind=KIND, model=model)
    services.directory.enter(principal.project_id, model, engine.terms.most_sessions)
    try:
        return _opened(services, principal, model=model, engine=engine, locale=locale)
    except BaseException:
        services.directory.leave(principal.project_id, model)
        raise


def _opened(
    services: Services, principal: Principal, *, model: str, engine: Engine, locale: Locale
) -> OpenedTranslation:
    now_s = int(time.time())
    bound = {key: held for key, held in (principal.session or {}).items() if key != "type"}
    config = translation_config(
        translation_session_in({**bound, "model": model}),
        session_id=services.ids("sess"),
        expires_at=now_s + _minutes(services, engine) * 60,
        engine=engine,
    )
    recorder = open_record(
        services,
        principal,
        engine.terms,
        session_id=config.id,
        engine=engine.name,
        model=model,
        now_s=now_s,
    )
    return OpenedTranslation(services, principal, config, engine, recorder, locale=locale)
