"""Frames of an endpoint that speaks the beta."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.engines.relay.beta_link import BetaLink


def in_ga(text: str | None) -> list[Any]:
    """Return what a frame means."""
    return BetaLink(None)._in_ga(text)


def test_audio_is_renamed_and_not_read() -> None:
    """A delta is passed on as it is, but for its name."""
    (frame,) = in_ga('{"type":"response.audio.delta", "delta":"…not read')
    assert frame == '{"type":"response.output_audio.delta", "delta":"…not read'


def test_what_is_known_to_nobody_passes_as_it_came() -> None:
    """Its spaces, too."""
    assert in_ga('{ "type": "vendor.hint" }') == ['{ "type": "vendor.hint" }']


@pytest.mark.parametrize("text", [None, "no json", "[]", '{"type": 3}'])
def test_what_is_no_event_is_left_to_be_judged(text: str | None) -> None:
    """The session counts it as garbage, as of every endpoint."""
    assert in_ga(text) == [text]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.updated"},
        {"type": "session.updated", "session": {"modalities": 3, "input_audio_format": "mp3"}},
        {"type": "session.updated", "session": {"turn_detection": {}}},
        {"type": "conversation.item.created", "item": []},
        {"type": "response.done", "response": {"output": [None]}},
        {"type": "error", "error": None},
    ],
)
def test_event_of_an_odd_shape_is_left_out(event: dict[str, Any]) -> None:
    """Nothing breaks."""
    assert in_ga(json.dumps(event)) == []
