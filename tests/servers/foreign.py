"""Another Realtime service, made of ours: `python -m tests.servers.foreign ws://…`.

Prints its port. It passes a whole service on in foreign dress: ids of another form, keys in another
order, fields and events that nobody knows. Which key and model are asked for is passed on too.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

ROOT = Path(__file__).parents[2]
_OURS = re.compile(r"\b([a-z]{2,8})_([A-Za-z0-9]{21})\b")
_THEIRS = re.compile(r"their/([a-z]{2,8})~([A-Za-z0-9]{21})\b")


def dressed(text: str) -> list[str]:
    """Return an event in foreign dress, and an event that nobody knows."""
    event = _reversed(json.loads(_OURS.sub(r"their/\1~\2", text)))
    unknown = {"hint": {"of": event["type"], "n": 1.0}, "type": "vendor.hint"}
    return [json.dumps({"vendor_field": None, **event}), json.dumps(unknown)]


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    return [_reversed(entry) for entry in value] if isinstance(value, list) else value


def undressed(text: str) -> str:
    """Return a client's event with the ids that the service knows."""
    return _THEIRS.sub(r"\1_\2", text)


async def _pass(client: ServerConnection, service: ClientConnection) -> None:
    async def up() -> None:
        async for text in client:
            await service.send(undressed(str(text)))

    async def down() -> None:
        async for text in service:
            for frame in dressed(str(text)):
                await client.send(frame)

    ways = [asyncio.create_task(up()), asyncio.create_task(down())]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for way in ways:
        way.cancel()
    await asyncio.gather(*ways, return_exceptions=True)
    if service.close_code is not None:
        await client.close(service.close_code, service.close_reason or "")


async def main() -> None:
    """Serve until killed."""
    target = sys.argv[1]

    async def session(client: ServerConnection) -> None:
        assert client.request is not None
        headers = {"Authorization": client.request.headers["Authorization"]}
        url = f"{target}?{urlsplit(client.request.path).query}"
        try:
            async with connect(
                url, additional_headers=headers, max_size=None, compression=None
            ) as service:
                await _pass(client, service)
        except ConnectionClosed:
            pass

    async with serve(session, "127.0.0.1", 0, compression=None, max_size=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


@contextmanager
def running(target: str) -> Iterator[str]:
    """Start one in front of a service as its own process; yield its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.foreign", target],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield f"ws://127.0.0.1:{int(process.stdout.readline())}/v1/realtime"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    asyncio.run(main())
