"""Spans: names and attributes in one place; the exporter is off by default.

A span per request, turn and stage, never per audio frame or event (a recorded
span costs about 30 us).
"""

from __future__ import annotations

from typing import TypeAlias

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

REQUEST = "http.request"
SESSION_START = "realtime.session.start"
TURN = "realtime.turn"
CALL_END = "realtime.call.end"
STAGE_STT = "realtime.stage.stt"
STAGE_BRAIN = "realtime.stage.brain"
STAGE_TTS = "realtime.stage.tts"

REQUEST_ID = "voiceengine.request_id"
SESSION_ID = "gen_ai.realtime_session.id"
CALL_ID = "voiceengine.call.id"
CALL_END_REASON = "voiceengine.call.end_reason"
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_STATUS = "voiceengine.response.status"
STATUS = "http.response.status_code"

EXPORT_TIMEOUT_S = 5

Attributes: TypeAlias = dict[str, str | int]


def tracer() -> trace.Tracer:
    """Return the tracer; without `configure` its spans go nowhere and cost little."""
    return trace.get_tracer("voiceengine")


def configure(endpoint: str | None) -> TracerProvider | None:
    """Export to an OTLP/HTTP collector, if there is one; return what must be shut down."""
    if endpoint is None:
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": "voiceengine"}))
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider


class TurnSpans:
    """The spans of a session's turns: a root span each, its stages below it.

    A session lasts too long for a span of its own; each turn links to a short
    one that marks its start.
    """

    def __init__(self, session_id: str) -> None:
        self._tracer = tracer()
        self._about: Attributes = {SESSION_ID: session_id}
        start = self._tracer.start_span(SESSION_START, context=Context(), attributes=self._about)
        start.end()
        self._link = trace.Link(start.get_span_context())
        self._turn: trace.Span | None = None
        self._stages: dict[str, trace.Span] = {}

    def begin(self) -> None:
        """A turn ended and an answer is due; a turn without an answer is ended by the next."""
        self.finish()
        self._turn = self._tracer.start_span(
            TURN, context=Context(), attributes=self._about, links=[self._link]
        )

    def begin_stage(self, name: str) -> None:
        """A stage began; a turn that nobody began (a typed one) begins with it."""
        if self._turn is None:
            self.begin()
        if self._turn is not None and name not in self._stages:
            below = trace.set_span_in_context(self._turn, Context())
            self._stages[name] = self._tracer.start_span(name, below, attributes=self._about)

    def end_stage(self, name: str) -> None:
        """A stage ended; one that did not begin is nothing."""
        stage = self._stages.pop(name, None)
        if stage is not None:
            stage.end()

    def finish(self, about: Attributes | None = None) -> None:
        """The turn is answered, or given up."""
        for name in list(self._stages):
            self.end_stage(name)
        if self._turn is not None:
            self._turn.set_attributes(about or {})
            self._turn.end()
            self._turn = None
