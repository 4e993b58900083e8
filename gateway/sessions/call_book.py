"""The books of one call: its row, its metrics, its log lines, its one end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from opentelemetry.context import Context

from gateway.identity.principal import Principal
from gateway.recording.calls import CallAsked, CallRecord
from gateway.services import Services
from gateway.telemetry import metrics, tracing
from realtime.errors import PolicyDenied, PolicyUnavailable, WireFault
from realtime.session.inputs import EndReason


class CallBook:
    """Opened when somebody who is known asks for a call, closed when it is over."""

    def __init__(
        self, services: Services, principal: Principal, *, ingress: str, kind: str, model: str
    ) -> None:
        self.call_id = services.ids("rtc")
        self.end_reason: EndReason | None = None
        self.ingress, self.kind, self.model = ingress, kind, model
        self._began_s = time.monotonic()
        asked = CallAsked(
            call_id=self.call_id,
            organisation_id=principal.organisation_id,
            project_id=principal.project_id,
            key_id=principal.key_id,
            client_secret_id=principal.client_secret_id,
            ingress=ingress,
            kind=kind,
            model=model,
            node=services.node,
        )
        self._record = CallRecord(services.recorder, asked)
        self._log = structlog.get_logger("calls").bind(
            call_id=self.call_id, project_id=principal.project_id, ingress=ingress
        )

    def session(self, session_id: str) -> None:
        """It has a session."""
        self._record.session(session_id)
        self._log = self._log.bind(session_id=session_id)

    def answered(self) -> None:
        """The caller gets the answer."""
        if self.end_reason is None:
            self._record.answered()
            self._log.info("call_answered")

    def connected(self) -> None:
        """Media flows."""
        if self.end_reason is None:
            self._record.connected()
            self._log.info("call_connected")

    def ended(self, reason: EndReason, why: str = "") -> None:
        """Close the books; the first reason counts."""
        if self.end_reason is not None:
            return
        self.end_reason = reason
        self._record.ended(reason, why)
        metrics.CALLS_ENDED.labels(self.ingress, reason.value).inc()
        lasted_s = round(time.monotonic() - self._began_s, 3)
        self._log.info("call_ended", reason=reason.value, why=why, lasted_s=lasted_s)
        about: tracing.Attributes = {
            tracing.CALL_ID: self.call_id,
            tracing.CALL_END_REASON: reason.value,
        }
        # A call lasts too long for a span of its own, as a session.
        tracing.tracer().start_span(tracing.CALL_END, Context(), attributes=about).end()

    @contextmanager
    def beginning(self) -> Iterator[None]:
        """Note that the call never began if what is done in here fails."""
        try:
            yield
        except (PolicyDenied, PolicyUnavailable) as fault:
            self.ended(EndReason.REFUSED, fault.reason or str(fault.code))
            raise
        except WireFault as fault:
            self.ended(EndReason.REFUSED, fault.code or fault.type)
            raise
        except BaseException:
            self.ended(EndReason.SERVER_FAULT)
            raise
