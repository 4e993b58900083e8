"""What a request adds to its client secret's session (CONTRACT 3.3, 6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from realtime.events.client import session_in
from realtime.session.config import AnySessionConfig, fresh_config
from realtime.session.features import FEATURES
from realtime.session.inputs import EngineTraits
from realtime.session.merging import merged_session
from realtime.session.updates import updated
from realtime.turns.models import MODELS

TRAITS = replace(EngineTraits(), transcription_models=tuple(MODELS), features=FEATURES)


def configured(*patches: dict[str, Any]) -> AnySessionConfig:
    """Return a session's configuration after updates."""
    config: AnySessionConfig = fresh_config(session_id="s", model="gpt-realtime-2")
    for patch in patches:
        session = session_in({"type": "realtime", **patch})
        config = updated(config, session, has_spoken=False, traits=TRAITS)
    return config


def listening(**fields: Any) -> dict[str, Any]:
    """Return a session with an audio input."""
    return {"audio": {"input": fields}}


def silence(**fields: Any) -> dict[str, Any]:
    """Return a session with turn detection by silence."""
    return listening(turn_detection={"type": "server_vad", **fields})


def written(**fields: Any) -> dict[str, Any]:
    """Return a session with input transcription."""
    return listening(transcription=fields)


SPOKEN = {"audio": {"output": {"voice": "cedar", "speed": 1.2}}}
CASES = {
    "leaves of the same detection": (silence(silence_duration_ms=900), silence(threshold=0.3)),
    "another detection": (
        silence(silence_duration_ms=900, create_response=False),
        listening(turn_detection={"type": "semantic_vad", "eagerness": "low"}),
    ),
    "no detection": (silence(silence_duration_ms=900), listening(turn_detection=None)),
    "detection where there was none": (listening(turn_detection=None), silence(threshold=0.3)),
    "language stays": (
        written(model="whisper-1", language="de", prompt="Oper"),
        written(model="gpt-4o-transcribe"),
    ),
    "no model": (written(model="whisper-1", language="de"), written(language="fr")),
    "empty model": (written(model="whisper-1", language="de"), written(model="")),
    "what the model does not take": (
        written(model="gpt-live-transcribe", prompt="p", keywords=["k"], delay="low"),
        written(model="gpt-realtime-whisper"),
    ),
    "no transcription": (written(model="whisper-1"), listening(transcription=None)),
    "strength of noise reduction": (
        listening(noise_reduction={"type": "near_field", "strength": 0.5}),
        listening(noise_reduction={"type": "far_field"}),
    ),
    "format": (
        listening(format={"type": "audio/pcm", "rate": 24_000}),
        listening(format={"type": "audio/pcmu"}),
    ),
    "input beside output": (SPOKEN, silence(threshold=0.3)),
    "voice beside speed": (SPOKEN, {"audio": {"output": {"voice": "echo"}}}),
    "audio of null": (SPOKEN, {"audio": None}),
    "output of null": (SPOKEN, {"audio": {"output": None}}),
    "instructions": ({"instructions": "a", "tool_choice": "none"}, {"instructions": "b"}),
    "tools": (
        {"tools": [{"type": "function", "name": "a"}]},
        {"tools": [{"type": "function", "name": "b"}]},
    ),
    "server by its label": (
        {"tools": [{"type": "mcp", "server_label": "s", "server_url": "https://s.example"}]},
        {"tools": [{"type": "function", "name": "b"}, {"type": "mcp", "server_label": "s"}]},
    ),
    "server defined anew": (
        {"tools": [{"type": "mcp", "server_label": "s", "server_url": "https://s.example"}]},
        {"tools": [{"type": "mcp", "server_label": "s", "server_url": "https://t.example"}]},
    ),
    "effort": ({"reasoning": {"effort": "high"}}, {"reasoning": {"effort": "low"}}),
    "tracing that is set": ({"tracing": "auto"}, {"tracing": {"workflow_name": "w"}}),
    "tracing that is disabled": ({"tracing": None}, {"tracing": "auto"}),
    "tracing to be disabled": ({"tracing": "auto"}, {"tracing": None}),
}


@pytest.mark.parametrize("case", CASES)
def test_sum_configures_as_the_update_would(case: str) -> None:
    """A form beside a client secret is that secret's session and an update."""
    bound, sent = CASES[case]
    assert configured(merged_session(bound, sent)) == configured(bound, sent)


def test_silence_of_the_secret_stays_where_the_form_sets_the_threshold() -> None:
    """Turn detection of the same kind is merged leaf by leaf."""
    merged = merged_session(silence(silence_duration_ms=900), silence(threshold=0.3))
    detection = merged["audio"]["input"]["turn_detection"]
    assert detection == {"type": "server_vad", "silence_duration_ms": 900, "threshold": 0.3}
