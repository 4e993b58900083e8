"""A real chat endpoint: llama.cpp's own server behind the cascade.

Its weights are random, so that only the wire is looked at: streams, counts, calls, faults, ends.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.functional import server as servers
from tests.functional.client import Client, connected, user_text
from tests.functional.server import Server
from tests.servers import llama
from tests.servers.llama import CONTEXT_TOKENS, SLOTS, WORDS, Llama

pytestmark = pytest.mark.timeout(900)

SESSIONS, TURNS = 6, 10
ANSWER_TOKENS = 24
PLACES = ["Paris", "Rome"]
WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"place": {"enum": PLACES}, "days": {"type": "integer", "maximum": 9}},
        "required": ["place", "days"],
        "additionalProperties": False,
    },
}  # fmt: skip
NOTHING = {"type": "function", "name": "nothing", "parameters": {"type": "object"}}


@dataclass
class House:
    """A gateway and the models behind it."""

    gateway: Server
    words: Llama


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway in front of a model that says words, and of one that makes calls."""
    folder = tmp_path_factory.mktemp("llama")
    with ExitStack() as stack:
        words = stack.enter_context(llama.running("words", folder))
        calls = stack.enter_context(llama.running("calls", folder))
        models = {
            name: {"kind": "chat", "chat": {"url": one.url, "model": "random"}}
            for name, one in (("words", words), ("calls", calls))
        }
        (folder / "models.json").write_text(json.dumps({"models": models}))
        env = {"VOICEENGINE_MODELS": str(folder / "models.json")}
        gateway = servers.start(folder / "data", env=env)
        gateway.wait_ready()
        yield House(gateway, words)
        assert gateway.stop() == 0


async def configure(client: Client, **session: Any) -> None:
    """Update a session that is written."""
    told = {"type": "realtime", "output_modalities": ["text"], **session}
    await client.send(type="session.update", session=told)
    await client.until("session.updated")


async def answer(client: Client, text: str = "Hello?") -> tuple[dict[str, Any], list[str]]:
    """Ask something; return the response that came of it, and the deltas."""
    await client.send(type="conversation.item.create", item=user_text(text))
    await client.send(type="response.create")
    events = await client.until("response.done")
    deltas = [e["delta"] for e in events if e["type"].endswith((".text.delta", "_text.delta"))]
    return events[-1]["response"], deltas


async def talk(house: House) -> int:
    """Hold a conversation; return how many tokens were answered."""
    made = 0
    async with connected(house.gateway, model="words") as client:
        await configure(client, max_output_tokens=ANSWER_TOKENS)
        for _ in range(TURNS):
            response, deltas = await answer(client)
            assert response["status"] == "incomplete", response
            assert response["status_details"]["reason"] == "max_output_tokens"
            usage = response["usage"]
            assert usage["output_tokens"] == ANSWER_TOKENS
            assert usage["input_tokens"] > 0
            text = response["output"][0]["content"][0]["text"]
            assert "".join(deltas) == text
            assert len(deltas) > 1
            assert any(word in text for word in WORDS)
            made += usage["output_tokens"]
    return made


async def test_conversations_stream_and_are_counted(house: House) -> None:
    """More at a time than it has slots; its own count of tokens is told."""
    made = await asyncio.gather(*(talk(house) for _ in range(SESSIONS)))
    print(f"llama.cpp: {SESSIONS} sessions, {SESSIONS * TURNS} answers, {sum(made)} tokens")


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "weather"}])
async def test_forced_call_streams_its_arguments_and_takes_its_output(
    house: House, choice: Any
) -> None:
    """They fit the schema; a function that is named is the one that is called.

    Words may come before it, which are a message.
    """
    tools = [WEATHER] if choice == "required" else [NOTHING, WEATHER]
    for _ in range(TURNS):
        async with connected(house.gateway, model="calls") as client:
            await configure(client, tools=tools, tool_choice=choice)
            await client.send(type="conversation.item.create", item=user_text("Weather?"))
            await client.send(type="response.create")
            events = await client.until("response.done")
            response = events[-1]["response"]
            assert response["status"] == "completed", response
            called = [item for item in response["output"] if item["type"] == "function_call"]
            assert {item["name"] for item in called} == {"weather"}, response["output"]
            call = called[0]
            arguments = json.loads(call["arguments"])
            assert arguments["place"] in PLACES
            assert type(arguments["days"]) is int
            kind = "response.function_call_arguments.delta"
            deltas = [e["delta"] for e in events if e["type"] == kind]
            assert len(deltas) > 1
            output = {"type": "function_call_output", "call_id": call["call_id"], "output": "Rain."}
            await client.send(type="conversation.item.create", item=output)
            await client.send(type="response.create", response={"tool_choice": "none"})
            told = (await client.until("response.done"))[-1]["response"]
            assert told["status"] == "completed", told["status_details"]


async def test_cancelled_answers_leave_their_slots(house: House) -> None:
    """More are cut off than it has slots, and the next one is answered."""
    async with connected(house.gateway, model="words") as client:
        await configure(client)
        for _ in range(3 * SLOTS):
            await client.send(type="conversation.item.create", item=user_text("Go on."))
            await client.send(type="response.create")
            await client.until("response.output_text.delta")
            await client.send(type="response.cancel")
            cut = (await client.until("response.done"))[-1]["response"]
            assert cut["status"] == "cancelled"
        await configure(client, max_output_tokens=ANSWER_TOKENS)
        response, _ = await answer(client)
        assert response["status"] == "incomplete"


async def test_what_is_too_long_fails_and_the_session_goes_on(house: House) -> None:
    """llama.cpp's own word for it is understood (CONTRACT 11)."""
    async with connected(house.gateway, model="words") as client:
        await configure(client, instructions="x" * CONTEXT_TOKENS, max_output_tokens=ANSWER_TOKENS)
        response, _ = await answer(client)
        assert response["status"] == "failed"
        assert response["status_details"]["error"]["code"] == "context_length_exceeded"
        await configure(client, instructions="Be brief.")
        assert (await answer(client))[0]["status"] == "incomplete"


async def test_server_that_dies_in_an_answer_fails_it_and_the_next(house: House) -> None:
    """Told apart: it broke off, it is not there. The last test, since it stays away."""
    async with connected(house.gateway, model="words") as client:
        await configure(client)
        await client.send(type="conversation.item.create", item=user_text("Go on."))
        await client.send(type="response.create")
        await client.until("response.output_text.delta")
        house.words.process.kill()
        broken = (await client.until("response.done"))[-1]["response"]
        assert broken["status_details"]["error"]["code"] == "model_connection_lost"
        away, _ = await answer(client)
        assert away["status_details"]["error"]["code"] == "model_unavailable"
