"""The sending side of a WebSocket: who reads slowly, who reads nothing, who is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from starlette.types import Message

from gateway.ingress.websocket.protocol import FramedWebSocket
from gateway.ingress.websocket.socket import TOO_SLOW_CODE, Socket

TIMEOUT_S = 20.0


class Connection:
    """A peer that must be waited for."""

    def write(self, _text: str) -> bool:
        """Take nothing at once."""
        return False

    def abort(self) -> None:
        """Nothing is left to drop."""


class Peer:
    """Takes a frame in `frame_s` of the loop's time, which is moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, frame_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._now = loop.time()
        self._frame_s = frame_s
        self.got: list[Message] = []
        monkeypatch.setattr(loop, "time", lambda: self._now)

    async def send(self, message: Message) -> None:
        """Take a message once its time has passed and every timer that is due has run."""
        if message["type"] == "websocket.send":
            self._now += self._frame_s
            for _ in range(3):
                await asyncio.sleep(0)
        self.got.append(message)


def socket_to(send: Any, *, too_slow: Callable[[], None] = lambda: None) -> Socket:
    """Return the socket of a peer."""
    return Socket(
        send,
        queue_bytes=1_000_000,
        send_timeout_s=TIMEOUT_S,
        too_slow=too_slow,
        connection=cast("FramedWebSocket", Connection()),
    )


@pytest.mark.parametrize(("frame_s", "slow"), [(TIMEOUT_S * 0.6, 0), (TIMEOUT_S * 1.2, 1)])
async def test_reader_is_too_slow_only_if_one_frame_takes_too_long(
    monkeypatch: pytest.MonkeyPatch, frame_s: float, slow: int
) -> None:
    """The limit is for a frame: a backlog that moves may take as long as it needs."""
    told: list[None] = []
    peer = Peer(monkeypatch, frame_s=frame_s)
    socket = socket_to(peer.send, too_slow=lambda: told.append(None))
    for number in range(5):
        socket.send(f"{number}")
    socket.close(1000, "")
    await socket.write()
    assert len(told) == slow
    codes = [message["code"] for message in peer.got if message["type"] == "websocket.close"]
    assert codes == [TOO_SLOW_CODE if slow else 1000]
    texts = [message["text"] for message in peer.got if message["type"] == "websocket.send"]
    assert texts == (["0"] if slow else ["0", "1", "2", "3", "4"])


async def test_connection_that_closed_by_itself_ends_the_writer() -> None:
    """A protocol error closes the connection below us: what waits is lost, nothing is raised."""

    async def send(_message: Message) -> None:
        raise RuntimeError("Unexpected ASGI message, after sending 'websocket.close'.")

    socket = socket_to(send)
    socket.send("late")
    await socket.write()
    socket.send("later")
