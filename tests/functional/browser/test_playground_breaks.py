"""What the playground says and does when something breaks, against a server that echoes."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.functional import server as servers
from tests.functional.browser.conftest import LIVE_MS, begin, choose_echo, say
from tests.functional.browser.entrance import admit, ask
from tests.functional.server import Server

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

NOWHERE = "127.0.0.1 9 typ host"
"""Where no candidate of the server is: the port of `discard`."""


def problem(page: Page, text: str) -> None:
    """Expect a failure to be told, in words and as a state."""
    expect(page.locator("#problem")).to_contain_text(text, timeout=LIVE_MS)
    expect(page.locator("#state")).to_have_attribute("data-state", "failed")
    expect(page.locator("#start")).to_be_enabled()


def carried(page: Page) -> None:
    """Expect the server of now to have acknowledged both items of the old conversation."""
    page.fill("#filter", "blue door")
    expect(page.locator("#log .in:visible", has_text="item.done")).to_have_count(2)
    page.fill("#filter", "")


def test_call_ended_by_the_backend_is_carried_on(playground: Page, plain_server: Server) -> None:
    """A hangup is told and not fought; a new call knows what was said."""
    page = playground
    begin(page)
    say(page, "remember the blue door")
    expect(page.locator("#transcript .assistant .words")).to_have_text("remember the blue door")
    call = page.inner_text("#call")
    hangup = f"{plain_server.url}/realtime/calls/{call}/hangup"
    assert ask(hangup, "POST", b"", Authorization=f"Bearer {plain_server.key}")[0] == 200
    problem(page, "The server ended the session.")
    page.click("#clear")
    page.click("text=Carry on in a new call")
    expect(page.locator("#state")).to_have_attribute("data-state", "live", timeout=LIVE_MS)
    assert page.inner_text("#call") not in {"", call}
    expect(page.locator("#transcript .note")).to_contain_text("told what was said")
    carried(page)
    say(page, "and now")
    expect(page.locator("#transcript .assistant .words").last).to_have_text("and now")
    expect(page.locator("#transcript .words")).to_have_text(
        ["remember the blue door", "remember the blue door", "and now", "and now"]
    )


def test_socket_that_breaks_is_made_anew(playground: Page) -> None:
    """A close that is no end is followed by another session that knows what was said."""
    page = playground
    sockets: list[WebSocketRoute] = []

    def pass_through(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    page.route_web_socket(re.compile("/v1/realtime"), pass_through)
    begin(page, "websocket")
    say(page, "remember the blue door")
    expect(page.locator("#transcript .assistant .words")).to_have_text("remember the blue door")
    page.click("#clear")
    sockets[0].close(code=4900)
    expect(page.locator("#state")).to_have_text("Connected again", timeout=LIVE_MS)
    carried(page)


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_key_that_expired_is_renewed_once(playground: Page, transport: str) -> None:
    """A key too old on arrival is replaced unseen; a second one is explained."""
    page = playground
    old = json.dumps({"value": "ek_expired000000000000000", "expires_at": 0})
    minted: list[str] = []

    def answer(route: Route) -> None:
        minted.append(route.request.url)
        if len(minted) != 2:
            route.fulfill(body=old)
        else:
            route.fallback()

    page.route("**/playground/secret", answer)
    begin(page, transport)
    expect(page.locator("#problem")).to_be_hidden()
    assert len(minted) == 2
    page.click("#stop")
    page.click("#start")
    problem(page, "expired twice")
    assert len(minted) == 4


def test_path_without_media_is_explained(playground: Page) -> None:
    """ICE that finds no pair ends in words that name UDP and the other way in."""
    page = playground

    def misdirect(route: Route) -> None:
        answer = route.fetch()
        body = re.sub(r"(?m)(?<=^a=candidate:)(\S+ 1 udp \d+) .*$", rf"\1 {NOWHERE}", answer.text())
        route.fulfill(response=answer, body=body)

    page.route("**/v1/realtime/calls", misdirect)
    page.clock.install()
    page.select_option("select[name=transport]", "webrtc")
    with page.expect_response("**/v1/realtime/calls"):
        page.click("#start")
    page.clock.fast_forward(20_000)
    problem(page, "UDP between this browser and the server may be blocked")


def test_denied_microphone_leaves_writing(page: Page, plain_server: Server) -> None:
    """The refusal says where to allow it; without a microphone one writes."""
    # Chromium's fake permissions are a launch's, not a context's: here the refusal is the API's.
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => {"
        " throw new DOMException('Permission denied', 'NotAllowedError'); };"
    )
    admit(page, plain_server)
    choose_echo(page)
    page.click("#start")
    problem(page, "Allow it in the address bar")
    page.click("text=Start without a microphone")
    expect(page.locator("#state")).to_have_attribute("data-state", "live", timeout=LIVE_MS)
    say(page, "hello")
    expect(page.locator("#transcript .assistant .words")).to_have_text("hello")


def test_faulty_tools_are_told_before_anything_connects(playground: Page) -> None:
    """Also while a session runs, which goes on."""
    page = playground
    page.click("#tools summary")
    page.fill("textarea[name=tools]", "{")
    page.click("#start")
    problem(page, "The tools are no JSON list of functions.")
    page.fill("textarea[name=tools]", "[]")
    begin(page)
    page.fill("textarea[name=tools]", '["text"]')
    page.click("#apply")
    expect(page.locator("#problem")).to_contain_text("no JSON list")
    expect(page.locator("#state")).to_have_attribute("data-state", "live")


def test_page_whose_session_ended_says_where_a_link_comes_from(playground: Page) -> None:
    """A cookie that is gone or too old is no riddle."""
    playground.context.clear_cookies()
    playground.click("#start")
    problem(playground, "Ask for a new link")


def test_stop_while_connecting_leaves_nothing_open(playground: Page) -> None:
    """Whoever stops and starts at once has one session, and no microphone stays on."""
    page = playground
    for _ in range(3):
        page.click("#start")
        page.click("#stop")
    begin(page)
    say(page, "hello")
    expect(page.locator("#transcript .assistant .words")).to_have_text(["hello"])


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that may be halted and killed."""
    server = servers.start(tmp_path_factory.mktemp("own"))
    server.wait_ready()
    yield server
    server.stop()


def remembering(page: Page, server: Server, transport: str) -> None:
    """Have a conversation that is worth carrying over."""
    admit(page, server)
    choose_echo(page)
    begin(page, transport)
    say(page, "remember the blue door")
    expect(page.locator("#transcript .assistant .words")).to_have_text("remember the blue door")


def test_call_that_falls_silent_is_made_anew(page: Page, own_server: Server) -> None:
    """A path on which nothing comes is noticed within seconds; the page calls again by itself."""
    remembering(page, own_server, "webrtc")
    call = page.inner_text("#call")
    page.click("#clear")
    own_server.process.send_signal(signal.SIGSTOP)
    expect(page.locator("#state")).to_contain_text("nothing comes through", timeout=LIVE_MS)
    expect(page.locator("#state")).to_contain_text("trying again", timeout=LIVE_MS)
    own_server.process.send_signal(signal.SIGCONT)
    expect(page.locator("#state")).to_have_text("Connected again", timeout=LIVE_MS)
    assert page.inner_text("#call") not in {"", call}
    carried(page)


def test_server_that_is_gone_is_explained(page: Page, own_server: Server) -> None:
    """After the tries the page says that nobody answers, and keeps what was said."""
    remembering(page, own_server, "websocket")
    page.clock.install()
    own_server.process.kill()
    own_server.process.wait(10)
    for attempt in (1, 2, 3):
        expect(page.locator("#state")).to_contain_text(f"{attempt} of 3", timeout=LIVE_MS)
        page.clock.fast_forward(attempt * 1000)
    problem(page, "The server does not answer.")
    expect(page.locator("#remedy")).to_have_text("Carry on in a new call")
    expect(page.locator("#transcript .words").first).to_have_text("remember the blue door")
