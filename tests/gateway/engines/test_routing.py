"""Transcription model names and the recognisers they get."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from gateway.engines.choices import speech_choices, transcription_routes
from gateway.engines.registry import TRANSCRIPTION_MODELS
from gateway.engines.routing import RoutingRecogniser
from gateway.settings import PluginSetting, Settings
from ovos_bridge.speech.choices import PluginChoice, SpeechChoices, loads
from realtime.engine import RecognitionReport, RecognitionRequest
from realtime.ports import RecognitionStream


class Opened:
    """A recogniser that notes what it is to hear."""

    def __init__(self) -> None:
        self.models: list[str] = []

    def open(
        self, request: RecognitionRequest, sink: Callable[[RecognitionReport], None]
    ) -> RecognitionStream:
        """Note the model's name."""
        self.models.append(request.model)
        return None  # type: ignore[return-value]


def test_recogniser_is_chosen_by_the_model_s_name() -> None:
    """A mapped name gets its recogniser; an unmapped one, or none, the default."""
    default, fast = Opened(), Opened()
    routing = RoutingRecogniser(default, {"whisper-1": fast})
    for model in ("whisper-1", "", "gpt-4o-transcribe"):
        routing.open(RecognitionRequest(utterance_id="u", model=model), lambda _: None)
    assert fast.models == ["whisper-1"]
    assert default.models == ["", "gpt-4o-transcribe"]


def test_every_documented_model_has_the_default_recogniser_unless_mapped() -> None:
    """SDK defaults work on any installation; an operator maps some and adds others."""
    settings = Settings(
        recognisers={"fast": "some-plugin"},
        transcription_models={"whisper-1": "fast", "house-model": "fast"},
    )
    routes = transcription_routes(settings)
    assert {*TRANSCRIPTION_MODELS} < {*routes}
    assert routes["whisper-1"] == routes["house-model"] == "fast"
    assert routes["gpt-4o-transcribe"] == "default"


def test_model_with_an_unknown_recogniser_stops_the_start() -> None:
    """A name that is not configured is found at start, not in a call."""
    with pytest.raises(ValidationError, match="unknown recognisers"):
        Settings(transcription_models={"whisper-1": "fats"})


def test_choices_reach_the_worker_as_they_were_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line of environment configures a plugin; options pass through the file unchanged."""
    monkeypatch.setenv(
        "VOICEENGINE_RECOGNISERS",
        '{"fast": "a-plugin", "big": {"module": "b", "options": {"model": "x"}, "slots": 2}}',
    )
    monkeypatch.setenv("VOICEENGINE_TTS_OPTIONS", '{"voice": "de"}')
    settings = Settings()
    assert isinstance(settings.recognisers["big"], PluginSetting)
    chosen = loads(speech_choices(settings).dumps())
    assert chosen.recognisers == {
        "default": PluginChoice("sphinx-stream"),
        "fast": PluginChoice("a-plugin"),
        "big": PluginChoice("b", {"model": "x"}, 2),
    }
    assert chosen.synthesiser == PluginChoice("espeak-stream", {"voice": "de"})
    assert chosen.detector == SpeechChoices().detector


def test_wait_for_a_recogniser_ends_before_the_wait_for_words() -> None:
    """Who speaks to a busy worker is told so, whatever the limit is, instead of a time-out."""
    assert loads(speech_choices(Settings()).dumps()).slot_wait_s == 8.0
    patient = Settings(recognition_timeout_s=30)
    assert loads(speech_choices(patient).dumps()).slot_wait_s == 24.0
