"""Which addresses and ports of this host calls take, and what callers are told of them."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from fnmatch import fnmatch
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import ifaddr

from gateway.identity.turn import TurnCredential, turn_credential
from gateway.ingress.webrtc.ports import PortPool
from gateway.ingress.webrtc.tcp import TcpPort
from gateway.settings import IceServer, Settings
from realtime.errors import WireFault

LOOK_S: Final = 5.0
"""How long the host's addresses are taken to be the same; a look takes 5 ms."""
MOST_ADDRESSES: Final = 8
"""Each takes a socket of every call."""
NOWHERE: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",
            "fd00:ec2::254/128", "fd20:ce::254/128",
        ),
    )
)  # fmt: skip
"""Where no caller is: "this network", and what clouds tell their hosts outside of link-local."""
LOOPBACK: Final = IPv4Address("127.0.0.1")

IpAddress = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]


class NoMediaPath(WireFault):
    """Neither an address nor a relay can be had. Code and wording are our choice."""

    status = 503
    type = "server_error"
    code = "no_media_path"

    def __init__(self) -> None:
        super().__init__("This server has no network path for calls now. Try again later.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relays:
    """The relays, and what opens them."""

    servers: tuple[IceServer, ...]
    credential: TurnCredential
    authority: ssl.SSLContext | None


class Network:
    """The network as the settings have it; one for all calls of the process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._addresses: list[str] = []
        self._looked_s: float | None = None
        ports = settings.port_range
        self.ports = None if ports is None else PortPool(ports)
        tcp_port = settings.rtp_tcp_port
        self.tcp = None if tcp_port is None else TcpPort(tcp_port)
        self.stun = settings.stun_server
        self.relay_only = settings.ice_relay_only
        self.gather_timeout_s = settings.ice_gather_timeout_s
        self.consent_interval_s = settings.ice_consent_interval_s
        self.consent_timeout_s = settings.ice_consent_timeout_s
        self._forbidden = NOWHERE + tuple(settings.ice_forbidden_networks)
        self._authority = _authority(settings)

    def relays(self) -> Relays | None:
        """Return the relays with a credential that is good for one session."""
        servers = self._settings.turn_servers
        credential = turn_credential(self._settings, "gateway", now_s=time.time())
        if not servers or credential is None:
            return None
        return Relays(servers=servers, credential=credential, authority=self._authority)

    def forbids(self, address: str) -> bool:
        """Say whether nothing is sent to an address, whoever names it; loopback is left aside."""
        try:
            there = ip_address(address)
        except ValueError:
            return True
        if there.is_link_local or there.is_multicast or there.is_unspecified:
            return True
        if any(there in network for network in self._forbidden):
            return True
        if there.is_loopback:
            return False
        # IPv6 that stands for an address of IPv4 would go round every rule for that one.
        hides = there.version == 6 and bool(there.sixtofour or there.teredo)
        return hides or there.is_reserved

    def beside(self, relay: str, caller: str | None) -> str | None:
        """Return the address of whom an offer came from, if a relay can reach the caller by it.

        Proxies are no callers: neither the trusted ones, where they say of nobody that it called,
        nor others, which are in a private network as a rule; what is private here is somebody
        else, or nobody, beside a relay that is not. Loopback is the relay's own.
        """
        try:
            there, here = ip_address(caller or ""), ip_address(relay)
        except ValueError:  # a proxy's `unknown`
            return None
        if isinstance(there, IPv6Address) and there.ipv4_mapped is not None:
            there = there.ipv4_mapped  # to a server that listens by both kinds at once
        if there.version != here.version or there.is_loopback:
            return None
        if any(there in network for network in self._settings.trusted_proxies):
            return None
        return str(there) if there.is_global or not here.is_global else None

    def addresses(self) -> list[str]:
        """Return the addresses that a call takes, at most MOST_ADDRESSES; empty for relays only."""
        now_s = time.monotonic()
        if self._looked_s is None or now_s - self._looked_s > LOOK_S:
            self._looked_s = now_s
            self._addresses = self._look()
        return self._addresses

    def _look(self) -> list[str]:
        if self.relay_only:
            return []
        wanted = tuple(self._settings.rtp_addresses)
        found = _named(wanted) if wanted else _outside(self._settings.rtp_skip_interfaces)
        public = self._settings.public_address
        if public is not None and not wanted:
            route = _source_of(public)
            found = [one for one in found if one.version != public.version]
            found[:0] = [] if route is None else [route]
        return [str(one) for one in found[:MOST_ADDRESSES]]

    def announced(self, address: str) -> str:
        """Return the address that callers are told for one of ours."""
        public = self._settings.public_address
        if public is None or ip_address(address).version != public.version:
            return address
        return str(public)


def _authority(settings: Settings) -> ssl.SSLContext | None:
    """Return what relays by TLS are checked by; reading it takes 100 ms, so it is read once."""
    if settings.turn_authority is not None:
        return ssl.create_default_context(cafile=str(settings.turn_authority))
    if any(server.scheme == "turns" for server in settings.turn_servers):
        return ssl.create_default_context()
    return None


def _own() -> list[tuple[str, IpAddress]]:
    """Return interfaces and their addresses, those of links left out."""
    found: list[tuple[str, IpAddress]] = []
    for adapter in ifaddr.get_adapters():
        for one in adapter.ips:
            text = one.ip if isinstance(one.ip, str) else one.ip[0]
            address = ip_address(text.partition("%")[0])
            if not address.is_link_local:
                found.append((adapter.nice_name, address))
    return found


def _named(wanted: Networks) -> list[IpAddress]:
    """Return what is asked for by name: an address as it is, of a network those that we have."""
    own = [address for _, address in _own()]
    found: list[IpAddress] = []
    for network in wanted:
        if network.num_addresses == 1:
            found.append(network.network_address)
        else:
            found += [one for one in own if one in network]
    return list(dict.fromkeys(found))


def _outside(skipped: list[str]) -> list[IpAddress]:
    """Return the addresses that callers may reach; loopback on a host that has nothing else."""
    found = [
        address
        for name, address in _own()
        if not address.is_loopback and not any(fnmatch(name, pattern) for pattern in skipped)
    ]
    return found or [LOOPBACK]


def _source_of(public: IpAddress) -> IpAddress | None:
    """Return our address on the way out; nothing is sent."""
    family = socket.AF_INET if public.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(public), 9))
        except OSError:
            return None
        return ip_address(probe.getsockname()[0])
