"""Declared relays: opened ahead, and taken over by another endpoint when theirs is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx2 as httpx
import pytest
import websockets

from tests.functional import server as servers
from tests.functional.caller import calling
from tests.functional.client import Client, connected, user_text
from tests.functional.server import Server
from tests.servers import upstream
from tests.servers.upstream import CONTROL, KEY, WORDS

DECLARED = """
[models.first]
kind = "relay"
relay = {{ url = "{first}", model = "theirs", api_key = {{ env = "RELAY_KEY" }} }}
fallback = "second"

[models.second]
kind = "relay"
relay = {{ url = "{second}", model = "others", api_key = {{ env = "RELAY_KEY" }} }}

[models.away]
kind = "relay"
relay = {{ url = "ws://127.0.0.1:1/v1/realtime" }}
fallback = "house"

[models.away-too]
kind = "relay"
relay = {{ url = "ws://127.0.0.1:1/v1/realtime", prompts = "endpoint" }}
fallback = "house"

[models.house]
kind = "echo"
features = ["images"]

[models.warm]
kind = "relay"
relay = {{ url = "{second}", model = "warm", warm_connections = 1, api_key = {{ env = "RELAY_KEY" }} }}
"""


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[str, str]]:
    """Two endpoints."""
    with ExitStack() as stack:
        yield stack.enter_context(upstream.running()), stack.enter_context(upstream.running())


@pytest.fixture(scope="module")
def gateway(places: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway with declared relays; trouble is short, so that tests are."""
    folder = tmp_path_factory.mktemp("relay-fallback")
    first, second = places
    (folder / "models.toml").write_text(DECLARED.format(first=first, second=second))
    env = {
        "VOICEENGINE_MODELS": str(folder / "models.toml"),
        "VOICEENGINE_RELAY_RECONNECT_S": "0.5",
        "RELAY_KEY": KEY,
    }
    server = servers.start(folder / "data", env=env)
    server.wait_ready()
    yield server
    assert server.stop() == 0


async def answer(client: Client, text: str) -> str:
    """Write something; return the status of the answer."""
    await client.send(type="conversation.item.create", item=user_text(text))
    await client.send(type="response.create")
    return str((await client.until("response.done"))[-1]["response"]["status"])


async def mend(url: str) -> None:
    """Let an endpoint take connections again."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with websockets.connect(f"{url}?model={CONTROL}", additional_headers=headers) as socket:
        await Client(socket).send(type="vendor.forget")
        await Client(socket).until("vendor.forgotten")


@pytest.mark.parametrize("how", ["die", "account"])
async def test_another_endpoint_takes_the_session_over_between_turns(
    gateway: Server, places: tuple[str, str], how: str
) -> None:
    """It is told configuration and conversation; the client hears of it by nothing but a fault."""
    before = gateway.metric("voiceengine_fallbacks_total")
    for url in places:
        await mend(url)
    async with connected(gateway, model="first") as client:
        told = {"type": "realtime", "instructions": "Remember me."}
        await client.send(type="session.update", session=told)
        assert await answer(client, "Before?") == "completed"
        await client.send(type="vendor.break", connections=1_000)
        await client.send(type="vendor.do", what=how if how == "die" else "refuse")
        assert await answer(client, "After?") == "completed"
        await client.send(type="vendor.tell")
        seen = (await client.until("vendor.told"))[-1]["received"]
    assert gateway.metric("voiceengine_fallbacks_total") == before + 1
    assert seen[0]["session"]["instructions"] == "Remember me."
    items = [event["item"] for event in seen if event["type"] == "conversation.item.create"]
    texts = [item["content"][0]["text"] for item in items]
    assert texts == ["Before?", "".join(WORDS), "After?"]


async def test_declared_relay_is_opened_ahead(gateway: Server) -> None:
    """As one of the environment is; the file and the database declare it (docs/models.md)."""

    def pooled() -> float:
        return gateway.metric("voiceengine_relay_warm_connections_total", result="hit")

    async with asyncio.timeout(30):
        while not pooled():
            async with connected(gateway, model="warm") as client:
                assert await answer(client, "Hello?") == "completed"
    assert pooled() == 1


ODD = {
    "type": "realtime", "instructions": "Remember me.", "vendor_field": 1,
    "reasoning": {"effort": "low"}, "tools": [{"type": "function", "name": "f", "vendor": 1}],
    "audio": {"output": {"voice": "theirs", "speed": 1.25}, "input": {"vendor": {"deep": 1}}},
}  # fmt: skip
"""Much of it is known to no model of ours."""


async def secret(gateway: Server, session: dict[str, Any]) -> str:
    """Mint a client secret."""
    headers = {"Authorization": f"Bearer {gateway.key}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers) as http:
        answer = await http.post("/realtime/client_secrets", json={"session": session})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["value"])


def of_house(session: dict[str, Any]) -> None:
    """Check that what the fallback takes was taken, and nothing else."""
    assert (session["model"], session["instructions"]) == ("away", "Remember me.")
    assert session["audio"]["output"]["speed"] == 1.25
    assert session["audio"]["output"]["voice"] == "alloy"
    assert session["tools"] == []
    assert "vendor_field" not in session


async def test_fallback_of_our_own_takes_what_it_knows_of_a_client_secret(gateway: Server) -> None:
    """The session was meant for the endpoint; what only that knows is left out, and logged."""
    value = await secret(gateway, {**ODD, "model": "away"})
    async with connected(gateway, model="away", key=value) as client:
        await client.send(type="session.update", session={"type": "realtime"})
        of_house((await client.until("session.updated"))[-1]["session"])
        assert await answer(client, "Hello?") == "completed"
    assert "session.vendor_field" in (gateway.data_dir / "server.log").read_text()


async def test_fallback_of_our_own_takes_what_it_knows_of_a_calls_form(gateway: Server) -> None:
    """The same for a call."""
    async with calling(gateway) as caller:
        answered = await caller.dial({**ODD, "model": "away"})
        assert answered.status_code == 201, answered.text
        of_house((await caller.until("session.created"))["session"])


async def test_session_whose_prompt_only_the_endpoint_knows_has_no_fallback(
    gateway: Server,
) -> None:
    """Without its persona it would be another session: 1011, which clients try again."""
    value = await secret(gateway, {"type": "realtime", "model": "away-too", "prompt": {"id": "p"}})
    headers = {"Authorization": f"Bearer {value}"}
    async with websockets.connect(gateway.ws_url, additional_headers=headers) as socket:
        error = (await Client(socket).until("error"))[-1]["error"]
        await socket.wait_closed()
    assert (error["type"], socket.close_code) == ("server_error", 1011)


async def test_wake_word_is_refused(gateway: Server) -> None:
    """Nobody here hears the words of a relayed session."""
    headers = {"Authorization": f"Bearer {gateway.key}"}
    url = f"{gateway.ws_url}?model=first&wake_word=hey_mycroft"
    async with websockets.connect(url, additional_headers=headers) as socket:
        error = (await Client(socket).until("error"))[-1]["error"]
    assert error["param"] == "wake_word"
