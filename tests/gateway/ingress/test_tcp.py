"""ICE over TCP: one port for all calls, open while there are any; whoever comes must name a call."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress

import pytest
from aioice import Candidate
from aioice import stun as stuns
from aioice.ice import CandidatePair

from gateway.ingress.webrtc.ice import MOST_CANDIDATES, IceConnection
from gateway.ingress.webrtc.tcp import (
    MOST_FRAME_BYTES,
    MOST_OF_ONE,
    MOST_STRANGERS,
    MOST_WAYS,
    TcpPort,
    TcpSocket,
    _Way,
)
from tests.gateway.ingress.test_ice import (
    SOON_S,
    SOUND,
    agent,
    connected,
    heard_by,
    network,
    own_address,
    until,
)
from tests.servers.framed import over_tcp


def listening(ours: IceConnection) -> Candidate:
    """Return the TCP candidate."""
    [found] = [one for one in ours.local_candidates if one.transport == "tcp"]
    return found


def framed(data: bytes) -> bytes:
    """Return a packet with its length before it."""
    return struct.pack("!H", len(data)) + data


def check(username: str) -> bytes:
    """Return a check that names a call, under no password."""
    message = stuns.Message(message_method=stuns.Method.BINDING, message_class=stuns.Class.REQUEST)
    message.attributes["USERNAME"] = username
    message.attributes["PRIORITY"] = 1
    message.add_message_integrity(b"wrong")
    return bytes(message)


class TestConnecting:
    async def test_caller_without_udp_connects_and_connects_again(self) -> None:
        """Media goes both ways in frames; when the connection breaks, the next is followed."""
        ours = agent(network(rtp_tcp_port=0, ice_consent_interval_s=0.2))
        await ours.gather_candidates()
        told = listening(ours)
        assert told.to_sdp().endswith("typ host tcptype passive")
        assert told.priority < min(one.priority for one in ours.local_candidates[:-1])
        async with (
            over_tcp((told.host, told.port)) as bridge,
            connected(ours, at=bridge.inside) as theirs,
        ):
            await heard_by(theirs, lambda: ours.send(SOUND))
            await heard_by(ours, lambda: theirs.send(SOUND))
            before = ours._selected
            await bridge.drop()
            async with asyncio.timeout(SOON_S):
                while ours._selected == before:
                    await theirs.send(check_of(ours, theirs.local_username))
                    await asyncio.sleep(0.05)
            await heard_by(theirs, lambda: ours.send(SOUND))

    async def test_port_is_open_while_there_are_calls(self) -> None:
        """Two calls share it; after the last it is closed."""
        here = network(rtp_tcp_port=0)
        first, second = agent(here), IceConnection(here, username="more", password="m" * 22)
        await first.gather_candidates()
        await second.gather_candidates()
        told = listening(first)
        assert listening(second).port == told.port
        await first.close()
        _, writer = await asyncio.open_connection(told.host, told.port)
        writer.close()
        await second.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(told.host, told.port)


def check_of(ours: IceConnection, username: str) -> bytes:
    """Return an authentic check of the caller's."""
    message = stuns.Message(message_method=stuns.Method.BINDING, message_class=stuns.Class.REQUEST)
    message.attributes["USERNAME"] = f"{ours.local_username}:{username}"
    message.attributes["PRIORITY"] = 1
    message.attributes["ICE-CONTROLLING"] = 1
    message.add_message_integrity(ours.local_password.encode())
    return bytes(message)


class TestStrangers:
    @pytest.mark.parametrize(
        "sent",
        [
            b"GET / HTTP/1.1\r\n\r\n",
            framed(b"\x16\x03\x01 hello"),
            framed(check("nobody:them")),
            framed(check("ours:them")),
            framed(b""),
            struct.pack("!H", MOST_FRAME_BYTES + 1),
        ],
        ids=["http", "tls", "another's call", "no password", "nothing", "too long"],
    )
    async def test_who_names_no_call_is_cut_off(self, sent: bytes) -> None:
        """At once, and nothing of it is kept; a name without the password is no call's."""
        ours = agent(network(rtp_tcp_port=0))
        await ours.gather_candidates()
        told = listening(ours)
        reader, writer = await asyncio.open_connection(told.host, told.port)
        writer.write(sent)
        async with asyncio.timeout(SOON_S):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()
        tcp = ours._network.tcp
        assert tcp is not None
        await until(lambda: tcp.strangers == 0)
        assert not [one for one in ours._protocols if isinstance(one, TcpSocket)]
        await ours.close()

    async def test_connections_of_a_call_are_bounded(self) -> None:
        """Its own caller holds few, and each beyond them costs an older one."""
        ours = agent(network(rtp_tcp_port=0))
        await ours.gather_candidates()
        told = listening(ours)
        writers = []
        for _ in range(2 * MOST_WAYS):
            reader, writer = await asyncio.open_connection(told.host, told.port)
            writers.append(writer)
            writer.write(framed(check_of(ours, "them")))
            async with asyncio.timeout(SOON_S):
                length = struct.unpack("!H", await reader.readexactly(2))[0]
                answer = stuns.parse_message(await reader.readexactly(length))
            assert answer.message_class is stuns.Class.RESPONSE
        ways = [one for one in ours._protocols if isinstance(one, TcpSocket)]
        assert len(ways) <= MOST_WAYS
        await ours.close()
        for writer in writers:
            writer.close()
        assert own_address() == told.host

    async def test_connections_in_one_moment_are_bounded_too(self) -> None:
        """A connection that has to go is not counted until its end is noticed."""
        port, ours = TcpPort(0), agent(network())
        port._calls[ours.local_username] = ours
        for number in range(5 * MOST_WAYS):
            came(port, "192.0.2.1", 1_024 + number).data_received(framed(check_of(ours, "them")))
            assert len(ours._protocols) <= MOST_WAYS
        assert len(ours._protocols) == MOST_WAYS

    async def test_connection_that_is_gone_leaves_nothing(self) -> None:
        """Neither pair nor candidate: a caller on a bad network connects again for hours."""
        ours = agent(network(rtp_tcp_port=0))
        async with connected(ours) as theirs:
            assert ours._network.tcp is not None
            for number in range(300):
                way = came(ours._network.tcp, "192.0.2.1", 1_024 + number)
                way.data_received(framed(check_of(ours, theirs.local_username)))
                pair = ours._pair(ours._protocols[-1], ("192.0.2.1", 1_024 + number))
                assert pair is not None
                if number % 2:  # it was the one in use
                    pair.state = CandidatePair.State.SUCCEEDED
                    ours._nominated[1] = pair
                    ours._note_selected()
                way.connection_lost(None)
            assert len(ours._check_list) <= MOST_CANDIDATES
            assert len(ours.remote_candidates) <= MOST_CANDIDATES
            assert ours._nominated[1] in ours._check_list

    async def test_who_waits_shuts_nobody_out(self) -> None:
        """The next caller is let in: at a bound the oldest of the busiest address goes."""
        port = TcpPort(0)
        honest = came(port, "192.0.2.1", 1_024)
        crowd = [came(port, "192.0.2.2", 1_024 + number) for number in range(2 * MOST_STRANGERS)]
        assert port.strangers == 1 + MOST_OF_ONE
        assert [one.is_closing() for one in crowd[-MOST_OF_ONE - 1 :]] == [True] + (
            MOST_OF_ONE * [False]
        )
        neighbours = [came(port, f"2001:db8::{one:x}", 1) for one in range(1, 2 * MOST_OF_ONE)]
        assert port.strangers == 1 + 2 * MOST_OF_ONE
        assert neighbours[0].is_closing()
        for number in range(2 * MOST_STRANGERS):
            newest = came(port, f"198.51.100.{number}", 1)
            assert not newest.is_closing()
        assert port.strangers == MOST_STRANGERS
        assert not came(port, "192.0.2.1", 1_025).is_closing()
        assert honest.is_closing()


class FakeTransport(asyncio.Transport):
    """A connection from wherever a test wants one."""

    def __init__(self, peer: tuple[str, int]) -> None:
        super().__init__({"peername": peer, "sockname": (own_address(), 1)})
        self._gone = False

    def abort(self) -> None:
        self._gone = True

    def is_closing(self) -> bool:
        return self._gone

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Nobody reads it."""


def came(port: TcpPort, host: str, number: int) -> _Way:
    """Have somebody connect."""
    way = _Way(port)
    way.connection_made(FakeTransport((host, number)))
    return way
