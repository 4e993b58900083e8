"""Secrets of MCP servers stand nowhere in clear: not in the database, nor in a log or an echo."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional import server as servers
from tests.functional.client import Client, connected
from tests.functional.server import Server
from tests.servers import mcp
from tests.servers.mcp import Running

TOKEN = "canary-token-5d1f"  # noqa: S105 -- looked for everywhere
CANARIES = (b"canary-token-5d1f", b"canary-header-77aa", b"canary-refused-19e0")


@pytest.fixture(scope="module")
def docs() -> Iterator[Running]:
    """An MCP server that answers only who brings the token."""
    with mcp.running(token=TOKEN) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(docs: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway that logs everything it may."""
    env = {
        "VOICEENGINE_TOOL_ORIGINS": json.dumps([docs.origin]),
        "VOICEENGINE_LOG_LEVEL": "debug",
    }
    server = servers.start(tmp_path_factory.mktemp("secrets"), env=env)
    server.wait_ready()
    yield server
    server.stop()


def entry(docs: Running, **more: Any) -> dict[str, Any]:
    """Return the tool entry with its secrets."""
    return {
        "type": "mcp", "server_label": "docs", "server_url": docs.url, "authorization": TOKEN,
        "headers": {"X-Key": "canary-header-77aa"}, "require_approval": "never", **more,
    }  # fmt: skip


def mint(server: Server, session: dict[str, Any]) -> dict[str, Any]:
    """Mint a client secret."""
    request = urllib.request.Request(
        f"{server.url}/realtime/client_secrets",
        data=json.dumps({"session": session}).encode(),
        headers={"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(json.load(answer))


async def seen(client: Client, kind: str) -> bytes:
    """Return every event up to one of a type."""
    return json.dumps(await client.until(kind)).encode()


def clear(place: Path) -> list[str]:
    """Return the files below a folder that hold a secret in clear."""
    files = [path for path in place.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(one in path.read_bytes() for one in CANARIES)]


async def test_secrets_of_tools_are_used_and_stand_nowhere(gateway: Server, docs: Running) -> None:
    """Minted, updated and refused: servers get them, and nobody else."""
    session = {"type": "realtime", "output_modalities": ["text"], "tools": [entry(docs)]}
    minted = mint(gateway, session)
    shown = json.dumps(minted).encode()
    async with connected(gateway, model="gpt-realtime", key=minted["value"]) as client:
        shown += await seen(client, "mcp_list_tools.completed")
        shown += await seen(client, "conversation.item.done")
    async with connected(gateway, model="gpt-realtime") as client:
        await client.send(type="session.update", session=session)
        shown += await seen(client, "mcp_list_tools.completed")
        forced = {"tool_choice": {"type": "mcp", "server_label": "docs", "name": "search"}}
        await client.send(type="response.create", response={**forced, "tools": [entry(docs)]})
        shown += await seen(client, "response.done")
        wrong = {**session, "tools": [entry(docs, authorization="canary-refused-19e0", nope=1)]}
        await client.send(type="session.update", session=wrong)
        shown += await seen(client, "error")
    assert not any(one in shown for one in CANARIES)
    assert gateway.stop() == 0
    assert (gateway.data_dir / "voiceengine.db").exists()
    assert clear(gateway.data_dir) == []
