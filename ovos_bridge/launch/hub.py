"""The OVOS message bus hub: `python -m ovos_bridge.launch.hub --state-dir DIR --port N`.

The stock hub's handler with four differences: TCP_NODELAY (Nagle's algorithm
costs 40 ms twice per answer), a broadcast that one dead client cannot cut short,
no web page as a client, and a word to all when the connection of core ends, so that
nobody waits for an answer that will not come.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from typing import Any
from urllib.parse import urlsplit

from ovos_bridge.launch import environment, logs
from ovos_bridge.launch.guard import is_local
from ovos_bridge.launch.presence import CORE_GONE, CORE_HERE

MAX_MESSAGE_BYTES = 10 * 1024 * 1024
_HEAD = 64
_HERE: Any = f'"{CORE_HERE}"'
_GONE = json.dumps({"type": CORE_GONE, "data": {}, "context": {}})


def _routes(name: str) -> list[Any]:
    from ovos_messagebus.event_handler import MessageBusEventHandler, client_connections
    from tornado.websocket import WebSocketClosedError

    class Handler(MessageBusEventHandler):  # type: ignore[misc, unused-ignore]
        """One client of the bus."""

        is_core = False

        def check_origin(self, origin: str) -> bool:
            """Take Python clients, which name this host; a browser names its page."""
            return urlsplit(origin).hostname in ("127.0.0.1", "localhost", "::1", name.lower())

        @property
        def max_message_size(self) -> int:
            """Bytes; the stock property parses the configuration for each message."""
            return MAX_MESSAGE_BYTES

        def open(self, *_args: str, **_kwargs: str) -> None:
            self.set_nodelay(True)
            super().open()

        def on_message(self, message: str | bytes) -> None:
            if _HERE in message[:_HEAD]:
                self.is_core = True
            self.tell_all(message)

        def tell_all(self, message: str | bytes) -> None:
            """Send a frame to every client, the sender included."""
            for client in tuple(client_connections):
                with contextlib.suppress(WebSocketClosedError):
                    client.write_message(message)

        def on_close(self) -> None:
            with contextlib.suppress(ValueError):
                client_connections.remove(self)
            if self.is_core:
                self.tell_all(_GONE)

    return [(environment.BUS_ROUTE, Handler)]


async def _serve(options: environment.OvosOptions) -> None:
    from tornado.web import Application

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    address = environment.LOOPBACK if is_local(options.bus_host) else ""
    server = Application(_routes(options.bus_host)).listen(options.port, address)
    logs.say("hub: ready")
    await stopped.wait()
    server.stop()


def main(arguments: list[str] | None = None) -> None:
    """Run the hub until SIGTERM or SIGINT."""
    state_dir, options = environment.options_from(
        sys.argv[1:] if arguments is None else arguments, "ovos_bridge.launch.hub"
    )
    environment.enter(state_dir, options)
    logs.quiet(state_dir, "hub")
    asyncio.run(_serve(options))


if __name__ == "__main__":
    main()
