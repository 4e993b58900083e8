"""Spans: names and attributes in one place; the exporter is off by default.

A span per request, turn and stage, never per audio frame or event (a recorded
span costs about 30 us).
"""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

REQUEST = "http.request"
SESSION_START = "realtime.session.start"
TURN = "realtime.turn"
STAGE_STT = "realtime.stage.stt"
STAGE_BRAIN = "realtime.stage.brain"
STAGE_TTS = "realtime.stage.tts"

REQUEST_ID = "voiceengine.request_id"
SESSION_ID = "gen_ai.realtime_session.id"
RESPONSE_ID = "gen_ai.response.id"
STATUS = "http.response.status_code"

EXPORT_TIMEOUT_S = 5


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
