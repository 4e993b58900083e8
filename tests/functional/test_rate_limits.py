"""Rate limits from outside, on a server with small ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import websockets

from tests.functional import server as servers
from tests.functional.client import connected, user_text
from tests.functional.server import Server
from tests.functional.test_rest import SECRETS, request


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """3,000 tokens and 12 requests a minute."""
    limits = {"VOICEENGINE_TOKENS_PER_MINUTE": "3000", "VOICEENGINE_REQUESTS_PER_MINUTE": "12"}
    server = servers.start(tmp_path_factory.mktemp("strict"), env=limits)
    server.wait_ready()
    yield server
    assert server.stop() == 0


async def tone(client: Any, **response: Any) -> dict[str, Any]:
    """Ask for an answer; return its `response.done` and the allowance after it."""
    await client.send(type="response.create", response=response)
    events = await client.until("rate_limits.updated")
    done = next(event for event in events if event["type"] == "response.done")
    return {"response": done["response"], "tokens": events[-1]["rate_limits"][0]}


async def test_sessions_of_a_project_share_one_allowance(strict_server: Server) -> None:
    """What one session used and what it holds is missing in the other's numbers."""
    async with connected(strict_server) as one, connected(strict_server) as other:
        await one.send(type="conversation.item.create", item=user_text("word " * 300))
        first = await tone(one, output_modalities=["text"], max_output_tokens=400)
        assert first["response"]["status"] == "completed"
        used = first["response"]["usage"]["total_tokens"]
        assert first["tokens"]["limit"] == 3_000
        assert 0 <= first["tokens"]["remaining"] - (3_000 - used) <= 100
        await one.send(type="conversation.item.create", item=user_text("tone:20000"))
        await one.send(type="response.create", response={"max_output_tokens": 500})
        await one.until("response.output_audio.delta")
        second = await tone(other, output_modalities=["text"], max_output_tokens=10)
        assert second["tokens"]["remaining"] < first["tokens"]["remaining"] - 500
        await one.send(type="response.cancel")
        freed = (await one.until("rate_limits.updated"))[-1]["rate_limits"][0]
        assert freed["remaining"] > second["tokens"]["remaining"]


async def test_response_over_the_allowance_fails_in_its_done(strict_server: Server) -> None:
    """No `error` event, and the session lives (CONTRACT 8.13)."""
    async with connected(strict_server) as client:
        await client.send(type="conversation.item.create", item=user_text("word " * 4_000))
        refused = await tone(client)
        error = refused["response"]["status_details"]["error"]
        assert refused["response"]["status"] == "failed"
        assert (error["type"], error["code"]) == ("tokens", "rate_limit_exceeded")
        assert error["message"].startswith("Request too large for echo in organization org-local")
        await client.send(type="input_audio_buffer.clear")
        assert (await client.receive())["type"] == "input_audio_buffer.cleared"
    assert strict_server.metric("voiceengine_rate_limited_total", where="response") >= 1


async def test_connections_over_the_limit_are_told_in_band(strict_server: Server) -> None:
    """101, `error`, close 1013, which clients retry; the handshake's answer shows no limits."""
    headers = {"Authorization": f"Bearer {strict_server.key}"}
    url = f"{strict_server.ws_url}?model=gpt-realtime-1.5"
    for _ in range(13):
        async with websockets.connect(url, additional_headers=headers) as socket:
            assert socket.response is not None
            assert not [name for name in socket.response.headers if "ratelimit" in name.lower()]
            first = json.loads(await socket.recv())
            if first["type"] == "session.created":
                continue
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await socket.recv()
    assert first["error"]["code"] == "rate_limit_exceeded"
    assert "requests per min (RPM): Limit 12" in first["error"]["message"]
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
        1013,
        "requests.rate_limit_exceeded",
    )
    session = {"type": "realtime", "model": "gpt-realtime-1.5"}
    status, told, _ = request(strict_server, SECRETS, body={"session": session})
    assert (status, told["x-ratelimit-limit-requests"]) == (429, "12")
    assert 0 < int(told["retry-after-ms"]) <= 5_000
