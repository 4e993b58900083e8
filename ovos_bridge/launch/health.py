"""Health checks of the processes outside the gateway: `python -m ovos_bridge.launch.health`.

    health speech --socket PATH         the worker answers a ping
    health hub --port N                 the hub's port speaks
    health core --host NAME --port N    core answers on the bus that its skills are loaded

Exit code 0: it works; 1: it does not. Runs in the speech environment.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import sys
from collections.abc import Sequence

from ovos_bridge.launch.environment import BUS_ROUTE, LOOPBACK
from ovos_bridge.speech.protocol import Ask, FrameReader, Tell, frame

TIMEOUT_S = 4.0
READY = "mycroft.skills.is_ready"
READ_BYTES = 4096


async def speech(path: str) -> bool:
    """Return whether a worker answers at a Unix socket.

    Raises:
        OSError, TimeoutError: nobody is there, or it is busy beyond `TIMEOUT_S`.
    """
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(frame(Ask.PING, 1))
        frames = FrameReader()
        try:
            while data := await reader.read(READ_BYTES):
                if any(kind == Tell.PONG for kind, _, _ in frames.feed(data)):
                    return True
        finally:
            writer.close()
    return False


def hub(host: str, port: int) -> bool:
    """Return whether a hub listens: it tells a plain request that it wants a WebSocket.

    Raises:
        OSError, http.client.HTTPException: nobody is there, or it is something else.
    """
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", BUS_ROUTE)
        return connection.getresponse().status in (400, 426)
    finally:
        connection.close()


async def core(host: str, port: int) -> bool:
    """Return whether core says on the bus that it is ready.

    Raises:
        OSError, TimeoutError: there is no bus, or no core on it.
    """
    from tornado.websocket import websocket_connect

    async with asyncio.timeout(TIMEOUT_S):
        bus = await websocket_connect(f"ws://{host}:{port}{BUS_ROUTE}")
        await bus.write_message(json.dumps({"type": READY, "data": {}, "context": {}}))
        while (text := await bus.read_message()) is not None:
            message = json.loads(text)
            if message.get("type") == f"{READY}.response":
                return message["data"].get("status") is True
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one check; return the exit code."""
    parser = argparse.ArgumentParser(prog="ovos_bridge.launch.health")
    parser.add_argument("part", choices=["speech", "hub", "core"])
    parser.add_argument("--socket", help="the worker's Unix socket")
    parser.add_argument("--host", default=LOOPBACK, help="the bus's host")
    parser.add_argument("--port", type=int, default=0, help="the bus's TCP port")
    options = parser.parse_args(arguments)
    try:
        if options.part == "speech":
            good = asyncio.run(speech(options.socket))
        elif options.part == "hub":
            good = hub(options.host, options.port)
        else:
            good = asyncio.run(core(options.host, options.port))
    except (OSError, TimeoutError, http.client.HTTPException) as error:
        print(f"{options.part} does not answer: {error or type(error).__name__}", file=sys.stderr)
        return 1
    print(f"{options.part}: {'good' if good else 'not ready'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
