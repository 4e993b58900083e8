"""ICE over TCP for callers without UDP: passive candidates on one port (RFC 6544, ADR 0025).

Callers connect; the first check names the call. Packets are framed by their
length (RFC 4571). When a caller reads too slowly, what does not fit is dropped,
as UDP would.
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final, cast

import structlog
from aioice import Candidate
from aioice.candidate import candidate_foundation
from aioice.stun import parse_message

from gateway.ingress.webrtc.sockets import MediaSocket
from gateway.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.ingress.webrtc.ice import IceConnection

LEAST_FRAME_BYTES: Final = 8
"""An RTCP header; RTP, DTLS and STUN have longer ones."""
MOST_FRAME_BYTES: Final = 4_096
MOST_WAITING_BYTES: Final = 64 * 1_024
"""Three seconds of audio that the caller has not taken."""
MOST_STRANGERS: Final = 64
"""Connections that have not said yet which call they belong to; the oldest goes for another."""
MOST_OF_ONE: Final = 16
"""Of these from one address; callers behind one NAT share it."""
MOST_WAYS: Final = 8
"""Connections of one call."""
CLAIM_S: Final = 5.0
LENGTH: Final = struct.Struct("!H")

_TCP_TYPE: Final = 90
"""Below every UDP candidate of ours but the relay's (RFC 6544 4.2)."""
_PASSIVE: Final = 4

_log = structlog.get_logger("webrtc")


def tcp_candidate(host: str, port: int, index: int) -> Candidate:
    """Return what callers are told of a listening address."""
    preference = (_PASSIVE << 13) + 8_191 - index
    return Candidate(
        foundation=candidate_foundation("host", "tcp", host),
        component=1,
        transport="tcp",
        priority=(_TCP_TYPE << 24) + (preference << 8) + 255,
        host=host,
        port=port,
        type="host",
        tcptype="passive",
    )


class TcpSocket(MediaSocket):
    """A caller's connection as the ICE agent sees one."""

    def connection_lost(self, exc: Exception | None) -> None:
        """It broke; the call goes on as long as the caller consents."""
        self.lost.set()
        self.connection.way_lost(self)


class TcpPort:
    """The port, open while there are calls."""

    def __init__(self, port: int) -> None:
        self._strangers: dict[_Way, str] = {}
        """Connections without a call and where they are from, the oldest first."""
        self._port = port
        self._servers: dict[str, asyncio.Server] = {}
        self._calls: dict[str, IceConnection] = {}
        self._opening = asyncio.Lock()

    async def join(self, call: IceConnection, addresses: Iterable[str]) -> list[tuple[str, int]]:
        """Serve a call too; return where it can be reached."""
        if call.local_username in self._calls:  # the second transport of an unbundled offer
            return []
        self._calls[call.local_username] = call
        async with self._opening:
            for address in addresses:
                if address not in self._servers:
                    await self._open(address)
        if self._calls.get(call.local_username) is not call:
            self._close_unused()
            return []
        return [
            (address, int(server.sockets[0].getsockname()[1]))
            for address, server in self._servers.items()
        ]

    async def _open(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._servers[address] = await loop.create_server(
                lambda: _Way(self), host=address, port=self._port
            )
        except OSError as error:
            _log.warning("tcp_unusable", address=address, port=self._port, error=str(error))

    def leave(self, call: IceConnection) -> None:
        """A call is over."""
        if self._calls.get(call.local_username) is call:
            del self._calls[call.local_username]
            self._close_unused()

    def _close_unused(self) -> None:
        if not self._calls:
            for server in self._servers.values():
                server.close()
            self._servers.clear()

    def claimed_by(self, check: bytes) -> IceConnection | None:
        """Return the call that a first check names under its password."""
        try:
            message = parse_message(check)
        except (ValueError, KeyError, IndexError, struct.error):
            return None
        call = self._calls.get(str(message.attributes.get("USERNAME", "")).partition(":")[0])
        if call is None or not message.check_message_integrity(call.local_password.encode()):
            return None
        return call

    @property
    def strangers(self) -> int:
        """How many connections have not said yet which call they belong to."""
        return len(self._strangers)

    def came(self, way: _Way, source: str) -> None:
        """Hold a stranger; at a bound the oldest goes, so that nobody is shut out by who waits."""
        held = Counter(self._strangers.values())
        crowded = source if held[source] >= MOST_OF_ONE else None
        if crowded is None and len(self._strangers) >= MOST_STRANGERS:
            crowded = held.most_common(1)[0][0]
        if crowded is not None:
            oldest = next(one for one, its in self._strangers.items() if its == crowded)
            self.known(oldest)
            oldest.close()
        self._strangers[way] = source

    def known(self, way: _Way) -> None:
        """A stranger said which call it belongs to, or is gone."""
        self._strangers.pop(way, None)


class _Way(asyncio.Protocol):
    """One connection: frames in and out, a datagram transport to the library."""

    def __init__(self, port: TcpPort) -> None:
        self._port = port
        self._transport: asyncio.Transport
        self._buffer = b""
        self._media: TcpSocket | None = None
        self._peer: tuple[str, int] = ("", 0)
        self._unclaimed: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        host, port = transport.get_extra_info("peername")[:2]
        self._peer = (str(host), int(port))
        self._port.came(self, _source(str(host)))
        self._unclaimed = asyncio.get_running_loop().call_later(CLAIM_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        begin = 0
        while len(buffer) - begin >= LENGTH.size:
            length = LENGTH.unpack_from(buffer, begin)[0]
            end = begin + LENGTH.size + length
            if not LEAST_FRAME_BYTES <= length <= MOST_FRAME_BYTES:
                self._transport.abort()
                return
            if len(buffer) < end:
                break
            if not self._take(buffer[begin + LENGTH.size : end]):
                self._transport.abort()
                return
            begin = end
        self._buffer = buffer[begin:]

    def _take(self, frame: bytes) -> bool:
        if self._media is None and not self._claim(frame):
            return False
        if self._media is not None:
            self._media.datagram_received(frame, self._peer)
        return True

    def _claim(self, check: bytes) -> bool:
        call = self._port.claimed_by(check)
        if call is None:
            return False
        media = TcpSocket(call)
        media.connection_made(cast("asyncio.DatagramTransport", self))
        host, port = self._transport.get_extra_info("sockname")[:2]
        media.local_candidate = tcp_candidate(str(host), int(port), 0)
        if not call.way_made(media):
            return False
        self._media = media
        self._known()
        return True

    def _known(self) -> None:
        if self._unclaimed is not None:
            self._unclaimed.cancel()
            self._unclaimed = None
        self._port.known(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._known()
        if self._media is not None:
            self._media.connection_lost(exc)

    # --- what the library takes for a datagram transport ---

    def sendto(self, data: bytes, _address: Any = None) -> None:
        """Send a packet."""
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > MOST_WAITING_BYTES:
            metrics.ICE_DROPPED.inc()
            return
        self._transport.write(LENGTH.pack(len(data)) + data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection."""
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Say whether nothing more can be sent."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Close, without waiting for who does not read."""
        self._transport.abort()


def _source(host: str) -> str:
    """Return what one owner holds of addresses: one of IPv4, 64 bits of IPv6."""
    address = ip_address(host.partition("%")[0])
    return str(int(address) >> 64) if isinstance(address, IPv6Address) else host
