"""How a relayed session begins: the secret, then the form, each as an update would be."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.events.client import session_in
from realtime.prompts import Prompted
from realtime.relay.beginning import Given, begun
from realtime.session.config import fresh_config
from realtime.session.inputs import EngineTraits
from realtime.session.updates import updated

TOOL = {"type": "function", "name": "f"}
MCP = {"type": "mcp", "server_label": "s", "server_url": "https://s.example"}
SERVER: Any = session_in({"type": "realtime", "tools": [MCP]})
P = ({"id": "p"}, Prompted(instructions="P.", voice="ash", tools=SERVER.tools))
Q = ({"id": "q"}, Prompted(instructions="Q."))
EMPTY = ({"id": "e"}, Prompted())
NONE = (None, None)


def given(prompt: Any, **fields: Any) -> Given:
    """Return a session that asks for a prompt."""
    shown, supplied = prompt
    return Given({"type": "realtime", "prompt": shown, **fields}, supplied)


def plain(**fields: Any) -> Given:
    """Return a session that says nothing of prompts."""
    return Given({"type": "realtime", **fields}, None)


@pytest.mark.parametrize(
    ("secret", "form"),
    [
        (given(P), plain()),
        (given(P), given(Q)),
        (given(P), given(EMPTY)),
        (given(P), given(NONE)),
        (given(P), plain(instructions="Mine.")),
        (given(P), plain(tools=[{"type": "mcp", "server_label": "s"}])),
        (given(P, instructions="Mine."), given(Q)),
        (given(P, instructions="Mine."), given(NONE)),
        (plain(instructions="Mine.", tools=[TOOL]), given(Q)),
        (plain(instructions="Mine."), given(Q, instructions="Yours.")),
    ],
)
def test_session_begins_as_our_own_would(secret: Given, form: Given) -> None:
    """What goes up says what our own machine makes of the secret and then of an update."""
    config: Any = fresh_config(session_id="s", model="gpt-realtime")
    for one in (secret, form):
        patch = session_in(one.session)
        traits = EngineTraits()
        config = updated(config, patch, has_spoken=False, traits=traits, prompted=one.supplied)
    told = begun([secret, form])
    fresh: Any = fresh_config(session_id="s", model="gpt-realtime")
    assert told.get("instructions", fresh.instructions) == config.instructions
    assert told.get("tools", []) == config.tools
    voice = told.get("audio", {}).get("output", {}).get("voice", fresh.audio.output.voice)
    assert voice == config.audio.output.voice
