"""Stored prompts of a relayed model: filled in here, unless its endpoint keeps them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2 as httpx
import pytest

from tests.functional import server as servers
from tests.functional.caller import calling
from tests.functional.client import Client, connected
from tests.functional.server import Server
from tests.servers import upstream
from tests.servers.upstream import KEY, SESSION

SELLER = {"id": "seller", "variables": {"name": "Ada"}}
SAID = "You are Ada, who sells bicycles."
DEFAULT = SESSION["instructions"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway with a prompt, in front of a stand-in."""
    folder = tmp_path_factory.mktemp("relayed-prompts")
    (folder / "seller.txt").write_text("You are {{name}}, who sells bicycles.")
    with upstream.running() as url:
        theirs = {"url": url, "model": "theirs", "api_key": KEY}
        models = {"relayed": theirs, "delegated": {**theirs, "prompts": "endpoint"}}
        env = {"VOICEENGINE_RELAYS": json.dumps(models)}
        server = servers.start(folder / "data", env=env)
        server.wait_ready()
        servers.command(server, "prompts", "add", str(folder / "seller.txt"))
        yield server
        assert server.stop() == 0


@pytest.fixture
async def client(gateway: Server) -> AsyncIterator[Client]:
    """A client of the relayed model."""
    async with connected(gateway, model="relayed") as connection:
        yield connection


async def sent_up(client: Client, kind: str = "session.update") -> dict[str, Any]:
    """Return the last that the stand-in got of a type."""
    await client.send(type="vendor.tell", only=kind)
    return dict((await client.until("vendor.told"))[-1]["received"][-1])


async def update(client: Client, **session: Any) -> dict[str, Any]:
    """Update the session; return its echo."""
    await client.send(type="session.update", session={"type": "realtime", **session})
    return dict((await client.until("session.updated"))[-1]["session"])


async def test_prompt_is_filled_in_before_it_goes_up(client: Client) -> None:
    """The upstream reads words; the client's echo has the prompt as it sent it."""
    shown = await update(client, prompt=SELLER)
    assert (shown["prompt"], shown["instructions"]) == (SELLER, SAID)
    session = (await sent_up(client))["session"]
    assert session["instructions"] == SAID
    assert "prompt" not in session


async def test_field_beside_the_prompt_overrides_it(client: Client) -> None:
    """The client's own word counts (CONTRACT 6.11)."""
    assert (await update(client, prompt=SELLER, instructions="Mine."))["instructions"] == "Mine."


async def test_prompt_that_is_taken_away_takes_its_words_along(client: Client) -> None:
    """What nobody changed since goes with it; what somebody did stays."""
    await update(client, prompt=SELLER)
    shown = await update(client, prompt=None)
    assert (shown["prompt"], shown["instructions"]) == (None, DEFAULT)
    await update(client, prompt=SELLER)
    await update(client, instructions="Mine.")
    assert (await update(client, prompt=None))["instructions"] == "Mine."


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ({"id": "nobody"}, "prompt_not_found"),
        ({"id": "seller"}, "missing_required_parameter"),
        ({"id": 7}, "invalid_value"),
    ],
)
async def test_prompt_that_cannot_be_is_refused_and_does_not_go_up(
    client: Client, prompt: dict[str, Any], code: str
) -> None:
    """Nothing changes then."""
    before = await update(client, instructions="Before.")
    session = {"type": "realtime", "prompt": prompt, "instructions": "After."}
    await client.send(type="session.update", event_id="mine", session=session)
    error = (await client.until("error"))[-1]["error"]
    assert (error["code"], error["event_id"]) == (code, "mine")
    assert (await sent_up(client))["session"]["instructions"] == before["instructions"]


async def test_response_has_a_prompt_of_its_own(client: Client) -> None:
    """For once."""
    await client.send(type="response.create", response={"prompt": SELLER})
    await client.until("response.done")
    assert (await sent_up(client, "response.create"))["response"] == {"instructions": SAID}


async def test_client_secret_brings_its_prompt(gateway: Server) -> None:
    """It is filled in before the client hears of the session."""
    session = {"type": "realtime", "model": "relayed", "prompt": SELLER}
    headers = {"Authorization": f"Bearer {gateway.key}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers) as http:
        minted = (await http.post("/realtime/client_secrets", json={"session": session})).json()
    assert minted["session"]["instructions"] == SAID
    async with connected(gateway, model="relayed", key=minted["value"]) as client:
        assert (await sent_up(client))["session"]["instructions"] == SAID
        shown = await update(client, output_modalities=["text"])
        assert (shown["prompt"], shown["instructions"]) == (SELLER, SAID)


@pytest.mark.real
@pytest.mark.parametrize("model", ["echo", "relayed"])
async def test_form_beside_a_client_secret_is_an_update(gateway: Server, model: str) -> None:
    """Whoever answers: its prompt takes the place of earlier words, a label names a known server."""
    server = {"type": "mcp", "server_label": "s", "server_url": "http://127.0.0.1:1/mcp"}
    bound = {"type": "realtime", "model": model, "instructions": "Mine.", "tools": [server]}
    form = {"type": "realtime", "prompt": SELLER, "tools": [{"type": "mcp", "server_label": "s"}]}
    headers = {"Authorization": f"Bearer {gateway.key}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers) as http:
        minted = (await http.post("/realtime/client_secrets", json={"session": bound})).json()
    async with calling(gateway, minted["value"]) as caller:
        answered = await caller.dial(form)
        assert answered.status_code == 201, answered.text
        session = (await caller.until("session.created"))["session"]
    assert (session["instructions"], session["prompt"]) == (SAID, SELLER)
    assert session["tools"] == [server]


async def test_endpoint_that_keeps_prompts_gets_them_as_they_are(gateway: Server) -> None:
    """Nobody looks them up here."""
    theirs = {"id": "pmpt_1"}
    async with connected(gateway, model="delegated") as client:
        assert (await update(client, prompt=theirs))["prompt"] == theirs
        assert (await sent_up(client))["session"]["prompt"] == theirs
