"""Reaches an upstream: by a socket that is opened at once, or by name, TLS or proxy as they need.

An upstream that is named by its number and spoken to without TLS is asked before
anybody waits: where it is near, the request is on its way when `Dial` returns.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, cast

from websockets.asyncio.client import connect
from websockets.proxy import get_proxy
from websockets.uri import WebSocketURI, parse_uri

from gateway.engines.relay.connection import Connection
from gateway.engines.relay.endpoint import RelayEndpoint
from gateway.engines.relay.handshake import Upgrade


@dataclass(frozen=True, slots=True)
class _Way:
    uri: WebSocketURI
    proxy: str | None
    trust: ssl.SSLContext | None
    family: socket.AddressFamily | None
    """Of an address that is a number and needs nothing more; else None."""


@lru_cache(maxsize=64)
def _way(address: str) -> _Way:
    """Return proxy and trust for an address; found out anew they are most of a connect's CPU."""
    uri = parse_uri(address)
    proxy = get_proxy(uri)
    trust = ssl.create_default_context() if uri.secure else None
    family = None if proxy is not None or uri.secure else _family(uri.host)
    return _Way(uri, proxy, trust, family)


def _family(host: str) -> socket.AddressFamily | None:
    try:
        there = ip_address(host)
    except ValueError:
        return None
    return socket.AF_INET if there.version == 4 else socket.AF_INET6


class Dial:
    """A connection that is being made; `done`, or `abandon` it.

    No redirect is followed: the key is for the address that the operator wrote down.
    """

    def __init__(self, endpoint: RelayEndpoint) -> None:
        self._address = endpoint.address
        self._way = _way(self._address)
        self._loop = asyncio.get_running_loop()
        self.connection = Connection(
            self._address,
            Upgrade.of(self._address, endpoint.headers()),
            most_bytes=endpoint.most_message_bytes,
        )
        self._socket: socket.socket | None = None
        """Ours until a transport has it."""
        self._asked = False
        self._handed_over = False
        self._fault: OSError | None = None
        if self._way.family is not None:
            try:
                self._knock(self._way.family)
            except OSError as fault:
                self._fault = fault
        self._reaching = self._loop.create_task(self._reach())

    def _knock(self, family: socket.AddressFamily) -> None:
        """Connect and ask, as far as that goes without waiting."""
        self._socket = there = socket.socket(family, socket.SOCK_STREAM)
        there.setblocking(False)
        with suppress(BlockingIOError):
            there.connect((self._way.uri.host, self._way.uri.port))
        with suppress(BlockingIOError):
            unsent = self.connection.unsent
            self.connection.unsent = unsent[there.send(unsent) :]
            self._asked = True

    async def done(self) -> Connection:
        """Return the connection once the upstream has agreed to it; the caller bounds the time.

        Raises:
            HandshakeFault: it refuses, or is no WebSocket.
            OSError: it cannot be reached; a `TimeoutError` is one.
            WebSocketException: a proxy on the way refuses.
        """
        try:
            # A socket that a transport is just taking must not be closed under it.
            await asyncio.shield(self._reaching)
            await self.connection.answered()
        except BaseException:
            await self.abandon()
            raise
        return self.connection

    async def abandon(self) -> None:
        """Nobody wants the connection any more."""
        self.connection.abort()
        if not self._handed_over:
            self._reaching.cancel()
        try:
            await asyncio.wait((self._reaching,))
        finally:
            if self._socket is not None:
                self._socket.close()
        if not self._reaching.cancelled():
            self._reaching.exception()  # told already, or nobody's affair any more

    async def _reach(self) -> None:
        if self._fault is not None:
            raise self._fault
        if self._socket is not None:
            await self._reach_known(self._socket)
        elif self._way.proxy is not None:
            await self._reach_through(self._way.proxy)
        else:
            host, trust = self._way.uri.host, self._way.trust
            await self._loop.create_connection(
                lambda: self.connection,
                host,
                self._way.uri.port,
                ssl=trust,
                server_hostname=None if trust is None else host,
            )

    async def _reach_known(self, there: socket.socket) -> None:
        if not self._asked:
            await self._loop.sock_connect(there, (self._way.uri.host, self._way.uri.port))
        self._handed_over, self._socket = True, None
        try:
            await self._loop.create_connection(lambda: self.connection, sock=there)
        finally:
            if not isinstance(self._loop, asyncio.BaseEventLoop):
                # uvloop's transport has the descriptor, and might have closed it already:
                # the socket must not close it once more, when it is another connection's.
                there.detach()

    async def _reach_through(self, proxy: str) -> None:
        trust = self._way.trust
        options: dict[str, Any] = {} if trust is None else {"ssl": trust}
        connecting = connect(
            self._address,
            proxy=proxy,
            create_connection=cast("Any", lambda *_, **__: self.connection),
            **options,
        )
        # Awaited, it would ask for the upgrade itself.
        await connecting.open_tcp_connection()
