"""Declared models and stored prompts at a real server, as an operator and a client meet them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets

from tests.functional import server as servers
from tests.functional.client import Client, connected, until, user_text
from tests.functional.server import Server
from tests.servers import chat
from tests.servers.chat import WORDS, ChatServer

DECLARED = """
[models.line]
kind = "chat"
instructions = "You answer for a bicycle shop."
voice = "marin"
chat = {{ url = "{url}", model = "words", api_key = {{ env = "LLM_KEY" }} }}
prices = {{ text_in = 2.0, text_cached = 0.5, text_out = 8.0, per_minute = 60.0 }}

[models.broken]
kind = "chat"
chat = {{ url = "{url}", model = "401" }}
fallback = "echo"

[models.far]
kind = "relay"
relay = {{ url = "ws://127.0.0.1:9/v1/realtime" }}
fallback = "echo"

[models.routed]
kind = "echo"
[[models.routed.routes]]
to = "line"
words = 3

[models.bare]
kind = "echo"
features = []
limits = {{ sessions = 1, session_minutes = 5 }}
"""


@pytest.fixture(scope="module")
def model() -> Iterator[ChatServer]:
    """A chat-completions server."""
    with chat.running() as running:
        yield running


@pytest.fixture(scope="module")
def server(model: ChatServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway with models of its own."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "models.toml").write_text(DECLARED.format(url=model.url))
    env = {
        "VOICEENGINE_MODELS": str(folder / "models.toml"),
        "VOICEENGINE_MODELS_POLL_S": "0.2",
        "LLM_KEY": "sk-llm",
    }
    running = servers.start(folder / "data", env=env)
    running.wait_ready()
    yield running
    assert running.stop() == 0


def rest(server: Server, path: str, *, key: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    """Ask the REST API; return the status and the answer."""
    request = urllib.request.Request(
        server.url + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def row(server: Server, query: str) -> tuple[Any, ...] | None:
    """Return the first row of a query to the server's database."""
    with sqlite3.connect(server.data_dir / "voiceengine.db") as database:
        found: tuple[Any, ...] | None = database.execute(query).fetchone()
    return found


async def answer(client: Client, text: str, **response: Any) -> dict[str, Any]:
    """Write something, ask for text; return the response when it is done."""
    await client.send(type="conversation.item.create", item=user_text(text))
    await client.send(type="response.create", response={"output_modalities": ["text"], **response})
    return dict((await client.until("response.done"))[-1]["response"])


def said(response: dict[str, Any]) -> str:
    """Return what a response says."""
    return str(response["output"][0]["content"][0]["text"]).strip()


async def refusal(server: Server, model: str, key: str) -> tuple[str, int | None]:
    """Return the code of the error that a connection gets, and its close code."""
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{server.ws_url}?model={model}"
    async with websockets.connect(url, additional_headers=headers) as socket:
        error = json.loads(await socket.recv())["error"]
        await socket.wait_closed()
        return str(error["code"]), socket.close_code


async def test_declared_model_answers_on_its_terms(server: Server, model: ChatServer) -> None:
    """Its endpoint, key, instructions, voice; and what it costs stands in the record."""
    headers = {"Authorization": f"Bearer {server.key}"}
    async with websockets.connect(
        f"{server.ws_url}?model=line", additional_headers=headers
    ) as socket:
        session = json.loads(await socket.recv())["session"]
        assert session["instructions"] == "You answer for a bicycle shop."
        assert session["audio"]["output"]["voice"] == "marin"
        client = Client(socket)
        assert said(await answer(client, "What time is it?")) == WORDS
    assert model.asked()[-1]["messages"][0]["content"].startswith("You answer for a bicycle")
    await until(lambda: row(server, "SELECT ended_at FROM sessions WHERE model='line'") is not None)
    query = "SELECT body, cost_micros FROM usage WHERE model='line'"
    await until(lambda: row(server, query) is not None)
    found = row(server, query)
    assert found is not None
    usage = json.loads(found[0])
    wrote = usage["output_token_details"]["text_tokens"]
    cached = usage["input_token_details"]["cached_tokens_details"]["text_tokens"]
    fresh = usage["input_token_details"]["text_tokens"] - cached
    assert found[1] == round(fresh * 2 + cached * 0.5 + wrote * 8)
    assert server.metric("voiceengine_cost_micros_total", model="line", kind="responses") > 0


async def test_fallback_answers_for_a_model_that_refuses(server: Server) -> None:
    """The caller hears nothing of it, and the second turn does not ask the first at all."""
    before = server.metric("voiceengine_fallbacks_total")
    async with connected(server, model="broken") as client:
        assert said(await answer(client, "one")) == "one"
        assert said(await answer(client, "two")) == "two"
    assert server.metric("voiceengine_fallbacks_total") == before + 2


async def test_relay_that_cannot_be_reached_gives_its_sessions_away(server: Server) -> None:
    """The session is one of ours, under the name that was asked for."""
    async with connected(server, model="far") as client:
        assert said(await answer(client, "hello")) == "hello"


async def test_rules_choose_who_answers(server: Server) -> None:
    """By the length of the request, anew at each response."""
    async with connected(server, model="routed") as client:
        assert said(await answer(client, "short")) == "short"
        assert said(await answer(client, "a longer question this")) == WORDS
        assert said(await answer(client, "short")) == "short"


async def test_model_without_features_refuses_them(server: Server) -> None:
    """Tools, transcription and images are unknown to it, and nothing else is."""
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    image = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}
    asked: list[dict[str, Any]] = [
        {"type": "session.update", "session": {"type": "realtime", "tools": [tool]}},
        {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {
            "transcription": {"model": "whisper-1"}}}}},
        {"type": "response.create", "response": {"tools": [tool]}},
        {"type": "conversation.item.create", "item": {
            "type": "message", "role": "user", "content": [image]}},
    ]  # fmt: skip
    params = []
    async with connected(server, model="bare") as client:
        for event in asked:
            await client.send(**event)
            error = (await client.until("error"))[-1]["error"]
            assert error["code"] == "unknown_parameter"
            params.append(error["param"])
        assert said(await answer(client, "still here")) == "still here"
    assert params == [
        "session.tools", "session.audio.input.transcription", "response.tools", "item.content",
    ]  # fmt: skip


async def test_project_has_so_many_sessions_of_a_model(server: Server) -> None:
    """One more is told to come again, and finds a place once one is free."""
    async with connected(server, model="bare"):
        assert await refusal(server, "bare", server.key) == ("rate_limit_exceeded", 1013)
    async with asyncio.timeout(30):
        while True:
            try:
                async with connected(server, model="bare"):
                    break
            except AssertionError:
                await asyncio.sleep(0.1)


async def test_key_is_held_to_its_models(server: Server) -> None:
    """Every way in answers a name that the key may not use as it answers an unknown one."""
    key = servers.command(server, "keys", "create", "--models", "line,echo").strip()
    listed = {entry["id"] for entry in rest(server, "/models", key=key)[1]["data"]}
    assert {"line", "echo"} <= listed
    assert not listed & {"broken", "gpt-realtime"}
    assert rest(server, "/models/broken", key=key)[0] == 404
    assert rest(server, "/models/line", key=key)[0] == 200
    unknown = await refusal(server, "nobody", key)
    assert await refusal(server, "broken", key) == unknown == ("invalid_model", 4000)
    status, fault = rest(
        server, "/realtime/client_secrets", key=key,
        body={"session": {"type": "realtime", "model": "broken"}},
    )  # fmt: skip
    assert (status, fault["error"]["code"]) == (400, "invalid_model")
    async with connected(server, model="echo", key=key) as client:
        assert said(await answer(client, "hello")) == "hello"


async def test_project_s_declaration_is_taken_over(server: Server, tmp_path: Path) -> None:
    """A running server serves it soon, and forgets it as soon."""
    (tmp_path / "own.json").write_text('{"models": {"own": {"kind": "echo"}}}')
    assert await refusal(server, "own", server.key) == ("invalid_model", 4000)
    servers.command(server, "models", "put", str(tmp_path / "own.json"))
    assert "own" in servers.command(server, "models", "list")
    await until(lambda: rest(server, "/models/own", key=server.key)[0] == 200)
    async with connected(server, model="own") as client:
        servers.command(server, "models", "remove", "own")
        await until(lambda: rest(server, "/models/own", key=server.key)[0] == 404)
        assert said(await answer(client, "still here")) == "still here"


async def test_prompt_is_a_persona_on_the_wire(
    server: Server, model: ChatServer, tmp_path: Path
) -> None:
    """Added while the server runs; in an update, a response, and swapped in mid-session."""
    (tmp_path / "seller.txt").write_text("You are {{name}}, who sells bicycles.")
    (tmp_path / "thief.toml").write_text('instructions = "You steal them."\nvoice = "cedar"\n')
    servers.command(server, "prompts", "add", str(tmp_path))
    ada = {"id": "seller", "variables": {"name": "Ada"}}

    async def heard(client: Client, **response: Any) -> str:
        await answer(client, "hello", **response)
        return str(model.asked()[-1]["messages"][0]["content"])

    async with connected(server, model="line") as client:
        for prompt, words in ((ada, "You are Ada"), ({"id": "thief"}, "You steal them.")):
            await client.send(type="session.update", session={"type": "realtime", "prompt": prompt})
            session = (await client.until("session.updated"))[-1]["session"]
            assert session["prompt"] == prompt
            assert (await heard(client)).startswith(words)
        assert (await heard(client, prompt=ada)).startswith("You are Ada")
        assert (await heard(client)).startswith("You steal them.")
        await client.send(type="session.update", session={"type": "realtime", "prompt": None})
        await client.until("session.updated")
        assert (await heard(client)).startswith("You answer for a bicycle shop.")


async def test_client_secret_carries_a_prompt(server: Server, tmp_path: Path) -> None:
    """It is looked up when the secret is made, and again when the session begins."""
    (tmp_path / "clerk.txt").write_text("You are a clerk.")
    servers.command(server, "prompts", "add", str(tmp_path / "clerk.txt"))
    body = {"session": {"type": "realtime", "model": "echo", "prompt": {"id": "clerk"}}}
    status, minted = rest(server, "/realtime/client_secrets", key=server.key, body=body)
    assert (status, minted["session"]["instructions"]) == (200, "You are a clerk.")
    (tmp_path / "clerk.txt").write_text("You are another clerk.")
    servers.command(server, "prompts", "add", str(tmp_path / "clerk.txt"))
    headers = {"Authorization": f"Bearer {minted['value']}"}
    async with websockets.connect(server.ws_url, additional_headers=headers) as socket:
        session = json.loads(await socket.recv())["session"]
    assert session["instructions"] == "You are another clerk."
    body["session"]["prompt"] = {"id": "nobody"}  # type: ignore[index]
    status, fault = rest(server, "/realtime/client_secrets", key=server.key, body=body)
    assert (status, fault["error"]["code"]) == (404, "prompt_not_found")
    assert fault["error"]["param"] == "session.prompt.id"


def test_commands_tell_what_is_wrong(server: Server, tmp_path: Path) -> None:
    """An operator's mistake is a line and an exit code."""
    (tmp_path / "bad.json").write_text('{"models": {"x": {"kind": "guess"}}}')
    (tmp_path / "bad.toml").write_text("tools = 7\n")
    servers.command(server, "models", "put", str(tmp_path / "bad.json"), code=1)
    (tmp_path / "skills.json").write_text('{"models": {"x": {"kind": "skills"}}}')
    without = {"VOICEENGINE_SKILLS": "false"}
    put = ("models", "put", str(tmp_path / "skills.json"))
    servers.command(server, *put, code=1, env=without)
    servers.command(server, "models", "remove", "nobody", code=1)
    servers.command(server, "prompts", "add", str(tmp_path / "bad.toml"), code=1)
    servers.command(server, "prompts", "show", "nobody", code=1)
    servers.command(server, "keys", "allow", "nobody", "line", code=1)
