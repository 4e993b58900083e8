"""uvicorn's HTTP, with a short way to a WebSocket (RFC 6455, section 4.2).

uvicorn writes the request that it has parsed anew for the socket's own parser,
which is half of what a connection costs before anything looks at it. An upgrade
in which nothing is unusual is answered from what was parsed; every other one
takes the long way, whose refusals are the library's.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable
from typing import Final
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.ingress.websocket.protocol import FramedWebSocket

MOST_LINE_BYTES: Final = 8_000
MOST_HEADERS: Final = 100
"""Less than the library takes, so that it is the library that refuses."""

SPARE_AFTER_S: Final = 0.02
"""When the connection just made has what it needs first."""

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY: Final = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")
_TOKENS: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(, ?[!#$%&'*+\-.^_`|~0-9A-Za-z]+)*")
_ONCE: Final = frozenset(
    {
        b"connection",
        b"origin",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
        b"upgrade",
    }
)


_spares: WeakKeyDictionary[ServerState, FramedWebSocket] = WeakKeyDictionary()
"""Of each server a socket that nobody has yet: making one takes 50 us."""


def accept_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return what accepts the upgrade; None where the headers have anything unusual."""
    found: dict[bytes, bytes] = {}
    for count, (name, value) in enumerate(headers):
        if count >= MOST_HEADERS or len(name) + len(value) > MOST_LINE_BYTES:
            return None
        if name in _ONCE:
            if name in found:
                return None
            found[name] = value
    key, protocols = found.get(b"sec-websocket-key", b""), found.get(b"sec-websocket-protocol")
    if (
        found.get(b"upgrade", b"").lower() != b"websocket"
        or found.get(b"sec-websocket-version") != b"13"
        or b"upgrade" not in found.get(b"connection", b"").lower().replace(b" ", b"").split(b",")
        or not _KEY.fullmatch(key)
        or (protocols is not None and not _TOKENS.fullmatch(protocols))
    ):
        return None
    return b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


class UpgradingHttp(HttpToolsProtocol):
    """uvicorn's own HTTP class; only upgrades differ."""

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection to a socket."""
        plain = self.scope["method"] == "GET" and self.scope["http_version"] == "1.1"
        accept = accept_of(self.headers) if plain and len(self.url) <= MOST_LINE_BYTES else None
        if accept is None:
            super().handle_websocket_upgrade()
            return
        self.connections.discard(self)
        socket = _spares.pop(self.server_state, None) or self._socket()
        self.transport.set_protocol(socket)
        socket.upgrade(self, accept)
        self.loop.call_later(SPARE_AFTER_S, self._keep_spare)

    def _socket(self) -> FramedWebSocket:
        return FramedWebSocket(
            config=self.config, server_state=self.server_state, app_state=self.app_state
        )

    def _keep_spare(self) -> None:
        """Make the next connection's socket while nobody waits for it."""
        if self.server_state not in _spares:
            _spares[self.server_state] = self._socket()
