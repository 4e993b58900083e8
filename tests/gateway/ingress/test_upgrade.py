"""The short way to a WebSocket: what uvicorn's long way makes of a request, in less time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.ingress.websocket.protocol import FRAMES, FramedWebSocket
from gateway.ingress.websocket.upgrade import MOST_HEADERS, UpgradingHttp, accept_of
from tests.gateway.ingress.test_protocol import Wire

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The pair of RFC 6455, section 1.3."""

USUAL = {
    "Host": "localhost:8000",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


class ServedWire(Wire):
    """Tells which protocol has the connection."""

    protocol: Any = None

    def set_protocol(self, protocol: Any) -> None:
        """Hand the connection over."""
        self.protocol = protocol


async def served(
    http: type[HttpToolsProtocol], head: str, *, cut: int = 0
) -> tuple[list[str], dict[str, Any]]:
    """Return the lines of the answer to a request, and the scope its application got."""
    scopes: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append({**scope, "headers": [*scope["headers"]]})
        assert await receive() == {"type": "websocket.connect"}
        chosen = next(iter(scope["subprotocols"]), None)
        await send({"type": "websocket.accept", "subprotocol": chosen})

    config = uvicorn.Config(
        app, http=http, ws=FramedWebSocket, ws_per_message_deflate=False, log_config=None,
        interface="asgi3",
    )  # fmt: skip
    config.load()
    state, wire = ServerState(), ServedWire()
    protocol = http(config, state, {})
    protocol.connection_made(wire)
    data = head.encode("latin-1")
    for part in (data[:cut], data[cut:]):
        if part:
            protocol.data_received(part)
    await asyncio.gather(*state.tasks)
    if isinstance(wire.protocol, FramedWebSocket):
        wire.protocol.stop_keepalive()
    scope = scopes[0] if scopes else {}
    if scope:
        assert scope["extensions"].pop(FRAMES) is wire.protocol
    answer = wire.written.decode().split("\r\n\r\n")[0].splitlines()
    return sorted(line for line in answer if not line.lower().startswith("date:")), scope


def request(
    headers: dict[str, str], *, more: str = "", line: str = "GET /v1/realtime?model=a%20b HTTP/1.1"
) -> str:
    """Return a request."""
    told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{line}\r\n{told}{more}\r\n"


@pytest.mark.parametrize(
    "head",
    [
        request(USUAL),
        request({**USUAL, "Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket"}),
        request({**USUAL, "Sec-WebSocket-Protocol": "realtime, openai-insecure-api-key.sk-1"}),
        request(
            {**USUAL, "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
        ),
        request({**USUAL, "Origin": "https://example.org", "Authorization": "Bearer sk-\xfc"}),
        request(USUAL, more="X-Twice: a\r\nX-Twice: b\r\n"),
        request(USUAL, line="GET /v1/caf%C3%A9 HTTP/1.1"),
        request({**USUAL, "Sec-WebSocket-Protocol": "a b"}),
        request({**USUAL, "Sec-WebSocket-Protocol": ""}),
        request({**USUAL, "Sec-WebSocket-Key": "short"}),
        request({**USUAL, "Sec-WebSocket-Key": KEY[:-3] + "B=="}),
        request({**USUAL, "Sec-WebSocket-Version": "8"}),
        request({name: value for name, value in USUAL.items() if name != "Sec-WebSocket-Key"}),
        request(USUAL, more=f"Sec-WebSocket-Key: {KEY}\r\n"),
        request(USUAL, more="Origin: https://a.example\r\nOrigin: https://b.example\r\n"),
        request({**USUAL, "Connection": "keep-alive"}, more="Connection: Upgrade\r\n"),
        request(USUAL, line="POST /v1/realtime HTTP/1.1", more="Content-Length: 0\r\n"),
        request(USUAL, line=f"GET /{'x' * 9_000} HTTP/1.1"),
        request(USUAL, more=f"X-Long: {'x' * 9_000}\r\n"),
        request(USUAL, more="X-Many: 1\r\n" * 130),
    ],
)
async def test_any_upgrade_is_answered_as_the_library_does(head: str) -> None:
    """Status, headers and what the application is told of the request are the same."""
    assert await served(UpgradingHttp, head) == await served(HttpToolsProtocol, head)


async def test_usual_upgrade_is_accepted_wherever_the_network_cuts_it() -> None:
    """The key is answered as the standard's example has it."""
    head = request({**USUAL, "Sec-WebSocket-Protocol": "realtime"})
    for cut in range(0, len(head), 37):
        answer, scope = await served(UpgradingHttp, head, cut=cut)
        assert f"Sec-WebSocket-Accept: {ACCEPT}" in answer
        assert "Sec-WebSocket-Protocol: realtime" in answer
        assert scope["query_string"] == b"model=a%20b"


async def test_socket_made_ahead_answers_as_of_now() -> None:
    """It is handed out once, and tells the date of the connection, not its own."""
    config = uvicorn.Config(_accepting, http=UpgradingHttp, ws=FramedWebSocket, log_config=None)
    config.load()
    state, answers, sockets = ServerState(), [], []
    for date in (b"then", b"now", b"later"):
        state.default_headers = [(b"date", date)]
        wire = ServedWire()
        http = UpgradingHttp(config, state, {})
        http.connection_made(wire)
        http.data_received(request(USUAL).encode())
        await asyncio.gather(*state.tasks)
        answers.append(wire.written)
        sockets.append(wire.protocol)
        wire.protocol.stop_keepalive()
        http._keep_spare()
    assert [b"date: " + date in answer for date, answer in zip(
        (b"then", b"now", b"later"), answers, strict=True)] == [True, True, True]  # fmt: skip
    assert len(set(sockets)) == 3


async def _accepting(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})


def test_what_is_unusual_goes_the_long_way() -> None:
    """Of what a client may send once there is one, and of everything a bounded amount."""
    usual = [(name.lower().encode(), value.encode()) for name, value in USUAL.items()]
    assert accept_of(usual) == ACCEPT.encode()
    assert accept_of([*usual, (b"upgrade", b"websocket")]) is None
    assert accept_of([*usual, *[(b"x-many", b"1")] * MOST_HEADERS]) is None
