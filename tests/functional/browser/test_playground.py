"""The playground as a person uses it: one-time link, talk both ways, nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ROOT, missing
from tests.functional import server as servers
from tests.functional.browser.chromium import browsing, found, microphone
from tests.functional.browser.entrance import admit
from tests.functional.server import Server

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

QUESTION = ROOT / "conformance" / "audio" / "what_time_is_it.wav"
WAIT_MS = 60_000


@pytest.fixture(autouse=True)
def _browser() -> None:
    if found() is None:
        missing("Chromium", "Install Debian's package `chromium`.")


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
        admit(page, server)
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
        admit(page, server)
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
