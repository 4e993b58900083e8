"""uvicorn, run by us, so that SIGTERM drains before sockets close.

uvicorn closes every WebSocket with 1012 as soon as it is told to exit; so the
signal first stops new sessions and waits for the live ones, up to a bound.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from gateway.ingress.websocket.protocol import FramedWebSocket
from gateway.ingress.websocket.routes import SocketsFirst
from gateway.ingress.websocket.upgrade import UpgradingHttp
from gateway.sessions.directory import Directory
from gateway.settings import Settings

POLL_S = 0.05
_log = structlog.get_logger("server")


class _Uvicorn(uvicorn.Server):
    """uvicorn without its own signal handling; tells when it listens."""

    def __init__(self, config: uvicorn.Config, started: Callable[[int], None]) -> None:
        super().__init__(config)
        self._tell = started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us."""
        yield

    async def startup(self, sockets: object = None) -> None:
        """Listen, then tell the port."""
        await super().startup()
        if not self.should_exit:
            self._tell(self.servers[0].sockets[0].getsockname()[1])


class Server:
    """The API's port and, where one is set, the internal one."""

    def __init__(
        self,
        app: Starlette,
        settings: Settings,
        *,
        certificate: tuple[Path, Path] | None,
        started: Callable[[int], None],
    ) -> None:
        config = _config(SocketsFirst(app), settings, port=settings.port)
        config.lifespan = "on"
        if certificate is not None:
            config.ssl_certfile, config.ssl_keyfile = (str(path) for path in certificate)
        self._servers = [_Uvicorn(config, started)]
        self._settings = settings

    def add_internal(self, app: ASGIApp, port: int, started: Callable[[int], None]) -> None:
        """Serve another application on a port of its own."""
        config = _config(app, self._settings, port=port)
        self._servers.append(_Uvicorn(config, started))

    async def run(self, directory: Directory) -> None:
        """Serve until SIGINT or SIGTERM; a second signal ends the drain."""
        stop = asyncio.Event()
        signals = 0

        def on_signal() -> None:
            nonlocal signals
            signals += 1
            stop.set()
            directory.draining = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, on_signal)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(server.serve()) for server in self._servers]
            stopping = tasks.create_task(stop.wait())
            await asyncio.wait([*running, stopping], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            deadline = loop.time() + self._settings.drain_timeout_s
            while len(directory) and loop.time() < deadline and signals < 2:
                if any(task.done() for task in running):
                    break
                await asyncio.sleep(POLL_S)
            directory.shut_down()
            await asyncio.sleep(POLL_S)
            for server in self._servers:
                server.should_exit = True
        _log.info("stopped")


def _config(app: ASGIApp, settings: Settings, *, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=port,
        http=UpgradingHttp,
        ws=FramedWebSocket,
        ws_max_size=settings.ws_max_message_bytes,
        ws_ping_interval=settings.ws_ping_interval_s,
        ws_ping_timeout=settings.ws_ping_timeout_s,
        ws_per_message_deflate=False,
        # Said here, so that no variable of uvicorn's own lets everybody say who calls.
        forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
        server_header=False,
        date_header=True,
        access_log=False,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=5,
    )
