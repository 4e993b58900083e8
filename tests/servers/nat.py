"""A NAT between a caller and the gateway: forwards UDP, and may change its ports in mid-call."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from gateway.ingress.webrtc.network import Network
from gateway.settings import Settings

Address = tuple[str, int]


def own_address() -> str:
    """Return an address of this host that calls take."""
    return Network(Settings()).addresses()[0]


class _Side(asyncio.DatagramProtocol):
    def __init__(self, nat: Nat, caller: Address | None) -> None:
        self._nat = nat
        self._caller = caller
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        if self._caller is None:
            self._nat.outwards(data, (address[0], address[1]))
        else:
            self._nat.inwards(data, self._caller)


class Nat:
    """Forwards what comes to `inside` to `target`, each caller's from a port of its own."""

    def __init__(self, target: Address, *, inside: Address | None = None) -> None:
        self.target = target
        self._wanted = inside
        self.dead = False
        """Nothing passes any more."""
        self.forwarded = 0
        self._address = own_address()
        self._inner: _Side
        self._outer: dict[Address, asyncio.Task[_Side]] = {}

    @property
    def inside(self) -> Address:
        """Where callers send to."""
        host, port = self._inner.transport.get_extra_info("sockname")[:2]
        return str(host), int(port)

    async def open(self) -> None:
        """Begin to listen."""
        self._inner = await self._side(None, self._wanted or (self._address, 0))

    async def _side(self, caller: Address | None, at: Address) -> _Side:
        loop = asyncio.get_running_loop()
        _, side = await loop.create_datagram_endpoint(lambda: _Side(self, caller), local_addr=at)
        return side

    def outwards(self, data: bytes, caller: Address) -> None:
        """Forward a caller's packet."""
        if self.dead:
            return
        task = self._outer.get(caller)
        if task is None:
            task = self._outer[caller] = asyncio.create_task(self._side(caller, (self._address, 0)))
        if task.done():
            self.forwarded += 1
            task.result().transport.sendto(data, self.target)

    def inwards(self, data: bytes, caller: Address) -> None:
        """Forward the gateway's packet."""
        if not self.dead:
            self._inner.transport.sendto(data, caller)

    async def rebind(self) -> None:
        """Forget every port: from now on the callers' packets come from others."""
        gone, self._outer = self._outer, {}
        for task in gone.values():
            (await task).transport.close()

    async def close(self) -> None:
        """Stop."""
        self.dead = True
        await self.rebind()
        self._inner.transport.close()

    def through(self, answer: str) -> str:
        """Return an answer whose only candidate is this NAT."""
        host, port = self.inside
        lines = [line for line in answer.splitlines() if not line.startswith("a=candidate:")]
        at = next(index for index, line in enumerate(lines) if line.startswith("a=ice-ufrag:"))
        lines.insert(at, f"a=candidate:1 1 udp 2130706431 {host} {port} typ host")
        return "\r\n".join(lines) + "\r\n"


def candidate_of(answer: str) -> Address:
    """Return the answer's first candidate."""
    found = re.search(r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ", answer, re.MULTILINE)
    assert found, answer
    return found[1], int(found[2])


@asynccontextmanager
async def behind(target: Address, *, inside: Address | None = None) -> AsyncIterator[Nat]:
    """Have a NAT for as long as needed; `inside` is where it listens, else anywhere."""
    nat = Nat(target, inside=inside)
    await nat.open()
    try:
        yield nat
    finally:
        await nat.close()
