"""Every line of configuration that docs/ovos.md gives is one that the settings take."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from gateway.engines.choices import speech_choices, transcription_routes
from gateway.settings import Settings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "ovos.md"
_LINE = re.compile(r"VOICEENGINE_[A-Z_]+=(?:'[^']*'|[^\s`,|]+)")


def lines() -> list[str]:
    """Return the lines of configuration in the document."""
    return _LINE.findall(DOCUMENT.read_text())


def test_lines_of_the_document_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them together start a server, and each changes something."""
    given = {}
    for line in lines():
        name, _, value = shlex.split(line)[0].partition("=")
        assert name.removeprefix("VOICEENGINE_").lower() in Settings.model_fields, name
        given[name] = value
        monkeypatch.setenv(name, value)
    assert len(given) >= 14
    usual = json.loads(Settings.model_construct().model_dump_json())
    settings = Settings()
    taken = json.loads(settings.model_dump_json())
    for name in given:
        field = name.removeprefix("VOICEENGINE_").lower()
        assert taken[field] != usual[field], name
    assert transcription_routes(settings)["house-model"] == "big"
    assert speech_choices(settings).recognisers["big"].slots == 2
    assert "hey_house" in speech_choices(settings).wake_words
