"""The playground as a person uses it: one-time link, talk both ways, nothing from elsewhere."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ROOT, missing
from tests.functional import server as servers
from tests.functional.browser.chromium import browsing, found, microphone
from tests.functional.server import Server

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

QUESTION = ROOT / "conformance" / "audio" / "what_time_is_it.wav"
WAIT_MS = 60_000


@pytest.fixture(autouse=True)
def _browser() -> None:
    if found() is None:
        missing("Chromium", "Install Debian's package `chromium`.")


def link(server: Server) -> str:
    """Return the one-time link that the server printed."""
    log = (server.data_dir / "server.log").read_text()
    printed = re.search(r"http://\S+/playground/enter/\S+", log)
    assert printed is not None
    return printed.group(0)


@pytest.fixture
def server(tmp_path: Path, skills_python: Path) -> Iterator[Server]:
    """A server of its own: a link opens once."""
    server = servers.start(tmp_path / "playground", env=servers.voice(skills_python))
    server.wait_ready()
    yield server
    assert server.stop() == 0


def watched(page: Page) -> list[str]:
    """Collect what a good page never does: errors, and requests to anywhere else."""
    faults: list[str] = []
    page.on("console", lambda m: faults.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: faults.append(str(error)))

    def requested(url: str) -> None:
        if not re.match(r"(http|ws)://127\.0\.0\.1:|data:|blob:", url):
            faults.append(url)

    page.on("request", lambda request: requested(request.url))
    return faults


@pytest.mark.usefixtures("skills_python")
def test_person_talks_by_both_ways_in(server: Server, tmp_path: Path) -> None:
    """A spoken question is answered aloud, its words and events are shown; then by the socket."""
    speech = microphone(QUESTION, tmp_path, before_s=4, after_s=60)
    with browsing(speech) as page:
        faults = watched(page)
        page.goto(link(server))
        expect(page).to_have_url(re.compile(r"/playground$"))
        for transport, end in (
            ("webrtc", "output_audio_buffer.stopped"),
            ("websocket", "response.done"),
        ):
            page.select_option("select[name=transport]", transport)
            page.click("#clear")
            page.click("#start")
            expect(page.locator("#state")).to_have_attribute("data-state", "live", timeout=WAIT_MS)
            if transport == "websocket":
                page.fill("#compose input[name=text]", "what time is it")
                page.click("#compose button")
            expect(page.locator("#log summary", has_text=end).first).to_be_attached(timeout=WAIT_MS)
            expect(page.locator("#transcript .assistant .words").last).not_to_be_empty()
            expect(page.locator("#turns tbody tr").first).to_contain_text("ms")
            if transport == "webrtc":
                expect(page.locator("#transcript .user .words").last).not_to_be_empty()
                assert float(page.get_attribute("#wave-out", "data-level") or 0) > 0.05
            page.click("#stop")
            expect(page.locator("#state")).to_have_text("Ended")
        assert faults == []
        source = page.content()
        assert "ek_" not in source
        assert server.key not in source


@pytest.mark.usefixtures("skills_python")
def test_settings_filter_and_faults_are_told(server: Server, tmp_path: Path) -> None:
    """Bad tools are explained before anything connects; the log can be sifted."""
    speech = microphone(QUESTION, tmp_path, before_s=60, after_s=1)
    with browsing(speech) as page:
        page.goto(link(server))
        page.click("summary")
        page.fill("textarea[name=tools]", "{")
        page.click("#start")
        expect(page.locator("#problem")).to_have_text("The tools are no JSON list.")
        page.fill("textarea[name=tools]", "")
        page.click("#start")
        expect(page.locator("#state")).to_have_attribute("data-state", "live", timeout=WAIT_MS)
        page.fill("textarea[name=instructions]", "Be brief.")
        page.click("#apply")
        updated = page.locator("#log li", has_text="session.updated")
        expect(updated).to_be_visible(timeout=WAIT_MS)
        page.fill("#filter", "nothing like it")
        expect(updated).to_be_hidden()


class TestEntrance:
    def ask(self, url: str, **headers: str) -> int:
        """Return the status of a request without a session."""
        request = urllib.request.Request(url, headers=headers, method="GET")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def test_nobody_enters_without_the_link_and_nobody_twice(self, plain_server: Server) -> None:
        """401 without it, 401 with a used one; its cookie is out of reach of scripts and sites."""
        base = plain_server.url.removesuffix("/v1")
        assert self.ask(f"{base}/playground") == 401
        assert self.ask(f"{base}/playground/options") == 401
        once = link(plain_server)
        opener = urllib.request.build_opener(NoRedirect)
        with pytest.raises(urllib.error.HTTPError) as entered:
            opener.open(once, timeout=10)
        assert entered.value.code == 303
        cookie = entered.value.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert self.ask(once) == 401

    def test_pages_of_other_sites_get_no_key(self, plain_server: Server) -> None:
        """A request must come from the page itself."""
        request = urllib.request.Request(
            plain_server.url.removesuffix("/v1") + "/playground/secret",
            data=b"{}",
            headers={"Origin": "https://example.com", "Content-Type": "application/json"},
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        assert refused.value.code == 403


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Shows the redirect instead of following it."""

    def redirect_request(self, *_args: object) -> None:
        """Do not follow."""
