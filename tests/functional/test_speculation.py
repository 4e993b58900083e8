"""Answers begun early: spoken turns, voice activity of the speech worker, and what is left of them.

Words and voice come from stand-in endpoints, which are as quick on a busy machine.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.functional import server as servers
from tests.functional.client import Client, connected, until
from tests.functional.server import Server
from tests.functional.test_hosted_speech import settings
from tests.servers import chat, speech
from tests.servers.chat import ChatServer
from tests.servers.speech import SpeechServer

pytestmark = pytest.mark.real

PATIENT = {"type": "semantic_vad", "eagerness": "low"}
"""Waits for 1.2 s after a sentence, so that a busy machine has the time to judge it."""


@pytest.fixture
def model() -> Iterator[ChatServer]:
    """A chat-completions server."""
    with chat.running() as running:
        yield running


@pytest.fixture
def service() -> Iterator[SpeechServer]:
    """Every speech endpoint."""
    with speech.running() as running:
        yield running


@pytest.fixture
def server(
    model: ChatServer, service: SpeechServer, tmp_path: Path, skills_python: Path
) -> Iterator[Server]:
    """A gateway that hears when somebody speaks, and a slow model."""
    env = servers.voice(skills_python) | settings(model, service, "requests")
    env |= {"VOICEENGINE_SKILLS": "false", "VOICEENGINE_CHAT_MODEL": "paced"}
    running = servers.start(tmp_path, env=env)
    running.wait_ready()
    yield running
    assert running.stop() == 0


async def listening(client: Client, **more: Any) -> None:
    """Let the session wait for the end of a sentence."""
    heard = {"input": {"turn_detection": PATIENT}}
    session = {"type": "realtime", "audio": heard, **more}
    await client.send(type="session.update", session=session)
    await client.until("session.updated")


def counted(server: Server, outcome: str) -> float:
    """Return how many answers met that fate."""
    return server.metric("voiceengine_speculations_total", part="brain", outcome=outcome)


async def test_answer_begun_at_the_pause_is_the_turns(server: Server, model: ChatServer) -> None:
    """The model is asked once, before the turn is certain, and the client hears of it after."""
    async with connected(server, model="gpt-realtime") as client:
        await listening(client)
        await client.say(silence_ms=3_000)
        events = await client.until("response.done")
    kinds = [event["type"] for event in events]
    assert "response.created" in kinds[kinds.index("input_audio_buffer.speech_stopped") :]
    assert "response.created" not in kinds[: kinds.index("input_audio_buffer.speech_stopped")]
    assert events[-1]["response"]["status"] == "completed"
    assert [counted(server, each) for each in ("started", "used", "discarded")] == [1, 1, 0]
    assert len(model.asked()) == 1


async def test_answer_of_a_routed_model_with_a_fallback_is_begun_early(
    model: ChatServer, service: SpeechServer, tmp_path: Path, skills_python: Path
) -> None:
    """Whom the rules choose is asked at the pause; whom they choose that cannot think early is not.

    What was begun with who refuses it is discarded, and the fallback's answer is not begun early.
    """
    chat = {"url": model.url, "model": "paced"}
    lost = {"url": model.url, "model": "401"}
    models = {
        "line": {
            "kind": "builtin",
            "routes": [{"to": "big", "words": 1, "items": 1}],
            "fallback": "calm",
        },
        "big": {"kind": "chat", "chat": chat},
        "ill": {"kind": "chat", "chat": lost, "fallback": "big"},
        "calm": {"kind": "builtin", "routes": [{"to": "big", "words": 99}]},
    }
    (tmp_path / "models.json").write_text(json.dumps({"models": models}))
    env = servers.voice(skills_python) | settings(model, service, "requests")
    env |= {"VOICEENGINE_SKILLS": "false", "VOICEENGINE_MODELS": str(tmp_path / "models.json")}
    running = servers.start(tmp_path / "data", env=env)
    try:
        running.wait_ready()
        for name, fates in (("line", (1, 1, 0)), ("calm", (1, 1, 0)), ("ill", (2, 1, 1))):
            async with connected(running, model=name) as client:
                await listening(client)
                await client.say(silence_ms=3_000)
                done = (await client.until("response.done"))[-1]["response"]
                assert done["status"] == "completed", name
            found = [counted(running, each) for each in ("started", "used", "discarded")]
            assert found == list(fates), name
        assert len(model.asked()) == 3
        await until(lambda: "discarded" in statuses(running))
        assert running.metric("voiceengine_fallbacks_total") == 1
        assert running.metric("voiceengine_routed_total", model="big") == 1
    finally:
        assert running.stop() == 0


async def test_answer_to_half_a_turn_is_discarded_and_recorded(
    server: Server, model: ChatServer
) -> None:
    """Who goes on after a pause gets the answer to everything; what was thrown away is in the books."""
    async with connected(server, model="gpt-realtime") as client:
        await listening(client)
        await client.say(silence_ms=700)
        await client.say(silence_ms=3_000)
        events = await client.until("response.done")
        assert [e["type"] for e in events].count("input_audio_buffer.committed") == 1
        assert events[-1]["response"]["status"] == "completed"
        assert [counted(server, each) for each in ("started", "used", "discarded")] == [1, 0, 1]
        await until(lambda: model.left() == 1)
        await until(lambda: len(statuses(server)) == 2)
    assert sorted(statuses(server)) == ["completed", "discarded"]
    assert len(model.asked()) == 2
    assert server.metric("voiceengine_speculated_tokens_discarded_total", direction="input") > 0


def statuses(server: Server) -> list[str]:
    """Return the status of each usage that is recorded."""
    with closing(sqlite3.connect(server.data_dir / "voiceengine.db")) as database:
        return [row[0] for row in database.execute("select status from usage")]
