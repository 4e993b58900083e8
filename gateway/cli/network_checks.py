"""Which way calls go, and whether the relays of the settings open."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from aioice.stun import TransactionError

from gateway.cli.findings import Finding
from gateway.ingress.webrtc.ice import IceConnection
from gateway.ingress.webrtc.network import Network, Relays
from gateway.ingress.webrtc.relays import ask
from gateway.ingress.webrtc.sockets import MediaSocket
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
    return Finding("calls", "good", f"callers are told {told}, {ports}{tcp}")


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
