"""A spoken turn by recognition and a voice at endpoints: the client hears what it always hears."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional import server as servers
from tests.functional.client import Client, connected
from tests.functional.server import Server
from tests.servers import chat, speech
from tests.servers.chat import WORDS, ChatServer
from tests.servers.speech import KEY, SpeechServer
from tests.servers.tones import SPEECH, said

TRANSCRIPT = "conversation.item.input_audio_transcription"


@pytest.fixture(scope="module")
def model() -> Iterator[ChatServer]:
    """A chat-completions server."""
    with chat.running() as running:
        yield running


@pytest.fixture(scope="module")
def service() -> Iterator[SpeechServer]:
    """Every speech endpoint."""
    with speech.running() as running:
        yield running


def settings(model: ChatServer, service: SpeechServer, kind: str) -> dict[str, str]:
    """Return what an operator sets; `broken` answers 500, by a name of its own."""
    openai = {"kind": "openai", "url": service.url, "model": "words", "api_key": KEY}
    broken = {**openai, "model": "500"}
    recogniser: dict[str, Any] = openai
    synthesiser: dict[str, Any] = openai
    if kind == "sockets":
        recogniser = {
            "kind": "deepgram", "url": service.listen_url, "model": "words", "api_key": KEY,
        }  # fmt: skip
        synthesiser = {
            "kind": "cartesia", "url": service.contexts_url, "model": "words", "api_key": KEY,
            "voice": "id-0",
        }  # fmt: skip
    return {
        "VOICEENGINE_LOG_LEVEL": "debug",
        "VOICEENGINE_CHAT_URL": model.url,
        "VOICEENGINE_CHAT_MODEL": "words",
        "VOICEENGINE_RECOGNISERS": json.dumps({"default": recogniser, "broken": broken}),
        "VOICEENGINE_TRANSCRIPTION_MODELS": '{"whisper-1": "broken"}',
        "VOICEENGINE_SYNTHESISER": json.dumps(synthesiser),
    }


@pytest.fixture(scope="module", params=["requests", "sockets"])
def server(
    model: ChatServer,
    service: SpeechServer,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Server]:
    """A gateway in front of them, without a speech worker."""
    env = settings(model, service, request.param)
    running = servers.start(tmp_path_factory.mktemp("hosted"), env=env)
    running.wait_ready()
    yield running
    assert running.stop() == 0
    log = (running.data_dir / "server.log").read_text()
    assert KEY not in log
    for words in ("internal", "is it now", "ten past nine"):
        assert words not in log


async def turn(client: Client, text: str, transcription: str) -> list[dict[str, Any]]:
    """Say something by push-to-talk; return the events of the answer."""
    told = {"transcription": {"model": transcription}, "turn_detection": None}
    await client.send(type="session.update", session={"type": "realtime", "audio": {"input": told}})
    await client.until("session.updated")
    audio = base64.b64encode(said(text)).decode()
    await client.send(type="input_audio_buffer.append", audio=audio)
    await client.send(type="input_audio_buffer.commit")
    await client.send(type="response.create")
    return await client.until("response.done")


async def test_spoken_question_gets_a_spoken_answer(server: Server, model: ChatServer) -> None:
    """What was said reaches the model as words, and its words the client as audio."""
    async with connected(server, model="gpt-realtime") as client:
        events = await turn(client, "what time is it", "gpt-4o-transcribe")
    (heard,) = [e for e in events if e["type"] == f"{TRANSCRIPT}.completed"]
    assert heard["transcript"] == "what time is it"
    assert model.asked()[-1]["messages"][-1]["content"] == "what time is it"
    response = events[-1]["response"]
    assert response["status"] == "completed"
    assert response["output"][0]["content"][0]["transcript"].strip() == WORDS
    audio = b"".join(
        base64.b64decode(e["delta"]) for e in events if e["type"] == "response.output_audio.delta"
    )
    assert len(audio) > 48_000


async def test_fault_of_the_recogniser_is_the_item_s(server: Server) -> None:
    """No transcript is an event of the contract; the session goes on with the next turn."""
    async with connected(server, model="gpt-realtime") as client:
        events = await turn(client, "what time is it", "whisper-1")
        (failed,) = [e for e in events if e["type"] == f"{TRANSCRIPT}.failed"]
        assert failed["error"]["code"] == "speech_unavailable"
        events = await turn(client, "is it now", "gpt-4o-transcribe")
        assert events[-1]["response"]["status"] == "completed"


@pytest.mark.real
@pytest.mark.parametrize("kind", ["requests", "sockets"])
async def test_turns_are_found_by_the_worker(
    model: ChatServer, service: SpeechServer, tmp_path: Path, skills_python: Path, kind: str
) -> None:
    """Voice activity on this machine, words and voice elsewhere; what the pause began is used."""
    env = servers.voice(skills_python) | settings(model, service, kind)
    env["VOICEENGINE_SKILLS"] = "false"
    server = servers.start(tmp_path, env=env)
    server.wait_ready()
    try:
        async with connected(server, model="gpt-realtime") as client:
            await client.say()
            events = await client.until("response.done")
        used = server.metric("voiceengine_speculations_total", part="stt", outcome="used")
    finally:
        assert server.stop() == 0
    # The stand-in of a socket hears the question in each segment of it.
    assert SPEECH in model.asked()[-1]["messages"][-1]["content"]
    assert any(event["type"] == "response.output_audio.delta" for event in events)
    assert used == (kind == "requests")
    if kind == "sockets":
        assert service.asked("listen")[-1]["messages"][0] == "Finalize"
