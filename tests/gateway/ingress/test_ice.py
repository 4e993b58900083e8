"""Our ICE agent against the library's own: ports, addresses, consent, and who is followed."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aioice import Candidate, Connection
from aioice.ice import CandidatePair

from gateway.ingress.webrtc.ice import MOST_CANDIDATES, MOST_PAIRS, MOST_QUEUED, IceConnection
from gateway.ingress.webrtc.network import Network
from gateway.ingress.webrtc.ports import NoMediaPorts
from gateway.ingress.webrtc.probes import MOST_PROBES, MOST_UNKNOWN
from gateway.ingress.webrtc.sockets import MOST_PACKET_BYTES, MediaSocket
from gateway.settings import Settings
from tests.servers.nat import Address, Nat, behind, own_address

SOON_S = 10.0
SOUND = b"\x80" + bytes(40)
"""What begins like RTP."""
QUICK = {"ice_consent_interval_s": 0.1, "ice_consent_timeout_s": 0.6}


def agent(network: Network) -> IceConnection:
    """Return an agent of ours."""
    return IceConnection(network, username="ours", password="o" * 22)


def network(**settings: Any) -> Network:
    """Return a network of one address."""
    return Network(Settings(**{"rtp_addresses": [own_address()], **settings}))


def free_ports(count: int) -> str:
    """Return a range of ports that nobody has."""
    begin = 20_000 + os.getpid() % 100 * 100  # tests run side by side
    for low in range(begin, begin + 2_000, 10):
        held = []
        try:
            for port in range(low, low + count):
                held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                held[-1].bind((own_address(), port))
        except OSError:
            continue
        finally:
            for one in held:
                one.close()
        return f"{low}-{low + count - 1}"
    raise AssertionError("no free ports")


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become so."""
    async with asyncio.timeout(SOON_S):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def connected(
    ours: IceConnection, *, at: Address | None = None, told: bool = True
) -> AsyncIterator[Connection]:
    """Have the library's agent connected to ours: `at` another address, or without being told."""
    theirs = Connection(ice_controlling=True, use_ipv6=False)
    try:
        await asyncio.gather(ours.gather_candidates(), theirs.gather_candidates())
        theirs.remote_username, theirs.remote_password = ours.local_username, ours.local_password
        ours.remote_username, ours.remote_password = theirs.local_username, theirs.local_password
        if at is not None:
            seen = Candidate("1", 1, "udp", 2130706431, *at, "host")
            await theirs.add_remote_candidate(seen)
        else:
            for candidate in ours.local_candidates:
                await theirs.add_remote_candidate(candidate)
        if told and at is None:
            for candidate in theirs.local_candidates:
                await ours.add_remote_candidate(candidate)
        await ours.add_remote_candidate(None)
        await theirs.add_remote_candidate(None)
        async with asyncio.timeout(SOON_S):
            await asyncio.gather(ours.connect(), theirs.connect())
        yield theirs
    finally:
        await ours.close()
        await theirs.close()


@asynccontextmanager
async def joined(
    ours: IceConnection, *, through: Nat | None = None, told: bool = True
) -> AsyncIterator[Connection]:
    """The same, perhaps through a NAT."""
    await ours.gather_candidates()
    if through is not None:
        through.target = (ours.local_candidates[0].host, ours.local_candidates[0].port)
    at = None if through is None else through.inside
    async with connected(ours, at=at, told=told) as theirs:
        yield theirs


async def heard_by(
    receiver: Connection, send: Callable[[], Awaitable[None]], *, every_s: float = 0.02
) -> None:
    """Send until the receiver hears something new."""
    while not receiver._queue.empty():
        receiver._queue.get_nowait()

    async def sending() -> None:
        while True:
            await send()
            await asyncio.sleep(every_s)

    talking = asyncio.create_task(sending())
    try:
        async with asyncio.timeout(SOON_S):
            assert await receiver.recv() == SOUND
    finally:
        talking.cancel()


class TestPorts:
    async def test_port_is_of_the_range_and_comes_back(self) -> None:
        """A call takes one port per address, and its end gives it back."""
        ports = free_ports(2)
        here = network(rtp_ports=ports)
        assert here.ports is not None
        for number in range(3):
            ours = agent(here)
            await ours.gather_candidates()
            assert str(ours.local_candidates[0].port) == ports.split("-")[number % 2]
            assert here.ports.free(own_address()) == 1
            await ours.close()
            assert here.ports.free(own_address()) == 2

    async def test_call_beyond_the_range_is_refused(self) -> None:
        """503 in the contract's envelope, and nothing is held by who was refused."""
        here = network(rtp_ports=free_ports(1))
        first, second, third = agent(here), agent(here), agent(here)
        await first.gather_candidates()
        with pytest.raises(NoMediaPorts) as refused:
            await second.gather_candidates()
        assert (refused.value.status, refused.value.code) == (503, "no_media_ports")
        await second.close()
        await first.close()
        await third.gather_candidates()
        await third.close()

    async def test_port_of_another_program_is_passed_over(self) -> None:
        """What cannot be bound is not the end of it."""
        ports = free_ports(2)
        low = int(ports.partition("-")[0])
        here = network(rtp_ports=ports)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((own_address(), low))
            ours = agent(here)
            await ours.gather_candidates()
            assert ours.local_candidates[0].port == low + 1
            await ours.close()
        assert here.ports is not None
        assert here.ports.free(own_address()) == 2

    async def test_call_that_ends_while_it_gathers_leaves_nothing(self) -> None:
        """A server that does not answer is being waited for when the caller leaves."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
            deaf.bind((own_address(), 0))
            url = f"stun:{own_address()}:{deaf.getsockname()[1]}"
            here = network(rtp_ports=free_ports(1), stun_url=url)
            ours = agent(here)
            gathering = asyncio.create_task(ours.gather_candidates())
            await until(lambda: bool(ours.local_candidates))
            await ours.close()
            with pytest.raises(ConnectionError):
                await gathering
        assert here.ports is not None
        assert here.ports.free(own_address()) == 1

    async def test_call_that_ended_opens_nothing(self) -> None:
        """Neither a port nor the place of a call on the TCP port is taken for who left."""
        here = network(rtp_ports=free_ports(1), rtp_tcp_port=0)
        ours = agent(here)
        await ours.close()
        with pytest.raises(ConnectionError):
            await ours.gather_candidates()
        assert here.ports is not None
        assert here.ports.free(own_address()) == 1
        assert here.tcp is not None
        assert not here.tcp._calls

    async def test_call_that_ends_while_it_opens_leaves_the_tcp_port(self) -> None:
        """A socket was being opened when the caller left."""
        here = network(rtp_tcp_port=0)
        ours = agent(here)
        gathering = asyncio.create_task(ours.gather_candidates())
        await asyncio.sleep(0)
        await ours.close()
        with pytest.raises(ConnectionError):
            await gathering
        assert here.tcp is not None
        assert not here.tcp._calls
        assert not here.tcp._servers


class TestPackets:
    @pytest.mark.parametrize(
        "packet",
        [
            bytes(1_400),
            b"\x03" + bytes(19),
            bytes(8 * MOST_PACKET_BYTES),
            SOUND + bytes(MOST_PACKET_BYTES),
        ],
        ids=["zeros", "short", "long", "long media"],
    )
    async def test_packet_that_is_neither_stun_nor_media_is_not_kept(self, packet: bytes) -> None:
        """What begins like STUN and is none, and what is too long, waits for nobody."""
        ours = agent(network())
        await ours.gather_candidates()
        media = ours._protocols[0]
        assert isinstance(media, MediaSocket)
        for _ in range(10):
            media.datagram_received(packet, ("192.0.2.1", 5_000))
        assert ours._queue.empty()
        await ours.close()


class TestAddresses:
    def test_links_loopback_and_skipped_interfaces_are_left_out(self) -> None:
        """Callers learn of no address that they cannot reach; at least one is left."""
        everything = set(Network(Settings(rtp_skip_interfaces=["nothing"])).addresses())
        assert everything
        assert not any(one.startswith(("127.", "fe80:")) for one in everything) or (
            everything == {"127.0.0.1"}
        )
        assert Network(Settings(rtp_skip_interfaces=["*"])).addresses() == ["127.0.0.1"]

    def test_network_stands_for_the_addresses_in_it(self) -> None:
        """An operator names a network where addresses come and go."""
        within = Network(Settings(rtp_addresses=["127.0.0.0/8"]))
        assert within.addresses() == ["127.0.0.1"]
        assert Network(Settings(rtp_addresses=["127.0.0.5"])).addresses() == ["127.0.0.5"]

    async def test_public_address_is_announced_in_place_of_the_local_one(self) -> None:
        """The port is the same, as 1:1 NAT has it; IPv6 is not NATed with it."""
        here = Network(Settings(public_address="203.0.113.7"))
        ours = agent(here)
        await ours.gather_candidates()
        try:
            four = [one for one in ours.local_candidates if ":" not in one.host]
            assert [one.host for one in four] == ["203.0.113.7"]
            bound = ours._protocols[0].transport.get_extra_info("sockname")
            assert four[0].port == bound[1]
            assert bound[0] not in four[0].to_sdp()
        finally:
            await ours.close()

    async def test_caller_connects_to_the_public_address(self) -> None:
        """A NAT that forwards it port by port is all that it takes."""
        public = "127.0.0.3"
        ours = agent(network(public_address=public))
        await ours.gather_candidates()
        port = ours.local_candidates[0].port
        within = (own_address(), port)
        async with behind(within, inside=(public, port)) as nat, joined(ours, told=False) as theirs:
            await heard_by(theirs, lambda: ours.send(SOUND))
            await heard_by(ours, lambda: theirs.send(SOUND))
            assert nat.forwarded

    async def test_ipv6_connects(self) -> None:
        """An address of the newer kind is as good."""
        here = Network(Settings(rtp_addresses=["::1"]))
        ours = agent(here)
        theirs = Connection(ice_controlling=True)
        await asyncio.gather(ours.gather_candidates(), theirs.gather_candidates())
        theirs.remote_username, theirs.remote_password = ours.local_username, ours.local_password
        ours.remote_username, ours.remote_password = theirs.local_username, theirs.local_password
        try:
            await theirs.add_remote_candidate(ours.local_candidates[0])
            if not any(":" in one.host for one in theirs.local_candidates):
                pytest.skip("this host has no IPv6 address")
            async with asyncio.timeout(SOON_S):
                await asyncio.gather(ours.connect(), theirs.connect())
        finally:
            await ours.close()
            await theirs.close()


class TestCandidates:
    async def test_caller_without_candidates_is_found_by_its_checks(self) -> None:
        """OpenAI's guide posts an offer before there are any; some say that none will come."""
        async with joined(agent(network()), told=False) as theirs:
            assert theirs._nominated

    @pytest.mark.parametrize(
        ("host", "port", "transport", "component"),
        [
            ("4b1e4a5c-6a3e-4b1e-8a3e-123456789abc.local", 5000, "udp", 1),
            ("example.com", 5000, "udp", 1),
            ("127.0.0.1", 5000, "udp", 1),
            ("::1", 5000, "udp", 1),
            ("224.0.0.251", 5353, "udp", 1),
            ("0.0.0.0", 5000, "udp", 1),
            ("192.0.2.9", 0, "udp", 1),
            ("192.0.2.9", 9, "tcp", 1),
            ("192.0.2.9", 5000, "udp", 2),
            ("169.254.169.254", 80, "udp", 1),
            ("fe80::1", 5000, "udp", 1),
            ("255.255.255.255", 5000, "udp", 1),
            ("240.0.0.1", 5000, "udp", 1),
            ("0.1.2.3", 5000, "udp", 1),
            ("::ffff:192.0.2.9", 5000, "udp", 1),
            ("::ffff:169.254.169.254", 5000, "udp", 1),
            ("64:ff9b::a9fe:a9fe", 5000, "udp", 1),
            ("2002:a9fe:a9fe::1", 5000, "udp", 1),
            ("100.100.100.200", 5000, "udp", 1),
            ("168.63.129.16", 5000, "udp", 1),
            ("fd00:ec2::254", 5000, "udp", 1),
            ("10.9.8.7", 5000, "udp", 1),
            ("2001:db8:7::1", 5000, "udp", 1),
        ],
    )
    async def test_candidate_that_is_of_no_use_is_left(
        self, host: str, port: int, transport: str, component: int
    ) -> None:
        """No name is looked up, no server of ours or a cloud's is knocked at, none of the
        operator's networks; the answer does not wait.
        """
        ours = agent(network(ice_forbidden_networks=["10.0.0.0/8", "2001:db8:7::/48"]))
        offered = Candidate("1", component, transport, 1, host, port, "host")
        async with asyncio.timeout(0.1):
            await ours.add_remote_candidate(offered)
        assert not ours.remote_candidates
        await ours.close()

    @pytest.mark.parametrize("host", ["10.9.8.7", "192.168.1.7", "203.0.113.9", "2001:db8::7"])
    async def test_candidate_of_a_private_network_is_of_use(self, host: str) -> None:
        """Callers of a company are there, unless the operator says otherwise."""
        ours = agent(network())
        await ours.add_remote_candidate(Candidate("1", 1, "udp", 1, host, 5_000, "host"))
        assert [one.host for one in ours.remote_candidates] == [host]
        await ours.close()

    @pytest.mark.parametrize("host", ["169.254.169.254", "10.9.8.7"])
    async def test_packet_that_claims_to_come_from_a_forbidden_network_is_not_answered(
        self, host: str
    ) -> None:
        """A caller knows its password and may forge the source: neither check nor media helps."""
        ours = agent(network(ice_forbidden_networks=["10.0.0.0/8"]))
        async with joined(ours) as theirs:
            media: Any = ours._protocols[0]
            sent: list[Address] = []
            media.send_stun = lambda _message, to: sent.append(to)
            check = theirs.build_request(theirs._nominated[1], nominate=True)
            check.add_message_integrity(ours.local_password.encode())
            before = len(ours.remote_candidates)
            media.datagram_received(bytes(check), (host, 5_000))
            media.datagram_received(SOUND, (host, 5_000))
            await asyncio.sleep(0)
            assert not [one for one in sent if one[0] == host]
            assert len(ours.remote_candidates) == before

    async def test_candidates_are_bounded(self) -> None:
        """An offer cannot have us send to everybody."""
        ours = agent(network())
        for port in range(1, 3 * MOST_CANDIDATES):
            await ours.add_remote_candidate(Candidate("1", 1, "udp", 1, "192.0.2.9", port, "host"))
        assert len(ours.remote_candidates) == MOST_CANDIDATES
        await ours.close()


class TestPairs:
    async def test_pairs_of_an_offer_are_bounded(self) -> None:
        """Many addresses of ours with many of a caller's: the best are checked."""
        ours = agent(network())
        await ours.gather_candidates()
        for number in range(7):
            media = MediaSocket(ours)
            media.local_candidate = Candidate("1", 1, "udp", 100 + number, "192.0.2.1", 9, "host")
            media.transport = Silent()
            ours._protocols.append(media)
        for port in range(MOST_CANDIDATES):
            offered = Candidate("1", 1, "udp", 1_000 + port, "192.0.2.9", 1 + port, "host")
            await ours.add_remote_candidate(offered)
        assert len(ours._check_list) == MOST_PAIRS
        assert {one.local_candidate.priority for one in ours._check_list[-30:]} == {105, 104}
        del ours._protocols[1:]
        await ours.close()

    async def test_pair_that_works_is_forgotten_last(self) -> None:
        """A caller's spare way outlives checks from everywhere that come to nothing."""
        ours = agent(network())
        async with joined(ours) as theirs:
            media: Any = ours._protocols[0]
            spare = ours._learn(media, ("192.0.2.8", 1))
            spare.state = CandidatePair.State.SUCCEEDED
            for number in range(3 * MOST_PAIRS):
                check = theirs.build_request(theirs._nominated[1], nominate=False)
                ours.check_incoming(check, ("192.0.2.9", 1_024 + number), media)
            assert spare in ours._check_list
            assert len(ours._check_list) <= MOST_PAIRS
            assert len(ours.remote_candidates) <= MOST_PAIRS

    async def test_candidate_goes_with_its_last_pair(self) -> None:
        """The library drops pairs that were not checked when one is chosen."""
        ours = agent(network())
        async with joined(ours):
            media: Any = ours._protocols[0]
            for number in range(MOST_PAIRS // 2):
                pair = ours._learn(media, ("192.0.2.9", 1_024 + number))
                pair.state = CandidatePair.State.WAITING
            ours.check_complete(ours._nominated[1])
            paired = [one.remote_candidate for one in ours._check_list]
            assert all(one in paired for one in ours.remote_candidates)


class Silent(asyncio.DatagramTransport):
    """A socket that nothing comes of."""

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send nothing."""

    def close(self) -> None:
        """Close nothing."""


class TestConsent:
    async def test_caller_who_vanishes_is_noticed(self) -> None:
        """The connection closes by the clock of the settings, and gives its port back."""
        here = network(rtp_ports=free_ports(1), **QUICK)
        ours = agent(here)
        async with behind(("", 0)) as nat, joined(ours, through=nat):
            event = asyncio.create_task(ours.get_event())
            nat.dead = True
            async with asyncio.timeout(SOON_S):
                assert await event is not None
            assert here.ports is not None
            await until(lambda: here.ports is not None and here.ports.free(own_address()) == 1)

    async def test_outage_shorter_than_the_clock_is_survived(self) -> None:
        """A tunnel is no end."""
        ours = agent(network(ice_consent_interval_s=0.1, ice_consent_timeout_s=4))
        async with behind(("", 0)) as nat, joined(ours, through=nat) as theirs:
            nat.dead = True
            await asyncio.sleep(1)
            nat.dead = False
            await heard_by(theirs, lambda: ours.send(SOUND))


class TestFollowing:
    async def test_caller_whose_address_changes_is_followed(self) -> None:
        """Media from the new address is proved by a check, then answered there."""
        ours = agent(network())
        async with behind(("", 0)) as nat, joined(ours, through=nat) as theirs:
            before = ours._selected
            await nat.rebind()
            await heard_by(ours, lambda: theirs.send(SOUND))
            async with asyncio.timeout(SOON_S):
                while ours._selected == before:
                    await theirs.send(SOUND)
                    await asyncio.sleep(0.02)
            await heard_by(theirs, lambda: ours.send(SOUND))

    async def test_silent_caller_is_followed_by_its_checks(self) -> None:
        """A muted caller sends nothing but its own questions for consent."""
        ours = agent(network(ice_consent_interval_s=0.2))
        async with behind(("", 0)) as nat, joined(ours, through=nat) as theirs:
            before = ours._selected
            await nat.rebind()
            pair = theirs._nominated[1]
            async with asyncio.timeout(SOON_S):
                while ours._selected == before:
                    request = theirs.build_request(pair, nominate=False)
                    key = ours.local_password.encode()
                    request.add_message_integrity(key)
                    pair.protocol.send_stun(request, pair.remote_addr)
                    await asyncio.sleep(0.1)
            await heard_by(theirs, lambda: ours.send(SOUND))

    async def test_stranger_is_not_followed(self) -> None:
        """Who cannot answer a check under the call's credentials turns nothing away."""
        ours = agent(network(ice_consent_interval_s=0.5))
        async with joined(ours):
            before = ours._selected
            assert before is not None
            to = (ours.local_candidates[0].host, ours.local_candidates[0].port)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.bind((own_address(), 0))
                stranger.setblocking(False)
                for _ in range(60):
                    stranger.sendto(SOUND, to)
                    await asyncio.sleep(0.02)
                assert stranger.recv(2048)[0] <= 3  # it was asked, and did not know the answer
            assert ours._selected == before

    async def test_strangers_cost_a_bounded_memory(self) -> None:
        """Packets from everywhere make neither pairs nor queued packets without end."""
        ours = agent(network())
        async with joined(ours):
            media: Any = ours._protocols[0]
            pairs, candidates = ours._check_list[:], ours.remote_candidates
            for number in range(5_000):
                ours._heard_s = 0
                ours.media_received(SOUND, ("192.0.2.77", 1_024 + number), media)
            assert ours._check_list == pairs
            assert ours.remote_candidates == candidates
            assert ours._queue.qsize() <= MOST_QUEUED
            assert ours._nominated

    async def test_strangers_are_asked_seldom(self) -> None:
        """Sources are forged with ease: a flood has us send a handful of packets."""
        ours = agent(network())
        async with joined(ours):
            asked = Asked(ours)
            for number in range(1_000):
                asked.media(SOUND, ("192.0.2.77", 1_024 + number))
            await asyncio.sleep(0)
            assert len(asked.of) == MOST_UNKNOWN
            assert set(asked.retries) == {1}

    async def test_caller_who_moved_is_asked_in_the_midst_of_a_flood(self) -> None:
        """Its stream was heard before, which strangers do not know."""
        ours = agent(network())
        async with joined(ours):
            asked = Asked(ours)
            stream = b"\x80\x6f" + bytes(6) + b"true" + bytes(40)
            assert ours._selected is not None
            ours.media_received(stream, ours._selected[1], asked.socket)
            for number in range(1_000):
                asked.media(SOUND, ("192.0.2.77", 1_024 + number))
            asked.media(stream, ("192.0.2.8", 5_000))
            asked.media(b"\x80\xc9\x00\x01true" + bytes(20), ("192.0.2.8", 5_001))
            await asyncio.sleep(0)
            assert {("192.0.2.8", 5_000), ("192.0.2.8", 5_001)} <= set(asked.of)
            assert len(asked.of) == MOST_PROBES

    async def test_nobody_is_asked_while_the_caller_is_heard(self) -> None:
        """Who is still there did not move."""
        ours = agent(network())
        async with joined(ours):
            asked = Asked(ours)
            ours._heard_s = asyncio.get_running_loop().time() + 60
            ours.media_received(SOUND, ("192.0.2.77", 5_000), asked.socket)
            await asyncio.sleep(0)
            assert not asked.of

    @pytest.mark.parametrize(
        "packet",
        [b"\x80", b"\x16", b"\x80" + bytes(14), b"\x16" + bytes(11), b"G" + bytes(99),
         b"\x04" + bytes(99), b"\xff" + bytes(99)],
        ids=["1", "1 of DTLS", "short RTP", "short DTLS", "text", "ZRTP", "none"],
    )  # fmt: skip
    async def test_packet_that_cannot_be_media_asks_nobody(self, packet: bytes) -> None:
        """Nor does it wait to be decrypted, nor count as a sign of the caller."""
        ours = agent(network())
        async with joined(ours):
            asked = Asked(ours)
            asked.media(packet, ("192.0.2.77", 5_000))
            assert ours._selected is not None
            ours.media_received(packet, ours._selected[1], asked.socket)
            await asyncio.sleep(0)
            assert not asked.of
            assert ours._queue.empty()
            assert ours._heard_s == 0


class Asked:
    """Notes whom an agent asks; nobody answers."""

    def __init__(self, ours: IceConnection) -> None:
        self._ours = ours
        self.of: list[Address] = []
        self.retries: list[int | None] = []
        self.socket: Any = ours._protocols[0]
        self.socket.request = self._request

    async def _request(
        self,
        _message: object,
        to: Address,
        integrity_key: bytes | None = None,  # noqa: ARG002
        retransmissions: int | None = None,
    ) -> None:
        self.of.append(to)
        self.retries.append(retransmissions)
        await asyncio.Event().wait()

    def media(self, packet: bytes, address: Address) -> None:
        """Have a packet come while the caller is silent."""
        self._ours._heard_s = 0
        self._ours.media_received(packet, address, self.socket)
