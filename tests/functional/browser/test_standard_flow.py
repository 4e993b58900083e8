"""A browser calls as OpenAI's guide shows it: nothing of ours in the page (CONTRACT 14)."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import ROOT, missing
from tests.functional.browser.chromium import browsing, found, microphone, serving
from tests.functional.server import Server

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

QUESTION = ROOT / "conformance" / "audio" / "what_time_is_it.wav"
PAGES = Path(__file__).parent
WAIT_MS = 60_000


@pytest.fixture(autouse=True)
def _browser() -> None:
    if found() is None:
        missing("Chromium", "Install Debian's package `chromium`.")


def ephemeral_key(server: Server) -> str:
    """Mint what a browser may hold."""
    request = urllib.request.Request(
        f"{server.url}/realtime/client_secrets",
        data=json.dumps({"session": {"type": "realtime", "model": "gpt-realtime"}}).encode(),
        headers={"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["value"])


def test_browser_asks_by_voice_and_hears_the_answer(voice_server: Server, tmp_path: Path) -> None:
    """Speech in, words on the channel, energy in the incoming RTP; `ontrack` has a stream."""
    speech = microphone(QUESTION, tmp_path, before_s=3, after_s=30)
    with serving(PAGES) as origin, browsing(speech) as page:
        page.goto(f"{origin}/standard.html")
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
