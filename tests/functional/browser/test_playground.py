"""The playground as a person uses it: one-time link, talk both ways, nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import ROOT, missing
from tests.functional.browser.chromium import browsing, found, microphone
from tests.functional.browser.conftest import Watched
from tests.functional.browser.entrance import admit
from tests.functional.server import Server

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

QUESTION = ROOT / "conformance" / "audio" / "what_time_is_it.wav"
WAIT_MS = 60_000


@pytest.fixture(autouse=True)
def _browser() -> None:
    if found() is None:
        missing("Chromium", "Install Debian's package `chromium`.")


def test_person_talks_by_both_ways_in(voice_server: Server, tmp_path: Path) -> None:
    """A spoken question is answered aloud, its words and events are shown; then by the socket."""
    speech = microphone(QUESTION, tmp_path, before_s=4, after_s=60)
    with browsing(speech) as page:
        watched = Watched(page)
        admit(page, voice_server)
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
            heard = page.locator("#turns tbody tr").first.locator("td").last
            expect(heard).to_have_text(re.compile(r"\d+"), timeout=WAIT_MS)
            if transport == "webrtc":
                expect(page.locator("#transcript .user .words").last).not_to_be_empty()
                assert float(page.get_attribute("#wave-out", "data-level") or 0) > 0.05
            page.click("#stop")
            expect(page.locator("#state")).to_have_text("Ended")
        assert watched.faults == []
