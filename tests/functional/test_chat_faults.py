"""What a chat endpoint can do wrong: each ends in the contract's event and a session that goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional import server as servers
from tests.functional.client import Client, connected, user_text
from tests.functional.server import Server
from tests.functional.test_chat import WEATHER
from tests.servers import chat
from tests.servers.chat import WORDS, ChatServer


@pytest.fixture(scope="module")
def model() -> Iterator[ChatServer]:
    """A chat-completions server."""
    with chat.running() as running:
        yield running


@pytest.fixture(scope="module")
def server(model: ChatServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway in front of it; what the user writes decides what the model does."""
    env = {
        "VOICEENGINE_CHAT_URL": model.url,
        "VOICEENGINE_CHAT_MODEL": "by-text",
        "VOICEENGINE_CHAT_FIRST_TOKEN_S": "6",
        "VOICEENGINE_CHAT_NEXT_TOKEN_S": "1",
    }
    running = servers.start(tmp_path_factory.mktemp("faults"), env=env)
    running.wait_ready()
    yield running
    assert running.stop() == 0
    assert "secret" not in (running.data_dir / "server.log").read_text()


async def answered(client: Client, text: str, **response: Any) -> list[dict[str, Any]]:
    """Write something and ask; return the events up to the end of the response."""
    await client.send(type="conversation.item.create", item=user_text(text))
    await client.send(type="response.create", response={"output_modalities": ["text"], **response})
    return await client.until("response.done")


def said(events: list[dict[str, Any]]) -> str:
    """Return the words of a response that is done."""
    (item,) = events[-1]["response"]["output"]
    return str(item["content"][0]["text"]).strip()


@pytest.mark.parametrize(
    ("scenario", "code"),
    [
        ("drops", "model_connection_lost"),
        ("ends-early", "model_connection_lost"),
        ("hangs", "model_connection_lost"),
        ("hangs-up", "model_unavailable"),
        ("silent", "model_timeout"),
        ("no-headers", "model_timeout"),
        ("garbage", "model_answer_invalid"),
        ("429", "rate_limit_exceeded"),
        ("500", "model_unavailable"),
        ("unknown-call", "model_called_unknown_tool"),
        ("one-huge-token", "model_answer_too_long"),
        ("huge-line", "model_answer_too_long"),
        ("endless", "model_answer_too_long"),
        ("huge-call", "model_answer_too_long"),
    ],
)
async def test_fault_fails_the_response_and_the_session_goes_on(
    server: Server, scenario: str, code: str
) -> None:
    """One `response.done` failed with its code, no `error` event, and the next answer is whole."""
    async with connected(server, model="gpt-realtime") as client:
        events = await answered(client, scenario, tools=[WEATHER])
        done = events[-1]["response"]
        assert (done["status"], done["status_details"]["error"]["code"]) == ("failed", code)
        assert not [event for event in events if event["type"] == "error"]
        opened = [e["item"]["id"] for e in events if e["type"] == "response.output_item.added"]
        ended = [e["item"]["id"] for e in events if e["type"] == "response.output_item.done"]
        assert opened == ended
        assert said(await answered(client, "words")) == WORDS


async def test_malformed_arguments_are_the_clients_to_judge(server: Server) -> None:
    """Broken JSON reaches the client as the model wrote it, in a call that is complete."""
    async with connected(server, model="gpt-realtime") as client:
        events = await answered(client, "malformed-call", tools=[WEATHER])
        (call,) = events[-1]["response"]["output"]
        assert (events[-1]["response"]["status"], call["arguments"]) == ("completed", '{"place": ')
        assert said(await answered(client, "words")) == WORDS


async def test_retry_after_is_waited_for(server: Server, model: ChatServer) -> None:
    """A 429 that names its time is tried again then, and the client notices nothing."""
    async with connected(server, model="gpt-realtime") as client:
        before = len(model.asked())
        assert said(await answered(client, "busy-once")) == WORDS
        assert len(model.asked()) - before == 2


async def test_slow_words_come_as_they_come(server: Server) -> None:
    """Text is sent on while the model still thinks about the rest."""
    loop = asyncio.get_running_loop()
    async with connected(server, model="gpt-realtime") as client:
        await client.send(type="conversation.item.create", item=user_text("slow"))
        await client.send(type="response.create", response={"output_modalities": ["text"]})
        await client.until("response.output_text.delta")
        first = loop.time()
        await client.until("response.done")
    assert loop.time() - first > 0.5


async def test_parallel_calls_stream_their_arguments(server: Server) -> None:
    """Two calls are two items, one after the other, each with its deltas and its done."""
    async with connected(server, model="gpt-realtime") as client:
        events = await answered(client, "two-calls", tools=[WEATHER])
    calls = events[-1]["response"]["output"]
    assert [call["arguments"] for call in calls] == ['{"place":"A"}', '{"place":"B"}']
    for call in calls:
        deltas = [
            event["delta"]
            for event in events
            if event["type"] == "response.function_call_arguments.delta"
            and event["item_id"] == call["id"]
        ]
        assert len(deltas) > 1
        assert "".join(deltas) == call["arguments"]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "weather"}])
async def test_forced_call_is_what_the_model_is_asked(
    server: Server, model: ChatServer, choice: object
) -> None:
    """`required`, and a named function as the only one, which every server understands."""
    tools = [{**WEATHER, "name": "other"}, WEATHER] if choice != "required" else [WEATHER]
    async with connected(server, model="gpt-realtime") as client:
        events = await answered(client, "words", tools=tools, tool_choice=choice)
    output = events[-1]["response"]["output"]
    assert [(item["type"], item["name"]) for item in output] == [("function_call", "weather")]
    asked = model.asked()[-1]
    assert asked["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in asked["tools"]] == ["weather"]


async def test_parallel_calls_are_forbidden_by_session_or_response(
    server: Server, model: ChatServer
) -> None:
    """`parallel_tool_calls` of a reasoning model reaches the endpoint; a response has its own."""
    async with connected(server, model="gpt-realtime-2") as client:
        told = []
        for said_by in ({}, {"parallel_tool_calls": False}):
            session = {"type": "realtime", "tools": [WEATHER], **said_by}
            await client.send(type="session.update", session=session)
            await client.until("session.updated")
            for more in ({}, {"parallel_tool_calls": not said_by.get("parallel_tool_calls", True)}):
                await answered(client, "words", **more)
                told.append(model.asked()[-1].get("parallel_tool_calls"))
    assert told == [None, False, False, None]


async def test_response_beside_the_conversation_reads_its_own_input(
    server: Server, model: ChatServer
) -> None:
    """An out-of-band response with `input` reads that and nothing of the conversation."""
    async with connected(server, model="gpt-realtime") as client:
        await answered(client, "words")
        await client.send(
            type="response.create",
            response={
                "conversation": "none",
                "output_modalities": ["text"],
                "input": [user_text("words aside")],
            },
        )
        await client.until("response.done")
        asked = model.asked()[-1]["messages"]
        assert [message["content"] for message in asked[1:]] == ["words aside"]


async def test_images_reach_the_model(server: Server, model: ChatServer) -> None:
    """An image of the user's is part of the message that the model reads."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}
    item = user_text("words")
    item["content"].append(image)
    async with connected(server, model="gpt-realtime") as client:
        await client.send(type="conversation.item.create", item=item)
        await client.send(type="response.create", response={"output_modalities": ["text"]})
        done = (await client.until("response.done"))[-1]
    assert done["response"]["status"] == "completed"
    parts = model.asked()[-1]["messages"][-1]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url"]


async def test_truncation_keeps_the_oldest_from_the_model(
    server: Server, model: ChatServer
) -> None:
    """What `truncation` leaves out (CONTRACT 11) the endpoint never sees."""
    truncation = {
        "type": "retention_ratio",
        "retention_ratio": 0.5,
        "token_limits": {"post_instructions": 100},
    }
    async with connected(server, model="gpt-realtime") as client:
        session = {"type": "realtime", "truncation": truncation}
        await client.send(type="session.update", session=session)
        await client.until("session.updated")
        old = user_text("the old story " * 40)
        await client.send(type="conversation.item.create", item=old)
        assert said(await answered(client, "words")) == WORDS
    contents = [message["content"] for message in model.asked()[-1]["messages"]]
    assert contents[1:] == ["words"]


async def test_fault_of_a_spoken_answer_keeps_what_was_said(server: Server) -> None:
    """Usage stands in every end, also in one that failed in the middle."""
    async with connected(server, model="gpt-realtime") as client:
        events = await answered(client, "drops")
    done = events[-1]["response"]
    assert done["usage"]["total_tokens"] > 0
    assert done["output"][0]["status"] == "incomplete"
