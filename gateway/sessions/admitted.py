"""A session that was admitted, whatever handler drives it: its view, its books, its end."""

from __future__ import annotations

import asyncio
from functools import cached_property

import structlog

from gateway.engines.engine import Terms
from gateway.identity.principal import Principal
from gateway.limits.port import Owner
from gateway.recording.recorder import SessionOpened, SessionRecorder
from gateway.services import Services
from gateway.sessions.dialects import Beta, DialectName
from gateway.sessions.driver import BROKEN_CODE, SessionDriver
from gateway.sessions.observer import SessionObserver
from gateway.sessions.projection import PLAIN, Projection
from gateway.telemetry import metrics
from realtime.dialects.beta.dialect import BetaDialect
from realtime.session.inputs import EndReason


def owner_of(principal: Principal, model: str) -> Owner:
    """Return whose allowance a session uses."""
    return Owner(principal.organisation_id, principal.project_id, model)


def open_record(
    services: Services,
    principal: Principal,
    terms: Terms,
    *,
    session_id: str,
    engine: str,
    model: str,
    now_s: int,
) -> SessionRecorder:
    """Return the record of a session that begins now; nothing is written yet."""
    return services.recorder.open_session(
        SessionOpened(
            session_id=session_id,
            organisation_id=principal.organisation_id,
            project_id=principal.project_id,
            key_id=principal.key_id,
            client_secret_id=principal.client_secret_id,
            engine=engine,
            model=model,
            started_at=now_s,
            prices=terms.prices,
        )
    )


class AdmittedSession:
    """A session that may begin; `finish` it after it ended."""

    runner: SessionDriver
    projection: Projection

    def __init__(
        self,
        services: Services,
        principal: Principal,
        *,
        session_id: str,
        model: str,
        recorder: SessionRecorder,
    ) -> None:
        self.model = model
        """As the client names it; empty where only transcription was asked for."""
        self._services = services
        self._principal = principal
        self._recorder = recorder
        self._session_id = session_id
        self._transport = "websocket"
        self._begun = False
        self.withheld: frozenset[str] = frozenset()
        """Tools that policy took away with its leave."""
        self.observer = SessionObserver(recorder)

    @cached_property
    def log(self) -> structlog.stdlib.BoundLogger:
        """The log, in which every line says whose session it is; made when there is one."""
        log: structlog.stdlib.BoundLogger = structlog.get_logger("session")
        return log.bind(
            session_id=self._session_id, project_id=self._principal.project_id, model=self.model
        )

    @property
    def session_id(self) -> str:
        """The session's public id."""
        return self._session_id

    @property
    def end_reason(self) -> EndReason | None:
        """Why it ended; None while it has not, and if it never began."""
        return self.runner.end_reason if self._begun else None

    def _begin(
        self, dialect: DialectName, conversation_id: str | None, transport: str = "websocket"
    ) -> None:
        """The runner is there: let it be found, counted and seen."""
        self._services.directory.add(self._session_id, self._principal, self.runner)
        self.projection = self._view(dialect, conversation_id)
        self._begun, self._transport = True, transport
        self.runner.withheld = self.withheld
        # The client gets its first event before the books and the log their lines.
        asyncio.get_running_loop().call_soon(self._tell_of_start, dialect)

    def _tell_of_start(self, dialect: DialectName) -> None:
        metrics.SESSIONS.labels(self._transport).inc()
        metrics.SESSIONS_STARTED.labels(dialect).inc()
        self.log.info("session_started", dialect=dialect)

    def _view(self, dialect: DialectName, conversation_id: str | None) -> Projection:
        if dialect == "ga":
            return PLAIN
        translation = BetaDialect(
            ids=self._services.ids,
            rate_limits=self.runner.rate_limits,
            conversation_id=conversation_id,
            temperature=self._principal.temperature,
        )
        return Projection(Beta(translation))

    async def finish(self) -> None:
        """Write the end down; end what a fault of ours has left running."""
        reason = EndReason.SERVER_FAULT
        if self._begun:
            self.runner.shutdown(reason, code=BROKEN_CODE)
            reason = self.runner.end_reason or reason
            metrics.SESSIONS.labels(self._transport).dec()
        self._services.directory.remove(self._session_id)
        self._services.directory.leave(self._principal.project_id, self._recorder.model)
        self._recorder.close(reason)
        metrics.SESSIONS_ENDED.labels(reason.value).inc()
        self.log.info("session_ended", reason=reason.value)
