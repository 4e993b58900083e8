"""A browser calls as OpenAI's guide shows it: nothing of ours in the page (CONTRACT 14)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, missing
from tests.functional.browser import firefox
from tests.functional.browser.chromium import browsing, found, microphone, serving
from tests.functional.browser.entrance import COOKIE, cookie, origin
from tests.functional.browser.firefox import Tab
from tests.functional.server import Server, minted

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

QUESTION = ROOT / "conformance" / "audio" / "what_time_is_it.wav"
PAGES = Path(__file__).parent
WAIT_MS = 60_000
WAIT_S = 20


def ephemeral_key(server: Server) -> str:
    """Mint what a browser may hold."""
    return minted(server, {"type": "realtime", "model": "gpt-realtime"})


def test_browser_asks_by_voice_and_hears_the_answer(voice_server: Server, tmp_path: Path) -> None:
    """Speech in, words on the channel, energy in the incoming RTP; `ontrack` has a stream."""
    if found() is None:
        missing("Chromium", "Install Debian's package `chromium`.")
    speech = microphone(QUESTION, tmp_path, before_s=3, after_s=30)
    with serving(PAGES) as pages, browsing(speech) as page:
        page.goto(f"{pages}/standard.html")
        answered = page.evaluate(
            "([base, key]) => call(base, key)", [voice_server.url, ephemeral_key(voice_server)]
        )
        assert answered["status"] == 201, answered
        assert answered["location"].startswith("/v1/realtime/calls/rtc_")
        page.wait_for_function(
            "told.some((event) => event.type === 'output_audio_buffer.stopped')", timeout=WAIT_MS
        )
        kinds = page.evaluate("told.map((event) => event.type)")
        assert kinds[0] == "session.created"
        assert kinds.index("input_audio_buffer.speech_started") < kinds.index("response.created")
        assert "response.output_audio.delta" not in kinds
        said = page.evaluate(
            "told.find((e) => e.type === 'response.output_audio_transcript.done').transcript"
        )
        assert said
        page.wait_for_function(
            "heard.length > 2 && heard.at(-1).energy > heard[0].energy", timeout=WAIT_MS
        )
        assert page.evaluate("document.getElementById('voice').srcObject.getAudioTracks().length")


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    """A page of Firefox."""
    if firefox.found() is None:
        missing("Firefox", "Install Debian's package `firefox-esr`.")
    with firefox.browsing() as tab:
        yield tab


def test_firefox_asks_in_writing_and_hears_the_answer(voice_server: Server, tab: Tab) -> None:
    """The same page in another browser, whose offer, codecs and statistics are its own."""
    asked = json.dumps([voice_server.url, ephemeral_key(voice_server)])
    item = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "what time is it"}],
    }
    events = [{"type": "conversation.item.create", "item": item}, {"type": "response.create"}]
    with serving(PAGES) as pages:
        tab.goto(f"{pages}/standard.html")
        answered = tab.evaluate(f"call(...{asked})")
        assert answered["status"] == 201, answered
        tab.until("told.length", WAIT_S)
        tab.evaluate(
            f"{json.dumps(events)}.forEach((event) => channel.send(JSON.stringify(event)))"
        )
        tab.until("told.some((e) => e.type === 'output_audio_buffer.stopped')", WAIT_S)
        tab.until("heard.length && heard.at(-1).energy > 0.001", WAIT_S)
        assert tab.evaluate("document.getElementById('voice').srcObject.getAudioTracks().length")


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_firefox_converses_in_the_playground(
    voice_server: Server, tab: Tab, transport: str
) -> None:
    """The page asks nothing of a browser that only one of them has."""
    tab.keep_cookie(COOKIE, cookie(voice_server))
    tab.goto(f"{origin(voice_server)}/playground")
    tab.until("document.querySelector('select[name=model]').options.length", WAIT_S)
    chosen = {"transport": transport, "model": "echo"}
    tab.evaluate(
        f"Object.entries({json.dumps(chosen)}).forEach(([name, value]) => {{"
        " document.querySelector(`select[name=${name}]`).value = value; })"
    )
    tab.evaluate("document.getElementById('start').click()")
    tab.until("document.getElementById('state').dataset.state === 'live'", WAIT_S)
    tab.evaluate("document.querySelector('input[name=text]').value = 'hello'")
    tab.evaluate("document.querySelector('#compose button').click()")
    words = "document.querySelector('#transcript .assistant .words')?.textContent"
    tab.until(f"{words} === 'hello'", WAIT_S)
    assert tab.evaluate("document.getElementById('problem').hidden")
    tab.evaluate("document.getElementById('stop').click()")
