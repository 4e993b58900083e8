"""What becomes of a frame that breaks something of ours."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import structlog

from gateway.ingress.websocket.protocol import FramedWebSocket
from gateway.ingress.websocket.reading import Reading
from gateway.sessions.opening import OpenedSession
from realtime.errors import ServerFault
from realtime.session.inputs import FromClient, InvalidFromClient


class Runner:
    """A session that keeps what it is given."""

    closed = False

    def __init__(self) -> None:
        self.given: list[Any] = []
        self.breaks = False

    def post(self, given: Any) -> None:
        """Take an input; a fault of ours lies in valid events."""
        if self.breaks and isinstance(given, FromClient):
            raise RuntimeError("hunter2")
        self.given.append(given)

    def overloaded(self, *, lag_ms: int) -> bool:
        """Never."""
        return lag_ms < 0

    def now_ms(self) -> int:
        """No time passes."""
        return 0


async def test_event_that_breaks_something_is_a_server_fault() -> None:
    """It is told with the client's event id, and the next event is taken (CONTRACT 16)."""
    runner = Runner()
    opened = SimpleNamespace(
        runner=runner,
        log=structlog.get_logger(),
        observer=SimpleNamespace(received=lambda *_: None),
    )
    socket = cast("FramedWebSocket", SimpleNamespace())
    reading = Reading(cast("OpenedSession", opened), 1, socket, lag_ms=1_000)
    runner.breaks = True
    reading.take('{"type":"input_audio_buffer.commit","event_id":"mine"}')
    runner.breaks = False
    reading.take('{"type":"input_audio_buffer.commit"}')
    reading.close()
    told, taken = runner.given
    assert isinstance(told, InvalidFromClient)
    assert isinstance(told.fault, ServerFault)
    assert "hunter2" not in told.fault.message
    assert told.event_id == "mine"
    assert isinstance(taken, FromClient)
