"""Spans per turn and stage."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.telemetry import tracing


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Finished spans, of a provider that is not the process's."""
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(tracing, "tracer", lambda: provider.get_tracer("test"))
    return memory


class TestTurnSpans:
    """A root span per turn, linked to the session's start."""

    def test_spoken_turn_has_its_stages(self, exporter: InMemorySpanExporter) -> None:
        """Recognition, brain and synthesis stand below the turn."""
        spans = tracing.TurnSpans("sess_1")
        spans.begin()
        for stage in (tracing.STAGE_STT, tracing.STAGE_BRAIN, tracing.STAGE_TTS):
            spans.begin_stage(stage)
            spans.end_stage(stage)
        spans.finish({tracing.RESPONSE_STATUS: "completed"})
        start, *stages, turn = exporter.get_finished_spans()
        assert start.name == tracing.SESSION_START
        assert [span.name for span in stages] == [
            tracing.STAGE_STT, tracing.STAGE_BRAIN, tracing.STAGE_TTS,
        ]  # fmt: skip
        assert turn.name == tracing.TURN
        assert turn.parent is None
        assert {span.parent.span_id for span in stages if span.parent} == {turn.context.span_id}
        assert turn.links[0].context.span_id == start.context.span_id
        assert turn.attributes is not None
        assert turn.attributes[tracing.SESSION_ID] == "sess_1"
        assert turn.attributes[tracing.RESPONSE_STATUS] == "completed"

    def test_typed_turn_begins_with_its_first_stage(self, exporter: InMemorySpanExporter) -> None:
        """Nobody spoke, so no turn was ended."""
        spans = tracing.TurnSpans("sess_1")
        spans.begin_stage(tracing.STAGE_BRAIN)
        spans.finish()
        names = [span.name for span in exporter.get_finished_spans()]
        assert names == [tracing.SESSION_START, tracing.STAGE_BRAIN, tracing.TURN]

    def test_interrupted_turn_leaves_nothing_open(self, exporter: InMemorySpanExporter) -> None:
        """A barge-in begins the next turn while a stage of the last is open."""
        spans = tracing.TurnSpans("sess_1")
        spans.begin()
        spans.begin_stage(tracing.STAGE_TTS)
        spans.begin()
        spans.finish()
        names = [span.name for span in exporter.get_finished_spans()]
        assert names.count(tracing.TURN) == 2
        assert names.count(tracing.STAGE_TTS) == 1

    def test_end_of_a_stage_that_never_began_is_nothing(
        self, exporter: InMemorySpanExporter
    ) -> None:
        """Late news of a cancelled answer."""
        spans = tracing.TurnSpans("sess_1")
        spans.end_stage(tracing.STAGE_TTS)
        spans.finish()
        assert [s.name for s in exporter.get_finished_spans()] == [tracing.SESSION_START]


def test_nothing_is_exported_by_default() -> None:
    """Without an endpoint there is no provider to shut down."""
    assert tracing.configure(None) is None
