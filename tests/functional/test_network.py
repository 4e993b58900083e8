"""Calls through networks as they are: few ports, changing addresses, callers who vanish."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2 as httpx
import pytest
from aiortc import RTCSessionDescription

from tests.conftest import ROOT, missing
from tests.functional import server as servers
from tests.functional.browser.chromium import browsing, found, microphone, serving
from tests.functional.browser.echo_page import PAGES, dial, heard, used
from tests.functional.caller import Caller, calling
from tests.functional.server import Server
from tests.gateway.ingress.test_ice import free_ports
from tests.servers.nat import Nat, behind, candidate_of, own_address

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

ECHO = "/realtime/calls?model=echo"
QUESTION = ROOT / "conformance" / "audio" / "what_time_is_it.wav"
SOON_S = 20.0


@pytest.fixture(scope="module")
def narrow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one address, two ports and little patience."""
    env = {
        "VOICEENGINE_RTP_ADDRESSES": f'["{own_address()}"]',
        "VOICEENGINE_RTP_PORTS": free_ports(2),
        "VOICEENGINE_RTP_TCP_PORT": "0",
        "VOICEENGINE_ICE_CONSENT_INTERVAL_S": "0.3",
        "VOICEENGINE_ICE_CONSENT_TIMEOUT_S": "4",
    }
    server = servers.start(tmp_path_factory.mktemp("narrow"), env=env)
    server.wait_ready()
    yield server
    assert server.stop() == 0


async def call(caller: Caller, nat: Nat | None = None) -> httpx.Response:
    """Make a call, with its media through a NAT."""
    offer = await caller.offer()
    if nat is not None:  # else the gateway would find the way around it
        lines = offer.splitlines()
        offer = "\r\n".join(one for one in lines if not one.startswith("a=candidate")) + "\r\n"
    async with caller.http() as http:
        headers = {"Content-Type": "application/sdp"}
        answer = await http.post(ECHO, content=offer, headers=headers)
    if answer.status_code != 201:
        return answer
    caller.call_id = answer.headers["location"].rsplit("/", 1)[1]
    sdp = answer.text
    if nat is not None:
        nat.target = candidate_of(sdp)
        sdp = nat.through(sdp)
    await caller.connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
    await caller.until("session.created")
    return answer


def sockets(server: Server) -> int:
    """Return how many sockets the server's process holds."""
    count = 0
    for entry in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed this moment
            count += os.readlink(entry).startswith("socket:")
    return count


async def at_rest(server: Server, held: int) -> None:
    """Wait until no call is left, nor a socket of one."""
    async with asyncio.timeout(SOON_S):
        while server.metric("voiceengine_sessions", transport="webrtc") or sockets(server) > held:
            await asyncio.sleep(0.1)


class TestPorts:
    async def test_call_beyond_the_ports_is_refused_and_the_next_served(
        self, narrow_server: Server
    ) -> None:
        """503 `no_media_ports` in the envelope; a port that comes back serves another call."""
        held = sockets(narrow_server)
        async with calling(narrow_server) as one, calling(narrow_server) as two:
            assert (await call(one)).status_code == 201
            assert (await call(two)).status_code == 201
            async with calling(narrow_server) as three:
                refused = await call(three)
                assert refused.status_code == 503
                assert refused.json()["error"]["code"] == "no_media_ports"
                assert refused.json()["error"]["type"] == "server_error"
        await at_rest(narrow_server, held)
        async with calling(narrow_server) as four:
            assert (await call(four)).status_code == 201
            host, _ = candidate_of(four.connection.remoteDescription.sdp)
            assert host == own_address()
        await at_rest(narrow_server, held)


class TestAddresses:
    async def test_caller_who_moves_is_heard_and_hears(self, narrow_server: Server) -> None:
        """Every port of the caller's changes in mid-answer; sound and events go on both ways."""
        async with behind(("", 0)) as nat, calling(narrow_server) as caller:
            await call(caller, nat)
            caller.ask("tone:4000")
            await caller.until("output_audio_buffer.started")
            while len(caller.loud_s()) < 25:
                await asyncio.sleep(0.02)
            before = len(caller.loud_s())
            await nat.rebind()
            await caller.until("output_audio_buffer.stopped")
            heard = len(caller.loud_s()) - before
            assert heard > 90, heard  # of about 170, less what was lost before it was noticed
            after = len(caller.events)
            caller.send("input_audio_buffer.clear")
            await caller.until("input_audio_buffer.cleared", after=after)
        assert narrow_server.metric("voiceengine_ice_followed_total") >= 1

    async def test_caller_who_vanishes_ends_the_call(self, narrow_server: Server) -> None:
        """Nothing comes any more, not even a goodbye: the call ends by the clock, all is freed."""
        held = sockets(narrow_server)
        labels = {"reason": "client_vanished"}
        before = narrow_server.metric("voiceengine_sessions_ended_total", **labels)
        async with behind(("", 0)) as nat, calling(narrow_server) as caller:
            await call(caller, nat)
            nat.dead = True
            await at_rest(narrow_server, held)
        assert narrow_server.metric("voiceengine_sessions_ended_total", **labels) == before + 1


class TestTcp:
    def test_browser_without_udp_calls_over_tcp(
        self, narrow_server: Server, tmp_path: Path
    ) -> None:
        """Chromium that may send no UDP speaks and hears over one connection, without a relay."""
        if found() is None:
            missing("Chromium", "Install Debian's package `chromium`.")
        speech = microphone(QUESTION, tmp_path, before_s=1, after_s=30)
        with serving(PAGES) as origin, browsing(speech, udp=False) as page:
            dial(page, origin, narrow_server)
            heard(page)
            way = used(page)
            assert way["local"]["protocol"] == "tcp"
            assert way["remote"]["tcpType"] == "passive"
