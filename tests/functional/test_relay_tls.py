"""A relay whose endpoint speaks TLS, as every hosted one does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets

from tests.functional import server as servers
from tests.functional.client import connected, user_text
from tests.functional.server import Server

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Another gateway, whose certificate only its own authority vouches for."""
    folder = tmp_path_factory.mktemp("upstream")
    server = servers.start(folder, "--tls")
    server.trust = folder / "tls" / "authority.pem"
    server.wait_ready()
    yield server
    assert server.stop() == 0


def relay_to(upstream: Server, folder: Path, **env: str) -> Server:
    """Start a gateway in front of it."""
    url = upstream.ws_url.replace("127.0.0.1", "localhost")
    models = {"relayed": {"url": url, "model": "echo", "api_key": upstream.key}}
    server = servers.start(folder, env={"VOICEENGINE_RELAYS": json.dumps(models), **env})
    server.wait_ready()
    return server


async def answer(server: Server) -> list[dict[str, Any]]:
    """Ask for something that is longer than one TLS record; return the events."""
    async with connected(server, model="relayed") as client:
        await client.send(type="conversation.item.create", item=user_text("hello " * 4_000))
        await client.send(type="response.create", response={"output_modalities": ["text"]})
        return await client.until("response.done")


async def test_endpoint_is_reached_by_name_over_tls(upstream: Server, tmp_path: Path) -> None:
    """Handshake, frames both ways, and ones that many records carry."""
    server = relay_to(upstream, tmp_path, SSL_CERT_FILE=str(upstream.trust))
    try:
        done = (await answer(server))[-1]["response"]
    finally:
        assert server.stop() == 0
    assert done["status"] == "completed"
    assert done["output"][0]["content"][0]["text"].strip() == ("hello " * 4_000).strip()


async def test_endpoint_whose_certificate_nobody_vouches_for_is_not_spoken_to(
    upstream: Server, tmp_path: Path
) -> None:
    """The key does not go to who only says to be the endpoint."""
    server = relay_to(upstream, tmp_path)
    before = upstream.metric("voiceengine_sessions_started_total", dialect="ga")
    headers = {"Authorization": f"Bearer {server.key}"}
    try:
        async with websockets.connect(
            f"{server.ws_url}?model=relayed", additional_headers=headers
        ) as socket:
            refused = json.loads(await socket.recv())
    finally:
        assert server.stop() == 0
    assert refused["error"]["type"] == "server_error"
    assert upstream.metric("voiceengine_sessions_started_total", dialect="ga") == before
