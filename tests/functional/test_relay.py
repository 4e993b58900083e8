"""A model name that another endpoint answers for: what passes, what is kept back, what survives."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, cast

import httpx2 as httpx
import pytest
import websockets
from openai import AsyncOpenAI
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tests.functional import server as servers
from tests.functional.client import Client, connected, types, until, user_text
from tests.functional.server import Server
from tests.servers import upstream
from tests.servers.upstream import ARGUMENTS, BIG_BYTES, BRIEF, CONTROL, FLOOD, KEY, WORDS

ANSWER = "".join(WORDS)


def relays(**models: dict[str, Any]) -> dict[str, str]:
    """Return what an operator sets; trouble is short, so that tests are."""
    return {
        "VOICEENGINE_RELAYS": json.dumps(models),
        "VOICEENGINE_RELAY_SILENCE_S": "4",
        "VOICEENGINE_RELAY_RECONNECT_S": "3",
    }


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A foreign endpoint."""
    with upstream.running() as running:
        yield running


@pytest.fixture(scope="module")
def slow() -> Iterator[socket.socket]:
    """An endpoint that says nothing until somebody accepts its connections."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


@pytest.fixture(scope="module")
def shared(
    url: str, slow: socket.socket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A gateway in front of it."""
    theirs = {"url": url, "model": "theirs", "api_key": KEY}
    models = {
        "relayed": theirs,
        "warm": {**theirs, "model": "warm", "warm_connections": 1},
        "brief": {**theirs, "model": BRIEF},
        "azure": {**theirs, "key_header": "api-key"},
        "locked-out": {**theirs, "api_key": "wrong"},
        "nowhere": {"url": "ws://127.0.0.1:1/v1/realtime"},
        "slow": {"url": f"ws://127.0.0.1:{slow.getsockname()[1]}/v1/realtime", "model": "theirs"},
    }
    server = servers.start(tmp_path_factory.mktemp("relay"), env=relays(**models))
    server.wait_ready()
    yield server
    assert server.stop() == 0


@pytest.fixture
async def gateway(shared: Server, url: str) -> Server:
    """The same, in front of an endpoint that remembers nothing of other tests."""
    headers = {"Authorization": f"Bearer {KEY}"}
    control = f"{url}?model={CONTROL}"
    async with websockets.connect(control, additional_headers=headers) as socket:
        client = Client(socket)
        await client.send(type="vendor.forget")
        await client.until("vendor.forgotten")
    return shared


@asynccontextmanager
async def told(client: Client) -> AsyncIterator[dict[str, Any]]:
    """Ask the upstream what it was sent."""
    await client.send(type="vendor.tell")
    yield (await client.until("vendor.told"))[-1]


async def answer(client: Client, text: str = "Hello?") -> list[dict[str, Any]]:
    """Write something; return the events to the end of the answer."""
    await client.send(type="conversation.item.create", item=user_text(text))
    await client.send(type="response.create")
    return await client.until("response.done")


def recorded(server: Server, query: str) -> list[dict[str, Any]]:
    """Return the JSON of a column."""
    with closing(sqlite3.connect(server.data_dir / "voiceengine.db")) as database:
        return [json.loads(body) for (body,) in database.execute(query)]


def rest(server: Server, session: dict[str, Any]) -> tuple[int, Any]:
    """Ask for a client secret."""
    headers = {"Authorization": f"Bearer {server.key}"}
    url = f"{server.url}/realtime/client_secrets"
    answer = httpx.post(url, json={"session": session}, headers=headers)
    return answer.status_code, answer.json()


def mcp_tool(**fields: Any) -> dict[str, Any]:
    """Return a server that nobody asks here."""
    return {"type": "mcp", "server_label": "s", "server_url": "http://127.0.0.1:1/mcp", **fields}


# --- what passes ---


async def test_sdk_talks_to_another_gateway(plain_server: Server, tmp_path: Path) -> None:
    """The Python SDK hears a relayed answer as it hears a direct one."""
    echo = {"url": plain_server.ws_url, "model": "echo", "api_key": plain_server.key}
    server = servers.start(tmp_path, env=relays(relayed=echo))
    server.wait_ready()
    try:
        client = AsyncOpenAI(api_key=server.key, base_url=server.url)
        async with client.realtime.connect(model="relayed") as connection:
            item: Any = user_text("tone:400")
            await connection.conversation.item.create(item=item)
            await connection.response.create()
            seen = []
            async for event in connection:
                seen.append(event)
                if event.type in {"rate_limits.updated", "error"}:
                    break
    finally:
        assert server.stop() == 0
    kinds = [event.type for event in seen]
    assert kinds[0] == "session.created"
    assert kinds[-2:] == ["response.done", "rate_limits.updated"]
    assert "response.output_audio.delta" in kinds
    assert seen[0].session.model == "relayed"  # type: ignore[union-attr]


async def test_recorded_session_passes_with_foreign_ids_unknown_events_and_key_order(
    contract: Path, tmp_path: Path
) -> None:
    """Every event of a recording comes, each followed by one that nobody knows (CONTRACT 20)."""
    with upstream.running(contract / "traces") as url:
        recorded = {"url": url, "model": "ga_2026-09_ws_text", "api_key": KEY}
        server = servers.start(tmp_path, env=relays(recorded=recorded))
        server.wait_ready()
        async with connected(server, model="recorded") as client:
            text = {"type": "realtime", "output_modalities": ["text"]}
            await client.send(type="session.update", session=text)
            events = await client.until("session.updated")
            await client.send(type="conversation.item.create", item=user_text("Say hi"))
            await client.send(type="response.create")
            events += await client.until("response.done")
        assert server.stop() == 0
    hints = [event for event in events if event["type"] == "vendor.hint"]
    assert [hint["hint"]["of"] for hint in hints[:2]] == ["session.created", "session.updated"]
    assert "response.output_text.delta" in types(events)
    assert all(str(event["event_id"]).startswith("foreign-") for event in events)
    assert events[-1]["response"]["usage"]["total_tokens"] > 0


async def test_session_is_shown_under_the_name_the_client_knows(gateway: Server) -> None:
    """The upstream's id stays, its name for the model and its time limit do not."""
    headers = {"Authorization": f"Bearer {gateway.key}"}
    async with websockets.connect(
        f"{gateway.ws_url}?model=relayed", additional_headers=headers
    ) as socket:
        session = json.loads(await socket.recv())["session"]
    assert (session["id"], session["model"]) == ("foreign/sess-1", "relayed")
    assert session["expires_at"] > 1


@pytest.mark.parametrize("model", ["relayed", "azure"])
async def test_upstream_gets_its_own_key_in_the_form_it_wants(gateway: Server, model: str) -> None:
    """The client's key opens the gateway, the operator's key the upstream."""
    async with connected(gateway, model=model) as client, told(client) as what:
        assert what["authorised"] == [True]


async def test_large_event_passes(gateway: Server) -> None:
    """An event of 15 MiB is legal, and the session goes on behind it."""
    async with connected(gateway, model="relayed") as client:
        await client.send(type="vendor.do", what="big")
        big = (await client.until("vendor.big"))[-1]
        assert len(big["body"]) == BIG_BYTES
        assert (await answer(client))[-1]["response"]["status"] == "completed"


async def test_what_is_no_event_is_answered_here_and_the_rest_there(gateway: Server) -> None:
    """A frame without a type never reaches the upstream; one of an unknown type does."""
    async with connected(gateway, model="relayed") as client:
        await client.socket.send("{nonsense")
        assert (await client.receive())["error"]["code"] == "invalid_json"
        await client.socket.send(b"\x00")
        assert (await client.receive())["error"]["code"] == "invalid_event"
        await client.send(nothing="here")
        assert (await client.receive())["error"]["code"] == "invalid_event"
        await client.send(type="vendor.unknown", value=1.0)
        async with told(client) as what:
            assert what["received"] == [{"type": "vendor.unknown", "value": 1.0}]


async def test_frame_with_a_key_twice_goes_up_as_it_was_judged(gateway: Server) -> None:
    """Input audio by its first `type`, an update by its second: the upstream reads one only."""
    twice = '{"type":"input_audio_buffer.append","audio":"","type":"vendor.second"}'
    async with connected(gateway, model="relayed") as client:
        await client.socket.send(twice)
        await client.socket.send('{"type":"input_audio_buffer.append","audio":"AAAA"}')
        async with told(client) as what:
            kinds = [event["type"] for event in what["received"]]
    assert kinds == ["vendor.second", "input_audio_buffer.append"]


async def test_usage_and_items_are_recorded(gateway: Server) -> None:
    """The books know what the upstream counted."""
    before = gateway.metric("voiceengine_responses_total", status="completed")
    async with connected(gateway, model="relayed") as client:
        events = await answer(client)
        assert events[-1]["response"]["usage"]["total_tokens"] == 30
        limits = (await client.until("rate_limits.updated"))[-1]
    assert limits["rate_limits"][0]["name"] == "tokens"
    assert gateway.metric("voiceengine_responses_total", status="completed") == before + 1
    response_id = events[-1]["response"]["id"]
    booked = f"select body from usage where response_id = '{response_id}'"
    await until(lambda: bool(recorded(gateway, booked)))
    assert recorded(gateway, booked)[0]["total_tokens"] == 30
    items = f"select body from items where item_id = '{events[-1]['response']['output'][0]['id']}'"
    assert recorded(gateway, items)[0]["content"][0]["text"] == ANSWER


async def test_client_secret_configures_the_upstream_before_the_client_hears_of_it(
    gateway: Server,
) -> None:
    """`session.created` already shows what the secret binds, and a new connection has it too."""
    client = AsyncOpenAI(api_key=gateway.key, base_url=gateway.url)
    bound: Any = {"type": "realtime", "model": "relayed", "instructions": "Be bound."}
    secret = await client.realtime.client_secrets.create(session=bound)
    headers = {"Authorization": f"Bearer {secret.value}"}
    async with websockets.connect(gateway.ws_url, additional_headers=headers) as socket:
        created = json.loads(await socket.recv())
        assert created["session"]["instructions"] == "Be bound."
        wire = Client(socket)
        await wire.send(type="vendor.do", what="die")
        await answer(wire)
        async with told(wire) as what:
            updates = [event for event in what["received"] if event["type"] == "session.update"]
    assert [update["session"]["instructions"] for update in updates] == ["Be bound."] * 2
    assert "model" not in updates[0]["session"]


async def test_client_secret_takes_what_only_the_endpoint_knows(gateway: Server) -> None:
    """As an update does: fields, a voice, options of its model; our own models refuse them."""
    known = {"type": "realtime", "model": "relayed"}
    audio = {"output": {"voice": "theirs"}, "input": {"vendor": 1}}
    bound = {**known, "vendor_field": {"of": "theirs"}, "audio": audio, "tracing": "auto"}
    bound["reasoning"] = {"effort": "low"}
    status, minted = rest(gateway, bound)
    assert status == 200, minted
    shown = minted["session"]
    assert (shown["vendor_field"], shown["reasoning"]) == ({"of": "theirs"}, {"effort": "low"})
    assert shown["audio"]["input"]["vendor"] == 1
    assert shown["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    assert (shown["audio"]["output"]["voice"], shown["audio"]["output"]["speed"]) == ("theirs", 1.0)
    assert (shown["tracing"], shown["expires_at"]) == ("auto", 0)
    headers = {"Authorization": f"Bearer {minted['value']}"}
    async with websockets.connect(gateway.ws_url, additional_headers=headers) as socket:
        created = json.loads(await socket.recv())["session"]
    assert (created["vendor_field"], created["audio"]["output"]["voice"]) == (
        {"of": "theirs"},
        "theirs",
    )


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"model": "relayed", "vendor": 1, "instructions": 7}, "session.instructions"),
        ({"model": "relayed", "tools": [mcp_tool(), mcp_tool()]}, "session.tools[1].server_label"),
        ({"model": "echo", "vendor": 1}, "session.vendor"),
        ({"model": "echo", "audio": {"output": {"voice": "theirs"}}}, "session.audio.output.voice"),
    ],
)
async def test_client_secret_is_checked_in_what_is_known_here(
    gateway: Server, wrong: dict[str, Any], param: str
) -> None:
    """Whoever answers; a field that nobody here knows is refused for models of ours."""
    status, fault = rest(gateway, {"type": "realtime", **wrong})
    assert (status, fault["error"]["param"]) == (400, param)


async def test_client_secret_of_a_relay_hides_what_its_servers_are_opened_with(
    gateway: Server,
) -> None:
    """A token is for the server; whoever reads the answer need not have it (CONTRACT 8.5)."""
    tool = mcp_tool(authorization="s3cret", vendor_hint="kept")
    status, minted = rest(gateway, {"type": "realtime", "model": "relayed", "tools": [tool]})
    assert status == 200, minted
    assert minted["session"]["tools"] == [mcp_tool(vendor_hint="kept")]


def pooled(server: Server, result: str) -> float:
    """Return how many sessions got a connection that was there already."""
    return server.metric("voiceengine_relay_warm_connections_total", result=result)


async def test_warm_connection_is_handed_out_once_and_replaced(gateway: Server) -> None:
    """Off unless asked for; each client has a session of its own."""
    for taken in (1, 2):
        while pooled(gateway, "hit") < taken:
            async with connected(gateway, model="warm") as client:
                assert (await answer(client))[-1]["response"]["status"] == "completed"
    async with connected(gateway, model="relayed") as client:
        await answer(client)
    assert pooled(gateway, "hit") == 2


async def test_caller_with_a_safety_identifier_gets_a_connection_of_its_own(
    gateway: Server,
) -> None:
    """The identifier goes with the handshake, so that an older connection cannot be its."""
    before = pooled(gateway, "hit") + pooled(gateway, "miss")
    headers = {"Authorization": f"Bearer {gateway.key}", "OpenAI-Safety-Identifier": "user-7"}
    async with websockets.connect(
        f"{gateway.ws_url}?model=warm", additional_headers=headers
    ) as socket:
        await socket.recv()
        async with told(Client(socket)) as seen:
            assert "user-7" in seen["identifiers"]
    assert pooled(gateway, "hit") + pooled(gateway, "miss") == before


async def test_client_is_welcomed_while_the_upstream_thinks(
    gateway: Server, slow: socket.socket
) -> None:
    """The upgrade waits for nobody; the session begins when the upstream's does."""
    loop = asyncio.get_running_loop()
    headers = {"Authorization": f"Bearer {gateway.key}"}
    for _ in range(2):  # the key is looked up, and remembered
        async with websockets.connect(
            f"{gateway.ws_url}?model=slow", additional_headers=headers
        ) as client:
            there, _address = await loop.sock_accept(slow)
            with there:
                handshake = ServerProtocol()
                while not (asked := handshake.events_received()):
                    handshake.receive_data(await loop.sock_recv(there, 65_536))
                handshake.send_response(handshake.accept(cast("Request", asked[0])))
                handshake.send_text(b'{"type":"session.created","session":{"type":"realtime"}}')
                await loop.sock_sendall(there, b"".join(handshake.data_to_send()))
                created = json.loads(await client.recv())
                assert created["type"] == "session.created"


# --- what is kept back ---


@pytest.mark.parametrize("model", ["locked-out", "nowhere"])
async def test_upstream_that_refuses_us_is_a_server_error(gateway: Server, model: str) -> None:
    """101, `error`, close 1011, and nothing of why (CONTRACT 4)."""
    headers = {"Authorization": f"Bearer {gateway.key}"}
    async with websockets.connect(
        f"{gateway.ws_url}?model={model}", additional_headers=headers
    ) as socket:
        text = str(await socket.recv())
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1011
    assert json.loads(text)["error"]["type"] == "server_error"
    assert "upstream" not in text
    assert KEY not in text


async def test_error_about_the_operators_account_is_told_without_its_words(
    gateway: Server,
) -> None:
    """The client learns that the model is busy, not whose credit is used up."""
    async with connected(gateway, model="relayed") as client:
        await client.send(type="vendor.do", what="account")
        error = (await client.until("error"))[-1]["error"]
    assert error["code"] == "rate_limit_exceeded"
    assert "org-77" not in error["message"]
    assert KEY not in error["message"]


# --- what survives ---


@pytest.mark.parametrize("what", ["die", "close", "garbage", "binary", "expire"])
async def test_idle_session_does_not_notice_that_the_upstream_goes(
    gateway: Server, what: str
) -> None:
    """A new connection knows the configuration and the words; the client hears nothing."""
    async with connected(gateway, model="relayed") as client:
        update = {"type": "realtime", "instructions": "Be brief.", "tool_choice": "none"}
        await client.send(type="session.update", session=update)
        await client.until("session.updated")
        first = await answer(client, "I am Ada.")
        await client.until("rate_limits.updated")
        await client.send(type="vendor.do", what=what)
        second = await answer(client, "Who am I?")
        async with told(client) as seen:
            again = [event for event in seen["received"] if "relay_" in event.get("event_id", "")]
            connections = seen["connections"]
    assert connections == 2
    assert types(second)[0] == "conversation.item.added"
    assert second[-1]["response"]["status"] == "completed"
    assert not any(event["type"] in {"error", "session.created"} for event in second)
    configured, *items = again
    assert configured["session"] == update
    said = [event["item"]["content"][0]["text"] for event in items]
    assert said == ["I am Ada.", ANSWER]
    assert items[0]["item"]["id"] == first[0]["item"]["id"]


@pytest.mark.parametrize("what", ["die", "garbage", "hang"])
async def test_running_response_fails_and_the_session_goes_on(gateway: Server, what: str) -> None:
    """`response.done` failed and no `error` event (DECISIONS 2.2)."""
    async with connected(gateway, model="relayed") as client:
        events = await answer(client, f"do:{what}")
        assert "error" not in types(events)
        ended = events[-1]["response"]
        assert (ended["status"], ended["id"]) == ("failed", events[2]["response"]["id"])
        code = "upstream_timeout" if what == "hang" else "upstream_connection_lost"
        assert ended["status_details"]["error"]["code"] == code
        assert (await answer(client))[-1]["response"]["status"] == "completed"


async def test_large_event_within_a_response_passes(gateway: Server) -> None:
    """15 MiB in the middle of an answer break nothing; the silence after them does."""
    async with connected(gateway, model="relayed") as client:
        events = await answer(client, "do:big")
        assert len(next(event for event in events if event["type"] == "vendor.big")["body"])
        assert events[-1]["response"]["status"] == "failed"
        assert (await answer(client))[-1]["response"]["status"] == "completed"


async def test_speech_ends_for_the_client_when_the_upstream_dies_in_it(gateway: Server) -> None:
    """Who heard speech begin hears it end, and that the buffer is empty; no `error`."""
    async with connected(gateway, model="relayed") as client:
        await client.send(type="input_audio_buffer.append", audio="AAAA")
        await client.send(type="vendor.do", what="die-in-speech")
        events = await client.until("input_audio_buffer.cleared")
        kinds = ["speech_started", "speech_stopped", "cleared"]
        assert types(events) == [f"input_audio_buffer.{kind}" for kind in kinds]
        assert events[1]["item_id"] == events[0]["item_id"]
        assert events[1]["audio_end_ms"] >= events[0]["audio_start_ms"]
        assert (await answer(client))[-1]["response"]["status"] == "completed"


async def test_call_outlives_the_upstream_that_made_it(gateway: Server) -> None:
    """The client's output meets the call on the new connection."""
    async with connected(gateway, model="relayed") as client:
        (call,) = (await answer(client, "call"))[-1]["response"]["output"]
        await client.send(type="vendor.do", what="die")
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "Sun."}
        await client.send(type="conversation.item.create", item=output)
        await client.send(type="response.create")
        assert (await client.until("response.done"))[-1]["response"]["status"] == "completed"
        async with told(client) as seen:
            items = [event["item"] for event in seen["received"] if "item" in event]
    again, answered = items[-2:]
    assert (again["call_id"], again["arguments"]) == (call["call_id"], ARGUMENTS)
    assert answered["output"] == "Sun."


async def test_half_a_call_fails_and_is_not_said_again(gateway: Server) -> None:
    """Arguments that broke off are nobody's call."""
    async with connected(gateway, model="relayed") as client:
        failed = (await answer(client, "half-call"))[-1]["response"]
        assert (failed["status"], failed["output"][0]["status"]) == ("failed", "incomplete")
        assert (await answer(client))[-1]["response"]["status"] == "completed"
        async with told(client) as seen:
            kinds = {event["item"]["type"] for event in seen["received"] if "item" in event}
    assert kinds == {"message"}


async def test_session_moves_on_before_the_upstreams_ends(gateway: Server) -> None:
    """Another connection is there before the limit is reached, and the client hears nothing."""
    renewed = gateway.metric("voiceengine_relay_losses_total", reason="renewed")
    async with connected(gateway, model="brief") as client:
        await client.send(type="conversation.item.create", item=user_text("I am Ada."))
        await client.until("conversation.item.done")
        await until(
            lambda: gateway.metric("voiceengine_relay_losses_total", reason="renewed") > renewed
        )
        async with told(client) as seen:
            items = [event["item"] for event in seen["received"] if "item" in event]
            assert seen["connections"] >= 2
    assert {item["content"][0]["text"] for item in items} == {"I am Ada."}


async def test_request_that_is_never_answered_ends_in_an_error(gateway: Server) -> None:
    """An upstream that hears a request and is silent is given up, and not asked again."""
    async with connected(gateway, model="relayed") as client:
        await client.send(type="conversation.item.create", item=user_text("do:mute"))
        await client.send(type="response.create", event_id="mine")
        error = (await client.until("error"))[-1]["error"]
        assert (error["code"], error["event_id"]) == ("upstream_timeout", "mine")
        assert (await answer(client))[-1]["response"]["status"] == "completed"


async def test_upstream_that_stays_away_ends_the_session(gateway: Server) -> None:
    """After the time for reconnecting: `server_error` and a close code that SDKs retry."""
    async with connected(gateway, model="relayed") as client:
        await client.send(type="vendor.break", connections=1_000)
        await client.send(type="vendor.do", what="die")
        error = (await client.until("error"))[-1]["error"]
        with pytest.raises(websockets.ConnectionClosed):
            await client.receive()
        assert client.socket.close_code == 1011
    assert error["type"] == "server_error"


async def test_fatal_close_of_the_upstream_is_passed_on(gateway: Server) -> None:
    """An error that ends the session there ends it here, in the same words."""
    async with connected(gateway, model="relayed") as client:
        await client.send(type="vendor.do", what="fatal")
        error = (await client.until("error"))[-1]["error"]
        with pytest.raises(websockets.ConnectionClosed):
            await client.receive()
        assert client.socket.close_code == 4000
        assert client.socket.close_reason == "invalid_request_error.content_refused"
    assert error["code"] == "content_refused"


async def test_client_that_stalls_stops_the_reading_of_the_upstream(gateway: Server) -> None:
    """16 MB wait in the network, not in the gateway, and all come in order at last."""
    async with connected(gateway, model="relayed", max_queue=1) as client:
        await client.send(type="vendor.do", what="flood")
        places = []
        while len(places) < FLOOD:
            event = await client.receive()
            places.append(event["place"])
    assert places == list(range(FLOOD))


async def test_beta_client_talks_to_a_ga_upstream(gateway: Server) -> None:
    """The client's dialect is its own affair."""
    headers = {"Authorization": f"Bearer {gateway.key}", "OpenAI-Beta": "realtime=v1"}
    async with websockets.connect(
        f"{gateway.ws_url}?model=relayed", additional_headers=headers
    ) as socket:
        client = Client(socket)
        created = await client.receive()
        assert created["session"]["modalities"] == ["text"]
        events = await answer(client)
    assert "response.text.delta" in types(events)
    assert events[-1]["response"]["status"] == "completed"
