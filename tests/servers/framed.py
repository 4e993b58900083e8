"""Lets an agent that knows UDP only come over TCP: frames of RFC 4571, one connection per source."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from tests.servers.nat import Address, own_address

LENGTH = struct.Struct("!H")


class Bridge(asyncio.DatagramProtocol):
    """Listens by UDP and forwards by TCP."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self._outer: dict[Address, asyncio.Task[asyncio.StreamWriter]] = {}
        self._readers: list[asyncio.Task[None]] = []
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    @property
    def inside(self) -> Address:
        """Where callers send to."""
        host, port = self._transport.get_extra_info("sockname")[:2]
        return str(host), int(port)

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        caller = (address[0], address[1])
        task = self._outer.get(caller)
        if task is None:
            task = self._outer[caller] = asyncio.create_task(self._connect(caller))
        if task.done():
            task.result().write(LENGTH.pack(len(data)) + data)

    async def _connect(self, caller: Address) -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection(*self._target)
        self._readers.append(asyncio.create_task(self._back(reader, caller)))
        return writer

    async def _back(self, reader: asyncio.StreamReader, caller: Address) -> None:
        while True:
            try:
                length = LENGTH.unpack(await reader.readexactly(LENGTH.size))[0]
                data = await reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            self._transport.sendto(data, caller)

    async def drop(self) -> None:
        """Break every connection; the next packet makes another."""
        gone, self._outer = self._outer, {}
        for task in gone.values():
            (await task).transport.abort()

    async def close(self) -> None:
        """Stop."""
        await self.drop()
        for task in self._readers:
            task.cancel()
        self._transport.close()


@asynccontextmanager
async def over_tcp(target: Address) -> AsyncIterator[Bridge]:
    """Have a bridge for as long as needed."""
    loop = asyncio.get_running_loop()
    _, bridge = await loop.create_datagram_endpoint(
        lambda: Bridge(target), local_addr=(own_address(), 0)
    )
    try:
        yield bridge
    finally:
        await bridge.close()
