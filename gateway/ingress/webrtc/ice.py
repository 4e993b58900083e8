"""The ICE agent of a call: the library's, with our sockets, relays, bounds and patience (ADR 0024).

What is ours: which addresses and ports are taken and announced, several relays
over UDP, TCP and TLS, bounds on what a caller may make it remember, consent by
the clock (RFC 7675), and following a caller whose address changes without
asking. The names that this needs are private to the library, which is pinned.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from functools import partial
from ipaddress import ip_address
from typing import Any, Final

import structlog
from aioice import Candidate, Connection
from aioice import stun as stuns
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import (
    CandidatePair,
    StunProtocol,
    candidate_pair_priority,
    server_reflexive_candidate,
)

from gateway.ingress.webrtc.network import Network, NoMediaPath
from gateway.ingress.webrtc.ports import NoMediaPorts
from gateway.ingress.webrtc.probes import RETRIES, Probes, is_media
from gateway.ingress.webrtc.relays import allocate
from gateway.ingress.webrtc.rtp import RTCP_TYPES
from gateway.ingress.webrtc.sealed import Seal, is_srtp
from gateway.ingress.webrtc.sockets import MediaSocket, open_socket
from gateway.ingress.webrtc.tcp import MOST_WAYS, TcpSocket, tcp_candidate
from gateway.telemetry import metrics

MOST_CANDIDATES: Final = 32
"""Of a caller's; each is a packet to wherever it points."""
MOST_PAIRS: Final = 100
"""RFC 8445 6.1.2.5; beyond it the oldest that is not used is forgotten."""
MOST_QUEUED: Final = 512
"""Packets that wait to be read, 10 s of audio; what comes on top is dropped."""
MOST_DTLS: Final = 256
"""What may wait for DTLS to be taken, which is opened later and so can be forged."""
QUIET_S: Final = 0.3
"""Media from another address is followed when the known one was silent for so long."""
PROBE_S: Final = 0.1
"""Addresses that only sent media are asked when the known one was silent for so long."""
DISCARD_PORT: Final = 9
"""Where what is not meant to arrive is sent (RFC 863)."""
TOP_PREFERENCE: Final = 65_535
_LASTING: Final = (
    CandidatePair.State.FAILED,
    CandidatePair.State.FROZEN,
    CandidatePair.State.WAITING,
    CandidatePair.State.IN_PROGRESS,
    CandidatePair.State.SUCCEEDED,
)
"""States of pairs, the first to be forgotten first."""

_missing = [
    name
    for name in (
        "_add_remote_candidate", "_check_list", "_check_list_maybe_fail", "_closing",
        "_early_checks", "_remote_candidates_expected",
        "_local_candidates", "_local_candidates_end", "_local_candidates_start", "_nominated",
        "_protocols", "_query_consent_task", "_queue", "_remote_candidates",
    )
    if not hasattr(Connection(ice_controlling=False), name)
]  # fmt: skip
if _missing:
    raise ImportError(f"this aioice lacks {_missing}: pin the version that the lock names")

_log = structlog.get_logger("webrtc")

Address = tuple[str, int]


class IceConnection(Connection):
    """One call's way through the network."""

    def __init__(
        self, network: Network, *, username: str, password: str, caller: str | None = None
    ) -> None:
        super().__init__(ice_controlling=False, local_username=username, local_password=password)
        self._network = network
        self._caller = caller
        self._addresses = network.addresses()
        self._within = any(ip_address(one).is_loopback for one in self._addresses)
        """Callers are on this host."""
        self.relay_lost = False
        """The relay that carried the media is gone."""
        self.vanished = False
        """The caller consents no more."""
        self._called = asyncio.Event()
        """A check came, or the call ended."""
        self._loop = asyncio.get_running_loop()
        self._heard_s = 0.0
        """When the selected pair was heard last."""
        self._selected: tuple[StunProtocol, Address] | None = None
        self._probes = Probes(self._probe)
        self.seal: Seal | None = None
        """What opens the caller's media; None hands it on sealed."""
        self._seen: CandidatePair | None = None
        """Another pair that was heard last, and would be followed if it works."""
        self.streams: dict[bytes, Callable[[bytes], None]] = {}
        """Who takes the opened RTP of a known source (SSRC) at once; the library gets the rest."""

    # --- our candidates ---

    async def gather_candidates(self) -> None:
        """Open sockets and ask servers.

        Raises:
            NoMediaPorts: no port was left.
            NoMediaPath: there is neither an address nor a relay.
            ConnectionError: the call ended meanwhile.
        """
        if self._closing:
            raise ConnectionError("the call ended before it was answered")
        if self._local_candidates_start:
            return
        self._local_candidates_start = True
        await self._open()
        asking: list[Coroutine[Any, Any, list[Candidate]]] = [self._relayed()]
        asking += [self._reflexive(one) for one in self._protocols if isinstance(one, MediaSocket)]
        for found in await asyncio.gather(*asking):
            self._local_candidates += found
        if self._closing:
            if self._network.tcp is not None:
                self._network.tcp.leave(self)
            await self._close_sockets()
            raise ConnectionError("the call ended while it was answered")
        if not self._local_candidates:
            raise NoMediaPath
        self._local_candidates_end = True

    async def _open(self) -> None:
        exhausted = False
        for index, address in enumerate(self._addresses):
            try:
                media = await open_socket(self, address, self._network.ports)
            except NoMediaPorts:
                exhausted = True
                continue
            except OSError as error:
                _log.warning("address_unusable", address=address, error=str(error))
                continue
            media.local_candidate = self._host(media, TOP_PREFERENCE - index)
            self._protocols.append(media)
            self._local_candidates.append(media.local_candidate)
        if exhausted and not self._protocols:
            metrics.MEDIA_PORTS_EXHAUSTED.inc()
            raise NoMediaPorts
        if self._network.tcp is not None:
            for index, (address, port) in enumerate(
                await self._network.tcp.join(self, self._addresses)
            ):
                told = self._network.announced(address)
                self._local_candidates.append(tcp_candidate(told, port, index))

    def _host(self, media: MediaSocket, preference: int) -> Candidate:
        address, port = media.transport.get_extra_info("sockname")[:2]
        return Candidate(
            foundation=candidate_foundation("host", "udp", address),
            component=1,
            transport="udp",
            priority=candidate_priority(1, "host", preference),
            host=self._network.announced(address),
            port=port,
            type="host",
        )

    async def _relayed(self) -> list[Candidate]:
        relays = self._network.relays()
        if relays is None:
            return []
        try:
            async with asyncio.timeout(self._network.gather_timeout_s):
                won = await allocate(relays, lambda: MediaSocket(self))
        except TimeoutError:
            metrics.ICE_SERVER_FAILURES.labels(kind="turn").inc()
            _log.warning("relay_failed", error="it does not answer")
            return []
        if won is None:
            return []
        candidate, relay = won
        self._protocols.append(relay)
        # A relay lets nobody in who was not sent to. Offers often hold no candidates, so whoever
        # comes from where the offer came from, or by the same relay, is let in unseen.
        for host in {candidate.host, self._network.beside(candidate.host, self._caller)}:
            if host is not None and not self._network.forbids(host):
                relay.transport.sendto(b"", (host, DISCARD_PORT))
        return [candidate]

    async def _reflexive(self, media: MediaSocket) -> list[Candidate]:
        stun, own = self._network.stun, media.local_candidate
        if stun is None or ip_address(own.host).version != 4:
            return []
        try:
            async with asyncio.timeout(self._network.gather_timeout_s):
                candidate, _ = await server_reflexive_candidate(media, (stun.host, stun.port))
        except (OSError, TimeoutError, KeyError, stuns.TransactionError) as error:
            metrics.ICE_SERVER_FAILURES.labels(kind="stun").inc()
            _log.warning("stun_failed", host=stun.host, port=stun.port, error=repr(error))
            return []
        # RFC 8445 5.1.3: what is no other address is no other candidate.
        return [] if (candidate.host, candidate.port) == (own.host, own.port) else [candidate]

    async def _close_sockets(self) -> None:
        for one in self._protocols:
            await one.close()
        self._protocols.clear()

    # --- the caller's candidates ---

    async def add_remote_candidate(self, remote_candidate: Candidate | None) -> None:
        """Take a candidate of the caller's if it can be of use; further ones may always come.

        Names (`….local`) are not looked up and an end is not believed: a caller's
        checks tell where it is.
        """
        if remote_candidate is None or self._closing:
            return
        if len(self._remote_candidates) < MOST_CANDIDATES and self._useful(remote_candidate):
            self._add_remote_candidate(remote_candidate, remote_candidate.host)

    def _useful(self, candidate: Candidate) -> bool:
        try:
            address = ip_address(candidate.host)
        except ValueError:
            return False
        if candidate.transport.lower() != "udp" or candidate.component != 1:
            return False
        if not 0 < candidate.port < 65_536 or self._network.forbids(candidate.host):
            return False
        # Nobody outside is at our own loopback, but servers of ours may be.
        return not address.is_loopback or self._within

    # --- connecting ---

    async def connect(self) -> None:
        """Check the caller's candidates and answer its checks until one pair is chosen.

        It does not fail while there is somebody who may still call: whoever waits
        for the call has a clock.

        Raises:
            ConnectionError: the call ended.
        """
        if not self._remote_candidates:
            await self._called.wait()
        await super().connect()

    def _remote_candidates_expected(self) -> bool:
        # More always may come, by their checks; this question makes the library poll for them.
        return False

    def _check_list_maybe_fail(self) -> None:
        """Not before the call's clock says so."""

    def request_received(
        self, message: stuns.Message, addr: Address, protocol: StunProtocol
    ) -> None:
        """Take a check; the library answers it, unless it claims to come from where nobody is."""
        if self._network.forbids(addr[0]):
            metrics.ICE_DROPPED.inc()
            return
        super().request_received(message, addr, protocol)
        if self._early_checks:
            self._called.set()

    @property
    def closing(self) -> bool:
        """The call ended."""
        return bool(self._closing)

    async def close(self) -> None:
        """Leave; sockets are closed and ports free when it returns."""
        self._closing = True
        self._called.set()
        if self._network.tcp is not None:
            self._network.tcp.leave(self)
        await self._probes.close()
        await super().close()
        self._selected = self._seen = None
        self.streams.clear()

    @property
    def closed(self) -> bool:
        """It was left, or is being left."""
        return self._closing

    # --- ways that come and go ---

    def way_made(self, way: TcpSocket) -> bool:
        """Take a TCP connection of the caller's; the oldest unused one goes for it."""
        if self._closing:
            return False
        ways = [one for one in self._protocols if isinstance(one, TcpSocket)]
        if len(ways) >= MOST_WAYS:
            spare = [one for one in ways if self._selected is None or one is not self._selected[0]]
            self.way_lost(spare[0])
            spare[0].transport.close()
        self._protocols.append(way)
        return True

    def way_lost(self, way: TcpSocket) -> None:
        """A TCP connection broke; the caller may make another, until consent runs out."""
        if self._closing or way not in self._protocols:
            return
        self._protocols.remove(way)
        self._drop_lost()

    def protocol_lost(self, protocol: StunProtocol) -> None:
        """A socket or an allocation is gone."""
        if not self._closing and self._selected is not None and self._selected[0] is protocol:
            self.relay_lost = protocol.local_candidate.type == "relay"
        super().protocol_lost(protocol)

    # --- what goes out and comes in ---

    def send_media(self, packet: bytes) -> None:
        """Send by the selected pair; what nobody can get is dropped."""
        if self._selected is not None and not self._closing:
            way, address = self._selected
            way.transport.sendto(packet, address)

    def media_received(self, data: bytes, address: Address, socket: MediaSocket) -> None:
        """Take DTLS, SRTP or SRTCP; what the caller did not seal is as if it never came."""
        if not is_media(data):
            metrics.ICE_DROPPED.inc()
            return
        known = self._selected == (socket, address)
        if is_srtp(data):
            self._sealed_came(data, address, socket, known=known)
        elif known or self._may_shake_hands(socket, address):
            if not known and self._selected is not None:
                self._media_from_elsewhere(data, socket, address)
            self._give_library(data, MOST_DTLS)

    def _sealed_came(
        self, data: bytes, address: Address, socket: MediaSocket, *, known: bool
    ) -> None:
        if self.seal is not None:
            if not self.seal.has_keys:
                if known:
                    self.seal.hold(partial(self.media_received, data, address, socket))
                return
            opened = self.seal.open(data)
            if opened is None:
                return
            data = opened
        if known:
            self._heard_s = self._loop.time()
            self._probes.heard(data)
        elif self._selected is not None:
            self._media_from_elsewhere(data, socket, address)
        take = None if data[1] in RTCP_TYPES else self.streams.get(data[8:12])
        if take is not None:
            take(data)
        else:
            self._give_library(data, MOST_QUEUED)

    def _give_library(self, data: bytes, most: int) -> None:
        if self._queue.qsize() >= most:
            metrics.ICE_DROPPED.inc()
            return
        self._queue.put_nowait((data, 1))

    def _may_shake_hands(self, socket: MediaSocket, address: Address) -> bool:
        """Say whether DTLS is taken from there: before the keys, from where checks came only.

        A handshake believes whatever it is told; once it is over, what is forged is skipped.
        """
        if self.seal is None or self.seal.has_keys or self._pair(socket, address) is not None:
            return True
        return any(
            (protocol, addr) == (socket, address) for _, addr, protocol in self._early_checks
        )

    def data_received(self, data: bytes, component: int) -> None:
        """Drop what begins like STUN and is none; media comes by `media_received`."""
        metrics.ICE_DROPPED.inc()

    def _media_from_elsewhere(self, data: bytes, socket: MediaSocket, address: Address) -> None:
        pair = self._pair(socket, address)
        if pair is not None and pair.state is not CandidatePair.State.FAILED:
            self._seen = pair
            self._follow(pair, quiet_s=QUIET_S)
            return
        # While the caller is heard it did not move, and nobody else is asked.
        silent = self._loop.time() - self._heard_s >= PROBE_S
        if silent and not self._closing and not self._network.forbids(address[0]):
            self._probes.ask((socket, address), data)

    async def _probe(self, socket: MediaSocket, address: Address) -> None:
        """Ask an address that media came from; it is followed if it is the caller's."""
        password = self.remote_password
        if password is None:
            return
        pair = CandidatePair(socket, _peer_reflexive(address))
        try:
            _, answered_from = await socket.request(
                self.build_request(pair, nominate=False),
                address,
                integrity_key=password.encode(),
                retransmissions=RETRIES,
            )
        except stuns.TransactionError:
            return
        if answered_from != address or self._closing:
            return
        pair = self._pair(socket, address) or self._learn(socket, address)
        pair.state = CandidatePair.State.SUCCEEDED
        self._seen = pair
        self._follow(pair, quiet_s=QUIET_S)

    def check_incoming(self, message: stuns.Message, addr: Address, protocol: StunProtocol) -> None:
        """Take an authentic check; a caller that now sends them from elsewhere is followed."""
        if "PRIORITY" not in message.attributes:
            return
        while len(self._check_list) >= MOST_PAIRS and self._forget_one():
            pass
        if len(self._remote_candidates) >= MOST_PAIRS + MOST_CANDIDATES:
            self._drop_unpaired()
        super().check_incoming(message, addr, protocol)
        self._note_selected()
        if self._selected is None:
            return
        if self._selected == (protocol, addr):
            self._heard_s = self._loop.time()
            return
        pair = self._pair(protocol, addr)
        if pair is not None:
            self._seen = pair
            # Spare paths are checked too: only one that replaces a dead one is taken unasked.
            self._follow(pair, quiet_s=self._network.consent_interval_s * 1.5)

    def sort_check_list(self) -> None:
        """Sort the pairs, and keep as many as are checked at all (RFC 8445 6.1.2.5)."""
        super().sort_check_list()
        while len(self._check_list) > MOST_PAIRS and self._forget_one():
            pass

    def check_complete(self, pair: CandidatePair) -> None:
        """A check of ours ended; a pair that is waited for is taken."""
        super().check_complete(pair)
        self._drop_unpaired()
        self._note_selected()
        if pair is self._seen:
            self._follow(pair, quiet_s=QUIET_S)

    def _follow(self, pair: CandidatePair, *, quiet_s: float) -> None:
        """Take another pair if it works and the selected one is silent."""
        if pair.state is not CandidatePair.State.SUCCEEDED:
            return
        selected = self._nominated.get(1)
        if selected is None or selected is pair or self._loop.time() - self._heard_s < quiet_s:
            return
        pair.nominated = True
        self._nominated[1] = pair
        self._note_selected()

    def _note_selected(self) -> None:
        pair = self._nominated.get(1)
        now = None if pair is None else (pair.protocol, pair.remote_addr)
        if now is None or now == self._selected:
            return
        if self._selected is not None:
            metrics.ICE_FOLLOWED.inc()
        self._selected = now
        self._heard_s = self._loop.time()
        self._drop_lost()

    def _pair(self, protocol: StunProtocol, address: Address) -> CandidatePair | None:
        for pair in self._check_list:
            if pair.protocol is protocol and pair.remote_addr == address:
                return pair
        return None

    def _learn(self, socket: MediaSocket, address: Address) -> CandidatePair:
        """Remember an address that the caller answered from."""
        while len(self._check_list) >= MOST_PAIRS and self._forget_one():
            pass
        pair = CandidatePair(socket, _peer_reflexive(address))
        self._remote_candidates.append(pair.remote_candidate)
        self._check_list.append(pair)
        return pair

    def _forget_one(self) -> bool:
        """Forget the least useful pair that is not in use; say whether there was one."""
        used = self._nominated.get(1)
        spare = [pair for pair in self._check_list if pair is not used]
        if spare:
            self._drop(min(spare, key=self._worth))
        return bool(spare)

    def _worth(self, pair: CandidatePair) -> tuple[int, int]:
        """Return an order: what works last, and before it by the priority of the standard."""
        ours, theirs = pair.local_candidate, pair.remote_candidate
        return (
            _LASTING.index(pair.state),
            candidate_pair_priority(ours, theirs, self.ice_controlling),
        )

    def _drop(self, pair: CandidatePair) -> None:
        """Forget a pair, and its candidate with the last one."""
        if pair.task is not None:
            pair.task.cancel()
        self._check_list.remove(pair)
        candidate = pair.remote_candidate
        if not any(one.remote_candidate is candidate for one in self._check_list):
            self._remote_candidates = [
                one for one in self._remote_candidates if one is not candidate
            ]

    def _drop_lost(self) -> None:
        """Forget pairs whose connection is gone, but for the one in use."""
        used = self._nominated.get(1)
        for pair in self._check_list[:]:
            way = pair.protocol
            if isinstance(way, TcpSocket) and way not in self._protocols and pair is not used:
                self._drop(pair)

    def _drop_unpaired(self) -> None:
        """Forget candidates that no pair is left of."""
        paired = {id(pair.remote_candidate) for pair in self._check_list}
        self._remote_candidates = [one for one in self._remote_candidates if id(one) in paired]

    # --- consent ---

    async def query_consent(self) -> None:
        """Ask again and again whether the caller wants our packets; close when it says no more."""
        network = self._network
        agreed_s = self._loop.time()
        while True:
            left_s = agreed_s + network.consent_timeout_s - self._loop.time()
            if left_s <= 0:
                break
            # RFC 7675 5.1: not all calls at once.
            pause_s = network.consent_interval_s * random.uniform(0.8, 1.2)  # noqa: S311
            await asyncio.sleep(min(pause_s, left_s))
            if await self._consents():
                agreed_s = self._loop.time()
        self.vanished = True
        self._query_consent_task = None
        await self.close()

    async def _consents(self) -> bool:
        pair, password = self._nominated.get(1), self.remote_password
        if pair is None or password is None:
            return False
        try:
            await pair.protocol.request(
                self.build_request(pair, nominate=False),
                pair.remote_addr,
                integrity_key=password.encode(),
                retransmissions=1,
            )
        except stuns.TransactionError:
            return False
        if self._selected == (pair.protocol, pair.remote_addr):
            self._heard_s = self._loop.time()
        return True


def _peer_reflexive(address: Address) -> Candidate:
    return Candidate(
        foundation=candidate_foundation("prflx", "udp", address[0]),
        component=1,
        transport="udp",
        priority=candidate_priority(1, "prflx"),
        host=address[0],
        port=address[1],
        type="prflx",
    )
