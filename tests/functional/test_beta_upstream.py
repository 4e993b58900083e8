"""A relayed model whose endpoint speaks only the beta: clients of GA do not notice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import websockets

from tests.functional import server as servers
from tests.functional.client import Client, connected, types, user_text
from tests.functional.server import Server

TOOL = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture(scope="module")
def gateway(plain_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway that speaks the beta to a second one."""
    echo = {
        "url": plain_server.ws_url, "model": "echo", "api_key": plain_server.key, "dialect": "beta",
    }  # fmt: skip
    env = {"VOICEENGINE_RELAYS": json.dumps({"old": echo})}
    server = servers.start(tmp_path_factory.mktemp("beta-upstream"), env=env)
    server.wait_ready()
    yield server
    assert server.stop() == 0


@pytest.fixture
async def client(gateway: Server) -> AsyncIterator[Client]:
    """A client of GA."""
    async with connected(gateway, model="old") as connection:
        yield connection


async def configured(client: Client, **session: Any) -> dict[str, Any]:
    """Update the session; return what it is now."""
    await client.send(type="session.update", session={"type": "realtime", **session})
    return dict((await client.until("session.updated"))[-1]["session"])


async def answered(client: Client, text: str, **response: Any) -> list[dict[str, Any]]:
    """Write something; return the events to the end of the answer."""
    await client.send(type="conversation.item.create", item=user_text(text))
    await client.send(type="response.create", response=response)
    return await client.until("response.done")


def shape(value: Any) -> Any:
    """Return the keys of a value, its ids and lists left out."""
    if isinstance(value, dict):
        return {key: shape(below) for key, below in value.items()}
    return type(value).__name__


@pytest.mark.parametrize("modalities", [["audio"], ["text"]])
async def test_answer_is_the_same_as_of_an_endpoint_of_today(
    gateway: Server, plain_server: Server, modalities: list[str]
) -> None:
    """Every event in the same order, with the same keys (CONTRACT 8.1, 8.2, 18)."""
    seen = []
    for server, model in ((plain_server, "echo"), (gateway, "old")):
        async with connected(server, model=model) as client:
            session = await configured(client, output_modalities=modalities)
            assert session["output_modalities"] == modalities
            events = await answered(client, "tone:200")
            seen.append((session, events))
    (direct, ours), (relayed, theirs) = seen
    assert shape(relayed) == shape(direct)
    assert types(theirs) == types(ours)
    by_kind = {event["type"]: event for event in theirs}
    for event in ours:
        assert by_kind[event["type"]].keys() == event.keys(), event["type"]
    assert shape(theirs[-1]["response"]) == shape(ours[-1]["response"])
    assert (
        theirs[-1]["response"]["output"][0]["content"]
        == ours[-1]["response"]["output"][0]["content"]
    )


async def test_configuration_is_flat_there_and_nested_here(client: Client) -> None:
    """Each field comes back where the client put it."""
    audio = {
        "input": {"format": {"type": "audio/pcmu"}, "turn_detection": None},
        "output": {"format": {"type": "audio/pcma"}, "voice": "verse", "speed": 1.25},
    }
    wanted = {"instructions": "Be brief.", "max_output_tokens": 99, "tools": [TOOL], "audio": audio}
    session = await configured(client, **wanted)
    assert (session["instructions"], session["max_output_tokens"]) == ("Be brief.", 99)
    assert [tool["name"] for tool in session["tools"]] == ["look"]
    assert session["audio"]["input"]["format"]["type"] == "audio/pcmu"
    assert session["audio"]["input"]["turn_detection"] is None
    output = session["audio"]["output"]
    assert (output["voice"], output["speed"]) == ("verse", 1.25)
    assert output["format"]["type"] == "audio/pcma"
    assert (session["type"], session["model"]) == ("realtime", "old")
    assert "temperature" not in session


async def test_item_of_the_assistant_is_written_and_retrieved(client: Client) -> None:
    """Its content has other names there."""
    said = [{"type": "output_text", "text": "Yes."}]
    item = {"type": "message", "role": "assistant", "content": said}
    await client.send(type="conversation.item.create", item=item)
    done = (await client.until("conversation.item.done"))[-1]["item"]
    await client.send(type="conversation.item.retrieve", item_id=done["id"])
    found = (await client.until("conversation.item.retrieved"))[-1]["item"]
    assert found["content"] == done["content"] == said


async def test_response_of_its_own_voice_and_limit(client: Client) -> None:
    """What one response overrides, and what is said beside the conversation."""
    events = await answered(client, "tone:200", conversation="none", output_modalities=["text"])
    response = events[-1]["response"]
    assert (response["conversation_id"], response["output_modalities"]) == (None, ["text"])
    assert types(events).count("conversation.item.added") == 1  # the caller's own


async def test_error_names_the_field_that_the_client_sent(client: Client) -> None:
    """In the words of GA."""
    audio = {"output": {"speed": 9}}
    await client.send(
        type="session.update", event_id="mine", session={"type": "realtime", "audio": audio}
    )
    error = (await client.until("error"))[-1]["error"]
    assert (error["event_id"], error["param"]) == ("mine", "session.audio.output.speed")


async def test_client_of_the_beta_meets_an_endpoint_of_the_beta(gateway: Server) -> None:
    """Both edges are translated, each for itself."""
    headers = {"Authorization": f"Bearer {gateway.key}", "OpenAI-Beta": "realtime=v1"}
    async with websockets.connect(
        f"{gateway.ws_url}?model=old", additional_headers=headers
    ) as socket:
        client = Client(socket)
        assert (await client.receive())["session"]["modalities"] == ["audio", "text"]
        await client.send(type="conversation.item.create", item=user_text("tone:200"))
        await client.send(type="response.create")
        seen = types(await client.until("response.done"))
    assert "response.audio.delta" in seen
    assert "conversation.item.added" not in seen
