"""What becomes of a session whose connection breaks something of ours."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.ingress.websocket.endpoint import RealtimeSocket
from gateway.ingress.websocket.protocol import FramedWebSocket
from gateway.services import Services
from gateway.sessions.opening import OpenedSession
from gateway.sessions.projection import PLAIN
from gateway.settings import Settings


class Opened:
    """A session that was admitted."""

    projection = PLAIN

    def __init__(self) -> None:
        self.runner = SimpleNamespace(
            controllers=SimpleNamespace(add=lambda _socket: 1), begin=lambda _number: None
        )
        self.finished = 0

    def start(self, _spawn: Any, *, dialect: str) -> Any:
        """Begin."""
        assert dialect == "ga"
        return self.runner

    async def finish(self) -> None:
        """Count the ends."""
        self.finished += 1


class Connection:
    """Breaks as soon as somebody listens."""

    def listen(self, *_: Any) -> None:
        """Raise."""
        raise RuntimeError("a fault of ours")


async def test_session_whose_connection_breaks_is_finished() -> None:
    """It leaves the directory and its end is written down, whatever ended it."""
    opened = Opened()
    services = cast("Services", SimpleNamespace(settings=Settings()))
    serving = RealtimeSocket(services)._serve(
        cast("OpenedSession", opened),
        "ga",
        cast("FramedWebSocket", Connection()),
        cast("Any", None),
    )
    with pytest.RaisesGroup(RuntimeError):
        await serving
    assert opened.finished == 1
