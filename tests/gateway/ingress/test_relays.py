"""Relays: a real coturn over UDP, TCP and TLS, opened by credentials of limited time."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from aioice import Connection, TransportPolicy

from gateway.cli.network_checks import check_network
from gateway.identity.turn import ice_servers, turn_credential
from gateway.ingress.webrtc.ice import IceConnection
from gateway.ingress.webrtc.network import Network, NoMediaPath
from gateway.settings import Settings
from tests.gateway.ingress.test_ice import SOUND, agent, heard_by, own_address, until
from tests.servers import coturn
from tests.servers.coturn import SECRET, Relay

SOON_S = 10.0


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A relay for these tests."""
    with coturn.running(tmp_path_factory.mktemp("coturn")) as running:
        yield running


def by(relay: Relay, *transports: str, **more: Any) -> Network:
    """Return a network of a relay only."""
    return Network(
        Settings(
            **{
                "turn_urls": [relay.url(one) for one in transports],
                "turn_secret": SECRET,
                "turn_authority": relay.authority,
                "ice_relay_only": True,
                **more,
            }
        )
    )


async def allocated(ours: IceConnection) -> str:
    """Gather, and return the one relayed candidate's address."""
    await ours.gather_candidates()
    [candidate] = ours.local_candidates
    assert candidate.type == "relay"
    return candidate.to_sdp()


class TestAllocation:
    @pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
    async def test_relay_carries_both_ways(self, relay: Relay, transport: str) -> None:
        """Media goes through it however it is reached: networks without UDP are served."""
        ours = agent(by(relay, transport))
        credential = turn_credential(Settings(turn_secret=SECRET), "them", now_s=2e9)
        assert credential is not None
        theirs = Connection(
            ice_controlling=True,
            turn_server=(relay.address, relay.port),
            turn_username=credential.user,
            turn_password=credential.password,
            turn_transport="tcp",
            transport_policy=TransportPolicy.RELAY,
        )
        theirs.remote_username, theirs.remote_password = ours.local_username, ours.local_password
        ours.remote_username, ours.remote_password = theirs.local_username, theirs.local_password
        try:
            await asyncio.gather(allocated(ours), theirs.gather_candidates())
            # The offer held no candidates, as in OpenAI's guide.
            await theirs.add_remote_candidate(ours.local_candidates[0])
            async with asyncio.timeout(SOON_S):
                await asyncio.gather(ours.connect(), theirs.connect())
            await heard_by(theirs, lambda: ours.send(SOUND))
            await heard_by(ours, lambda: theirs.send(SOUND))
        finally:
            await ours.close()
            await theirs.close()

    async def test_allocation_is_given_back(self, relay: Relay) -> None:
        """The relay need not wait for its clock when a call is over."""
        ended = re.compile(r"refreshed, .*username=<\d+:gateway>, lifetime=0")
        before = len(ended.findall(relay.log.read_text()))
        ours = agent(by(relay, "udp"))
        await allocated(ours)
        await ours.close()
        await until(lambda: len(ended.findall(relay.log.read_text())) == before + 1)

    async def test_silent_relay_is_passed_over(self, relay: Relay) -> None:
        """The next one is asked after a moment, not after the first gave up."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
            deaf.bind((own_address(), 0))
            urls = [f"turn:{own_address()}:{deaf.getsockname()[1]}", relay.url("udp")]
            ours = agent(by(relay, turn_urls=urls, ice_gather_timeout_s=8))
            async with asyncio.timeout(30):
                await allocated(ours)
            await ours.close()

    async def test_call_does_without_a_relay_that_refuses(self, relay: Relay) -> None:
        """A wrong secret costs the relay, not the call; where it is the only way, 503."""
        ours = agent(by(relay, "udp", turn_secret="wrong", ice_relay_only=False))
        await ours.gather_candidates()
        assert {one.type for one in ours.local_candidates} == {"host"}
        await ours.close()
        lost = agent(by(relay, "udp", turn_secret="wrong"))
        with pytest.raises(NoMediaPath) as refused:
            await lost.gather_candidates()
        assert (refused.value.status, refused.value.code) == (503, "no_media_path")
        await lost.close()

    async def test_certificate_of_the_relay_is_checked(self, relay: Relay) -> None:
        """Credentials are shown to nobody else."""
        ours = agent(by(relay, "tls", turn_authority=None))
        with pytest.raises(NoMediaPath):
            await ours.gather_candidates()
        await ours.close()

    async def test_stun_server_tells_our_address(self, relay: Relay) -> None:
        """Behind no NAT it is the one that we have, and is not told twice."""
        here = Network(
            Settings(rtp_addresses=[own_address()], stun_url=f"stun:{relay.address}:{relay.port}")
        )
        ours = agent(here)
        await ours.gather_candidates()
        assert [one.type for one in ours.local_candidates] == ["host"]
        await ours.close()


PUBLIC = "9.9.9.9"
"""A relay's address; nothing is sent there."""


class TestWhoIsLetIn:
    @pytest.mark.parametrize(
        ("caller", "relay", "let_in"),
        [
            ("1.2.3.4", PUBLIC, "1.2.3.4"),
            ("::ffff:1.2.3.4", PUBLIC, "1.2.3.4"),
            ("2606:4700::1", "2620:fe::fe", "2606:4700::1"),
            ("10.9.8.7", "10.1.1.1", "10.9.8.7"),
            ("1.2.3.4", "10.1.1.1", "1.2.3.4"),
            ("10.9.8.7", PUBLIC, None),
            ("100.64.0.7", PUBLIC, None),
            ("fd00::7", "2620:fe::fe", None),
            ("127.0.0.1", PUBLIC, None),
            ("127.0.0.1", "127.0.0.1", None),
            ("10.1.0.5", "10.1.1.1", None),
            ("1.1.1.1", PUBLIC, None),
            ("2606:4700::1", PUBLIC, None),
            ("unknown", PUBLIC, None),
            (None, PUBLIC, None),
        ],
        ids=[
            "public", "public, mapped", "public, IPv6", "private beside a private relay",
            "public beside a private relay", "private", "of a carrier", "private, IPv6",
            "loopback", "loopback of all", "trusted proxy", "trusted public proxy",
            "of another kind", "nobody's", "none",
        ],
    )  # fmt: skip
    def test_caller_is_let_in_where_the_relay_can_reach_it(
        self, caller: str | None, relay: str, let_in: str | None
    ) -> None:
        """A proxy in front, named or not, is not the caller; private means somebody else there."""
        here = Network(Settings(trusted_proxies=["10.1.0.0/24", "1.1.1.1"]))  # type: ignore[list-item]
        assert here.beside(relay, caller) == let_in

    async def test_relay_is_told_of_no_proxy(self, relay: Relay) -> None:
        """Only of the caller, and of itself for callers by the same relay."""
        let_in = re.compile(r"peer (192\.0\.2\.\d+):9 lifetime updated")
        before = len(relay.log.read_text())
        here = by(relay, "udp", trusted_proxies=["192.0.2.8"])
        ours, theirs = (
            IceConnection(here, username="user", password="p" * 22, caller=caller)
            for caller in ("192.0.2.8", "192.0.2.9")
        )
        try:
            await ours.gather_candidates()
            await theirs.gather_candidates()
            await until(lambda: "192.0.2.9" in let_in.findall(relay.log.read_text()[before:]))
            assert "192.0.2.8" not in let_in.findall(relay.log.read_text()[before:])
        finally:
            await ours.close()
            await theirs.close()


class TestAuthority:
    def test_system_authorities_are_read_once(self) -> None:
        """Reading them holds the process up for 100 ms and more: not for every call."""
        urls = ["turn:relay.example.com", "turns:relay.example.com"]
        here = Network(Settings(turn_urls=urls, turn_secret=SECRET))
        first, second = here.relays(), here.relays()
        assert first is not None
        assert second is not None
        assert first.authority is not None
        assert first.authority is second.authority
        assert first.authority.verify_mode is ssl.CERT_REQUIRED
        assert first.authority.check_hostname


class TestCredentials:
    def test_credential_is_what_coturn_computes(self) -> None:
        """User `<end>:<name>`, password the HMAC-SHA1 of it under the secret, in base64."""
        found = turn_credential(
            Settings(turn_secret="north", session_max_minutes=60), "page", now_s=1_000_000_000
        )
        assert found is not None
        assert found.user == "1000003600:page"
        assert found.password == "8kCtXK9zEcMxA/AJN3ylrjiCoqs="
        assert found.password not in repr(found)

    def test_page_is_told_relays_only_with_credentials_that_end(self) -> None:
        """A lasting password stays here."""
        urls = ["turn:relay.example.com"]
        lasting = Settings(turn_urls=urls, turn_user="u", turn_password="p")
        assert ice_servers(lasting, "page", now_s=0) == []
        [server] = ice_servers(Settings(turn_urls=urls, turn_secret="s"), "page", now_s=0)
        assert server["urls"] == urls
        assert server["username"] == "3600:page"


class TestDoctor:
    async def test_doctor_tries_every_relay(self, relay: Relay) -> None:
        """What opens is good, what refuses is told with a remedy, and no secret in it."""
        urls = {
            "turn_urls": [relay.url("udp"), relay.url("tls")],
            "turn_authority": relay.authority,
        }
        good = await asyncio.to_thread(check_network, Settings(turn_secret=SECRET, **urls))
        assert [one.status for one in good] == ["good", "good", "good"]
        assert own_address() in good[0].observed
        wrong = await asyncio.to_thread(check_network, Settings(turn_secret="wrong-one", **urls))
        assert [one.status for one in wrong] == ["good", "bad", "bad"]
        assert "401" in wrong[1].observed
        assert "VOICEENGINE_TURN_SECRET" in wrong[1].fix
        assert "wrong-one" not in repr(wrong)

    async def test_doctor_asks_the_server_for_the_address_outside(self, relay: Relay) -> None:
        """Where callers would find this host is told, and a server that is deaf is named."""
        urls = {"good": f"stun:{relay.address}:{relay.port}"}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
            deaf.bind((own_address(), 0))
            urls["bad"] = f"stun:{own_address()}:{deaf.getsockname()[1]}"
            for status, url in urls.items():
                asked = Settings(stun_url=url, ice_gather_timeout_s=1.0)
                [_, found] = await asyncio.to_thread(check_network, asked)
                assert (found.name, found.status) == (f"STUN {relay.address}", status)
                assert ("sees this host as" in found.observed) == (status == "good")

    async def test_doctor_tells_of_a_range_too_small_for_the_calls(self) -> None:
        """A call takes a port of the range at each address; the bound of calls says how many."""
        asked = Settings(rtp_ports="40000-40009", calls_most=11)
        [found] = await asyncio.to_thread(check_network, asked)
        assert found.status == "warning"
        assert "10 ports" in found.observed
        assert "VOICEENGINE_CALLS_MOST" in found.fix
        asked = Settings(rtp_ports="40000-40009", calls_most=10)
        [found] = await asyncio.to_thread(check_network, asked)
        assert found.status == "good"
