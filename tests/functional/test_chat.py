"""A chat model behind the same wire: written, spoken, with functions, and when it breaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional import server as servers
from tests.functional.client import Client, connected, until, user_text
from tests.functional.server import Server
from tests.servers import chat
from tests.servers.chat import WORDS, ChatServer

WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
}


@pytest.fixture(scope="module")
def model() -> Iterator[ChatServer]:
    """A chat-completions server."""
    with chat.running() as running:
        yield running


def settings(model: ChatServer, scenario: str = "words") -> dict[str, str]:
    """Return what an operator sets."""
    return {"VOICEENGINE_CHAT_URL": model.url, "VOICEENGINE_CHAT_MODEL": scenario}


@pytest.fixture(scope="module")
def chat_server(model: ChatServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway in front of it, without speech."""
    server = servers.start(tmp_path_factory.mktemp("chat"), env=settings(model))
    server.wait_ready()
    yield server
    assert server.stop() == 0


async def answer(client: Client, text: str, **response: Any) -> dict[str, Any]:
    """Write something, ask for text; return the response when it is done."""
    await client.send(type="conversation.item.create", item=user_text(text))
    await client.send(type="response.create", response={"output_modalities": ["text"], **response})
    done = (await client.until("response.done"))[-1]
    return dict(done["response"])


async def test_model_answers_with_its_own_usage(chat_server: Server, model: ChatServer) -> None:
    """The client's realtime model is answered by the chat model, which reads the conversation."""
    async with connected(chat_server, model="gpt-realtime") as client:
        response = await answer(client, "What time is it?")
    assert response["output"][0]["content"][0]["text"].strip() == WORDS
    assert response["usage"]["input_token_details"]["cached_tokens"] == 32
    asked = model.asked()[-1]
    assert asked["messages"][0]["role"] == "system"
    assert asked["messages"][-1] == {"role": "user", "content": "What time is it?"}


async def test_function_goes_round(chat_server: Server) -> None:
    """The model's call reaches the client, its output the model, whose words end the turn."""
    async with connected(chat_server, model="gpt-realtime") as client:
        called = await answer(client, "Weather?", tools=[WEATHER], tool_choice="required")
        (call,) = called["output"]
        assert (call["type"], call["name"]) == ("function_call", "weather")
        output = {
            "type": "function_call_output",
            "call_id": call["call_id"],
            "output": "21 degrees",
        }
        await client.send(type="conversation.item.create", item=output)
        await client.send(type="response.create", response={"output_modalities": ["text"]})
        done = (await client.until("response.done"))[-1]
    assert "21 degrees" in done["response"]["output"][0]["content"][0]["text"]


@pytest.mark.parametrize(
    ("scenario", "code"), [("drops", "model_connection_lost"), ("500", "model_unavailable")]
)
async def test_fault_of_the_model_fails_the_response_only(
    model: ChatServer, tmp_path: Path, scenario: str, code: str
) -> None:
    """A response fails with its code, and the session goes on."""
    server = servers.start(tmp_path, env=settings(model, scenario))
    server.wait_ready()
    try:
        async with connected(server, model="gpt-realtime") as client:
            for _ in range(2):
                response = await answer(client, "Hello?")
                assert response["status"] == "failed"
                assert response["status_details"]["error"]["code"] == code
    finally:
        assert server.stop() == 0


@pytest.mark.real
async def test_spoken_question_gets_a_spoken_answer(
    model: ChatServer, tmp_path: Path, skills_python: Path
) -> None:
    """Speech in, the model's words out, as audio and transcript."""
    env = servers.voice(skills_python) | settings(model)
    server = servers.start(tmp_path, env=env)
    server.wait_ready()
    try:
        async with connected(server, model="gpt-realtime") as client:
            await client.say()
            events = await client.until("response.done")
    finally:
        assert server.stop() == 0
    assert model.asked()[-1]["messages"][-1]["content"] == "what time is it"
    response = events[-1]["response"]
    assert response["output"][0]["content"][0]["transcript"].strip() == WORDS
    assert any(event["type"] == "response.output_audio.delta" for event in events)


def skills_part(server: Server) -> tuple[str, str]:
    """Return where the skills stand, as `/readyz` has it."""
    (part,) = [part for part in server.readiness()["parts"] if part["name"] == "skills"]
    return part["state"], part["detail"]


@pytest.mark.real
async def test_model_of_the_database_asks_skills_and_tells_what_they_say(
    model: ChatServer, tmp_path: Path, skills_python: Path
) -> None:
    """They start when the first model asks them; whoever does not ask for the tool is without.

    The call runs inside the response, out of the client's sight; its result is the model's.
    """
    env = servers.voice(skills_python) | settings(model, "ask-skills")
    env |= {"VOICEENGINE_SPEECH": "false", "VOICEENGINE_MODELS_POLL_S": "0.2"}
    server = servers.start(tmp_path / "data", env=env)
    server.wait_ready()
    try:
        assert skills_part(server) == ("absent", "No model asks them.")
        (tmp_path / "own.json").write_text('{"models": {"line": {"skills_tool": true}}}')
        servers.command(server, "models", "put", str(tmp_path / "own.json"))
        await until(lambda: skills_part(server)[0] != "absent")
        server.wait_ready()
        async with connected(server, model="line") as client:
            told = await answer(client, "Is it late?")
        result = model.asked()[-1]["messages"][-1]
        async with connected(server, model="gpt-realtime") as client:
            without = await answer(client, "Is it late?")
    finally:
        assert server.stop() == 0
    assert [item["type"] for item in told["output"]] == ["message"]
    assert result["role"] == "tool"
    assert "error" not in result["content"]
    assert result["content"] in told["output"][0]["content"][0]["text"]
    assert without["status_details"]["error"]["code"] == "model_called_unknown_tool"
    assert "tools" not in model.asked()[-1]


@pytest.mark.real
async def test_skills_answer_first_and_the_model_what_they_do_not_understand(
    model: ChatServer, tmp_path: Path, skills_python: Path
) -> None:
    """The time comes from a skill, a story from the model."""
    env = servers.voice(skills_python) | settings(model)
    env["VOICEENGINE_CHAT_SKILLS_FIRST"] = "true"
    server = servers.start(tmp_path, env=env)
    server.wait_ready()
    try:
        async with connected(server, model="gpt-realtime") as client:
            before = len(model.asked())
            told = await answer(client, "what time is it")
            assert told["status"] == "completed"
            assert len(model.asked()) == before
            story = await answer(client, "invent a poem on glaciers and their shepherds")
            assert story["output"][0]["content"][0]["text"].strip() == WORDS
    finally:
        assert server.stop() == 0
