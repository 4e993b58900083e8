"""Declared relays: opened ahead, and taken over by another endpoint when theirs is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import websockets

from tests.functional import server as servers
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


async def test_wake_word_is_refused(gateway: Server) -> None:
    """Nobody here hears the words of a relayed session."""
    headers = {"Authorization": f"Bearer {gateway.key}"}
    url = f"{gateway.ws_url}?model=first&wake_word=hey_mycroft"
    async with websockets.connect(url, additional_headers=headers) as socket:
        error = (await Client(socket).until("error"))[-1]["error"]
    assert error["param"] == "wake_word"
