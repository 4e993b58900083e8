"""Which way calls go, what STUN says of it, and whether the relays of the settings open."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from aioice.stun import Class, Message, Method, TransactionError

from gateway.cli.findings import Finding
from gateway.ingress.webrtc.ice import IceConnection
from gateway.ingress.webrtc.network import Network, Relays
from gateway.ingress.webrtc.relays import ask
from gateway.ingress.webrtc.sockets import MediaSocket, open_socket
from gateway.settings import IceServer, Settings

ANSWER_S: Final = 5.0


def check_network(settings: Settings) -> list[Finding]:
    """Return a finding for the host's own addresses and one for each relay."""
    if not settings.calls_most:
        return [Finding("calls", "good", "none are taken")]
    return list(_findings(settings))


def _findings(settings: Settings) -> Iterator[Finding]:
    network = Network(settings)
    yield _own(settings, network)
    if network.stun is not None and not settings.ice_relay_only:
        yield asyncio.run(_outside(network.stun, network))
    relays = network.relays()
    if relays is not None:
        for server in relays.servers:
            yield asyncio.run(_relay(server, relays, network))


def _own(settings: Settings, network: Network) -> Finding:
    addresses = network.addresses()
    if settings.ice_relay_only:
        return Finding("calls", "good", "by relays only")
    if not addresses:
        fix = "name addresses that this host has in VOICEENGINE_RTP_ADDRESSES"
        return Finding("calls", "bad", "no address for media", fix)
    told = ", ".join(dict.fromkeys(network.announced(one) for one in addresses))
    ports = f"ports {settings.rtp_ports}" if settings.rtp_ports else "any port"
    tcp = f", TCP port {settings.rtp_tcp_port}" if settings.rtp_tcp_port is not None else ""
    seen = f"callers are told {told}, {ports}{tcp}"
    most = None if settings.port_range is None else len(settings.port_range)
    if most is not None and most < settings.calls_most:
        fix = "widen VOICEENGINE_RTP_PORTS, or lower VOICEENGINE_CALLS_MOST"
        return Finding("calls", "warning", f"{seen}: {most} ports", fix)
    return Finding("calls", "good", seen)


async def _outside(server: IceServer, network: Network) -> Finding:
    name = f"STUN {server.host}"
    own = next((one for one in network.addresses() if ip_address(one).version == 4), "0.0.0.0")  # noqa: S104
    connection = IceConnection(network, username="doctor", password="d" * 22)
    try:
        async with asyncio.timeout(network.gather_timeout_s):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(server.host, server.port, family=socket.AF_INET)
            media = await open_socket(connection, own, None)
            try:
                request = Message(message_method=Method.BINDING, message_class=Class.REQUEST)
                answer, _ = await media.request(request, (str(found[0][4][0]), server.port))
            finally:
                await media.close()
            host, _ = answer.attributes["XOR-MAPPED-ADDRESS"]
    except (OSError, TimeoutError, KeyError, TransactionError) as error:
        fix = "correct VOICEENGINE_STUN_URL, start it, or open the way there"
        return Finding(name, "bad", str(error) or "it does not answer", fix)
    return Finding(name, "good", f"sees this host as {host}")


async def _relay(server: IceServer, relays: Relays, network: Network) -> Finding:
    name = f"relay {server.host}"
    where = f"{server.scheme} by {server.transport} at port {server.port}"
    connection = IceConnection(network, username="doctor", password="d" * 22)
    try:
        async with asyncio.timeout(ANSWER_S):
            candidate, allocation = await ask(server, relays, lambda: MediaSocket(connection))
    except TimeoutError:
        fix = "start it, or open the way there"
        return Finding(name, "bad", f"{where}: it does not answer", fix)
    except (OSError, TransactionError) as error:
        fix = "correct VOICEENGINE_TURN_URLS and VOICEENGINE_TURN_SECRET, or start it"
        return Finding(name, "bad", f"{where}: {str(error) or type(error).__name__}", fix)
    await allocation.close()
    return Finding(name, "good", f"{where} relays from {candidate.host}")
