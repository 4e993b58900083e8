"""Sockets of a call: what comes in is told apart, and ports are given back with the socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from aioice.ice import StunProtocol
from aioice.turn import UDP_SOCKET_BUFFER_SIZE

from gateway.ingress.webrtc.ports import NoMediaPorts, PortPool
from gateway.telemetry import metrics

if TYPE_CHECKING:
    from gateway.ingress.webrtc.ice import IceConnection

MOST_STUN_BYTE: Final = 3
"""STUN begins with a byte up to this, DTLS and SRTP with a greater one (RFC 7983)."""
MOST_PACKET_BYTES: Final = 2_048
"""A packet of the media is shorter than an Ethernet frame; what is longer is kept by nobody."""
MOST_BINDS: Final = 64
"""Ports of a range that are tried when other programs have taken some."""
CLOSE_S: Final = 1.0
"""How long a relay may take to give an allocation back."""


class MediaSocket(StunProtocol):
    """A UDP socket of ours, or an allocation at a relay."""

    def __init__(self, connection: IceConnection) -> None:
        super().__init__(connection)
        self.connection = connection
        self.lost = asyncio.Event()
        self.given_back: Callable[[], None] = _nothing

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Hand media on with where it came from; the library takes STUN."""
        data = cast("bytes", data)
        if not data:
            return
        if len(data) > MOST_PACKET_BYTES:
            metrics.ICE_DROPPED.inc()
            return
        if data[0] > MOST_STUN_BYTE:
            self.connection.media_received(data, (addr[0], addr[1]), self)
            return
        try:
            super().datagram_received(data, addr)
        except (ValueError, KeyError, IndexError, AssertionError, struct.error):
            metrics.ICE_DROPPED.inc()  # what its parser trips over; nothing of it is kept

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, and its port is free."""
        self.lost.set()
        given_back, self.given_back = self.given_back, _nothing
        given_back()
        super().connection_lost(exc)

    async def close(self) -> None:
        """Close; a relay that does not answer is not waited for."""
        self.transport.close()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.lost.wait()
        except TimeoutError:
            return


async def open_socket(
    connection: IceConnection, address: str, ports: PortPool | None
) -> MediaSocket:
    """Open a socket at an address of ours.

    Raises:
        NoMediaPorts: no port of the pool is left.
        OSError: the address cannot be used.
    """
    if ports is None:
        return await _bound(connection, address, 0)
    refused: list[int] = []
    try:
        while len(refused) < MOST_BINDS and (port := ports.take(address)) is not None:
            try:
                media = await _bound(connection, address, port)
            except BaseException as error:
                refused.append(port)
                if isinstance(error, OSError):  # another program has it
                    continue
                raise
            media.given_back = partial(ports.give_back, address, port)
            return media
    finally:
        for port in refused:
            ports.give_back(address, port)
    raise NoMediaPorts


async def _bound(connection: IceConnection, address: str, port: int) -> MediaSocket:
    loop = asyncio.get_running_loop()
    transport, media = await loop.create_datagram_endpoint(
        lambda: MediaSocket(connection), local_addr=(address, port)
    )
    held = transport.get_extra_info("socket")
    if held is not None:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_SOCKET_BUFFER_SIZE)
    return media


def _nothing() -> None:
    """Nothing is to be given back."""
