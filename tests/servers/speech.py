"""Every speech endpoint that a stand-in is needed for: `python -m tests.servers.speech`.

Prints its port. What each does is in the model's name. `GET /asked` tells what it was sent.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.servers.hosted import Hosted
from tests.servers.vendors import Vendors

ROOT = Path(__file__).parents[2]
KEY = "secret-key"


def app() -> Starlette:
    """Return the server."""
    noted: list[dict[str, Any]] = []

    async def asked(_: Request) -> Response:
        return JSONResponse(noted)

    routes = [*Hosted(noted).routes(), *Vendors(noted).routes(), Route("/asked", asked)]
    return Starlette(routes=routes)


class SpeechServer:
    """One that runs as its own process."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.url = f"{self.origin}/v1"
        self.listen_url = f"ws://127.0.0.1:{port}/v1/listen"
        self.contexts_url = f"ws://127.0.0.1:{port}/tts/websocket"

    def asked(self, what: str) -> list[dict[str, Any]]:
        """Return what it was sent, of one kind."""
        with urlopen(f"{self.origin}/asked", timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return [each for each in found if each["what"] == what]


@contextmanager
def running() -> Iterator[SpeechServer]:
    """Start one on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.speech"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield SpeechServer(int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Serve until killed."""
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app(), log_level="critical")).run(sockets=[listening])


if __name__ == "__main__":
    main()
