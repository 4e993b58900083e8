"""A real MCP server, built with the official library, as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.types import ToolAnnotations
from pydantic import Field
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

ROOT = Path(__file__).resolve().parents[2]


def server(tools: int) -> MCPServer:
    """Return a server with a few tools and as many more as are wanted."""
    made = MCPServer("docs", log_level="CRITICAL")  # its tracebacks take seconds

    @made.tool(annotations=ToolAnnotations(read_only_hint=True))
    def search(q: Annotated[str, Field(description="What to look for.")]) -> str:
        """Search the documents."""
        return f"Found {q}."

    @made.tool()
    def fail() -> str:
        """Fail."""
        raise ValueError("No such document.")

    @made.tool()
    async def slow() -> str:
        """Answer after a minute."""
        await asyncio.sleep(60)
        return "late"

    @made.tool()
    def die() -> str:
        """End the server in the middle of the call."""
        os._exit(1)

    @made.tool()
    async def steps(context: Context, every_ms: int, count: int) -> str:
        """Take many steps, and say so at each."""
        for step in range(count):
            await asyncio.sleep(every_ms / 1000)
            await context.report_progress(step + 1, count, f"Step {step + 1}.")
        return "all done"

    for number in range(tools):
        made.add_tool(search, name=f"search_{number}")
    return made


class Running:
    """One that runs."""

    def __init__(self, process: subprocess.Popen[str], port: int, path: str) -> None:
        self.process = process
        self.port = port
        self.origin = f"http://127.0.0.1:{port}"
        self.url = f"{self.origin}{path}"


@contextmanager
def running(
    *, tools: int = 0, sse: bool = False, token: str = "", port: int = 0
) -> Iterator[Running]:
    """Start one on a free port or that one; with a token it answers nobody else."""
    command = [sys.executable, "-m", "tests.servers.mcp", "--tools", str(tools), "--token", token]
    command += ["--port", str(port)]
    process = subprocess.Popen(
        [*command, *(["--sse"] if sse else [])], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield Running(process, int(process.stdout.readline()), "/sse" if sse else "/mcp")
    finally:
        process.kill()
        process.wait()


class Guarded:
    """Answers 401 to whoever does not bring the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if (
            scope["type"] != "http"
            or dict(scope["headers"]).get(b"authorization") == self._expected
        ):
            await self._app(scope, receive, send)
        else:
            await Response(status_code=401)(scope, receive, send)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tools", type=int, default=0)
    parser.add_argument("--sse", action="store_true")
    parser.add_argument("--token", default="")
    parser.add_argument("--port", type=int, default=0)
    wanted = parser.parse_args()
    made = server(wanted.tools)
    app: ASGIApp = made.sse_app() if wanted.sse else made.streamable_http_app()
    if wanted.token:
        app = Guarded(app, wanted.token)
    listening = socket.create_server(("127.0.0.1", wanted.port))
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listening])


if __name__ == "__main__":
    main()
