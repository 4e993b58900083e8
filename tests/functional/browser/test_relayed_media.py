"""Calls through a real coturn, both sides by the relay only; and a browser that hides its address."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCIceServer
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from tests.conftest import ROOT, missing
from tests.functional import server as servers
from tests.functional.browser.chromium import browsing, found, microphone, serving
from tests.functional.browser.echo_page import ECHO, PAGES, dial, heard, key, used
from tests.functional.browser.entrance import ask, cookie, origin
from tests.functional.caller import calling
from tests.functional.server import Server
from tests.servers import coturn
from tests.servers.coturn import SECRET, Relay

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

QUESTION = ROOT / "conformance" / "audio" / "what_time_is_it.wav"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A relay for these tests."""
    with coturn.running(tmp_path_factory.mktemp("coturn")) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, relay: Relay) -> Iterator[Server]:
    """A server that is reached by the relay only, and would rather go there by TCP."""
    env = {
        **relay.settings("tcp", "udp", "tls"),
        "VOICEENGINE_ICE_RELAY_ONLY": "true",
        "VOICEENGINE_LOG_LEVEL": "debug",
    }
    server = servers.start(tmp_path_factory.mktemp("relayed"), env=env)
    server.wait_ready()
    yield server
    assert server.stop() == 0


def handed_out(server: Server) -> dict[str, Any]:
    """Return what the playground's page is given."""
    session = f"voiceengine_operator={cookie(server)}"
    status, headers, body = ask(f"{origin(server)}/playground/ice", Cookie=session)
    assert status == 200
    assert "no-store" in headers["cache-control"]
    [one] = json.loads(body)["ice_servers"]
    return dict(one)


class TestRelayOnly:
    async def test_call_goes_by_the_relay_on_both_sides(self, server: Server) -> None:
        """No candidate of ours but the relay's; sound and events come through it."""
        given = handed_out(server)
        servers_given = RTCIceServer(given["urls"], given["username"], given["credential"])
        ice = RTCConfiguration([servers_given], iceTransportPolicy=RTCIceTransportPolicy.RELAY)
        async with calling(server, ice=ice) as caller:
            answer = await caller.dial(ECHO)
            assert answer.status_code == 201, answer.text
            told = [line for line in answer.text.splitlines() if line.startswith("a=candidate")]
            assert told
            assert all(" typ relay raddr 0.0.0.0 rport 9" in line for line in told)
            await caller.until("session.created")
            caller.ask("tone:1500")
            await caller.until("output_audio_buffer.stopped")
            assert len(caller.loud_s()) > 60

    def test_browser_calls_by_the_relay_over_tcp(self, server: Server, tmp_path: Path) -> None:
        """Chromium in a network without UDP, with the standard flow: its offer has no candidates."""
        if found() is None:
            missing("Chromium", "Install Debian's package `chromium`.")
        given = handed_out(server)
        given["urls"] = [url for url in given["urls"] if "transport=tcp" in url]
        speech = microphone(QUESTION, tmp_path, before_s=1, after_s=30)
        with serving(PAGES) as page_origin, browsing(speech) as page:
            page.add_init_script(
                f"""const Given = RTCPeerConnection;
                RTCPeerConnection = class extends Given {{
                  constructor() {{
                    super({{ iceServers: [{json.dumps(given)}], iceTransportPolicy: 'relay' }});
                  }}
                }};"""
            )
            dial(page, page_origin, server)
            heard(page)
            way = used(page)
            assert way["local"]["candidateType"] == "relay"
            assert way["local"]["relayProtocol"] == "tcp"
            assert way["remote"]["candidateType"] in {"relay", "prflx"}

    def test_page_needs_an_operator_to_be_given_relays(self, server: Server) -> None:
        """A relay's credentials are worth something to strangers."""
        assert ask(f"{origin(server)}/playground/ice")[0] == 401

    def test_secret_and_credentials_are_in_no_log(self, server: Server) -> None:
        """Not at the most talkative level either."""
        password = handed_out(server)["credential"]
        log = (server.data_dir / "server.log").read_text()
        assert SECRET not in log
        assert password not in log
        assert "credential=" not in log

    async def test_relay_that_dies_ends_its_calls(self, server: Server, relay: Relay) -> None:
        """The connection to it breaks, and the call says so; the last test that needs the relay."""
        ended = {"reason": "relay_lost"}
        before = server.metric("voiceengine_calls_ended_total", **ended)
        given = handed_out(server)
        servers_given = RTCIceServer(given["urls"], given["username"], given["credential"])
        ice = RTCConfiguration([servers_given], iceTransportPolicy=RTCIceTransportPolicy.RELAY)
        async with calling(server, ice=ice) as caller:
            assert (await caller.dial(ECHO)).status_code == 201
            await caller.until("session.created")
            relay.process.kill()
            async with asyncio.timeout(30):
                while server.metric("voiceengine_calls_ended_total", **ended) == before:
                    await asyncio.sleep(0.1)
        async with calling(server) as caller:
            refused = await caller.dial(ECHO)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_media_path")


class TestHiddenAddress:
    def test_browser_that_hides_its_address_is_found(
        self, plain_server: Server, tmp_path: Path
    ) -> None:
        """A page without a microphone offers names (`….local`); its checks say where it is."""
        if found() is None:
            missing("Chromium", "Install Debian's package `chromium`.")
        speech = microphone(QUESTION, tmp_path, before_s=1, after_s=5)
        with serving(PAGES) as page_origin, browsing(speech, hide_addresses=True) as page:
            page.goto(f"{page_origin}/standard.html")
            offered = page.evaluate(
                """async ([base, key]) => {
                  peer = new RTCPeerConnection();
                  const voice = document.getElementById('voice');
                  peer.ontrack = (event) => { voice.srcObject = event.streams[0]; };
                  peer.addTransceiver('audio', { direction: 'recvonly' });
                  channel = peer.createDataChannel('oai-events');
                  channel.onmessage = ({ data }) => told.push(JSON.parse(data));
                  await peer.setLocalDescription(await peer.createOffer());
                  await new Promise((done) => {
                    peer.onicecandidate = ({ candidate }) => candidate || done();
                  });
                  const answer = await fetch(`${base}/realtime/calls`, {
                    method: 'POST',
                    body: peer.localDescription.sdp,
                    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/sdp' },
                  });
                  await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
                  setInterval(measure, 100);
                  return peer.localDescription.sdp;
                }""",
                [plain_server.url, key(plain_server)],
            )
            hosts = [line for line in offered.splitlines() if line.startswith("a=cand")]
            assert any(".local " in line for line in hosts), hosts
            heard(page)
