"""The Agents SDK for JavaScript in a browser, by WebRTC (VOICEENGINE_URL, _KEY, _MODEL, _CONTROL).

The published bundle, unmodified, in Chromium; its microphone is a recording.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import urllib.request
import wave
from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from conformance.sdk import conversation as about

HERE = Path(__file__).parent
BUNDLE = HERE.parent / "agents_js/node_modules/@openai/agents-realtime/dist/bundle"
QUESTION = HERE.parents[1] / "audio" / "what_time_is_it.wav"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CONTROL = os.environ["VOICEENGINE_CONTROL"]
SILENCE_S = 3
LEAST_WORDS = 3
"""No sound is lost on the way: the gateway has it from 0.3 s before the first word on, and without
the browser's processing as alike to the recording as Opus leaves it (0.94 of its frames). But where
no grammar helps it, the small recogniser takes `what` for `but` or `it` for `a` in two of six such
calls, and finds the word, or loses it, when the same sound begins 2 ms later."""
WAIT_MS = 60_000


class _Pages(SimpleHTTPRequestHandler):
    def translate_path(self, path: str) -> str:
        """Return the suite's page, or a part of the package's bundle."""
        name = Path(path).name
        return str(BUNDLE / name if path.startswith("/bundle/") else HERE / name)

    def guess_type(self, path: Any) -> str:
        """Name modules as what they are, whatever the system believes."""
        return "text/javascript" if str(path).endswith("js") else super().guess_type(path)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Pages))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every call begins with silence; then the question is asked, once."""
    path = tmp_path_factory.mktemp("microphone") / "question.wav"
    with wave.open(str(QUESTION)) as spoken, wave.open(str(path), "wb") as written:
        written.setparams(spoken.getparams())
        second = bytes(spoken.getframerate() * spoken.getsampwidth())
        written.writeframes(second * SILENCE_S + spoken.readframes(spoken.getnframes()))
        written.writeframes(second * 60)
    return path


@pytest.fixture(scope="module")
def browser_page(origin: str, microphone: Path) -> Iterator[Page]:
    path = next(found for name in BROWSERS if (found := shutil.which(name)))
    options = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
        "--autoplay-policy=no-user-gesture-required",
        "--no-sandbox",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=options)
        page = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(f"{origin}/page.html")
        page.wait_for_function("document.title === 'ready'")
        yield page
        for direction in ("sent", "received"):
            told = json.dumps(page.evaluate(f"window.{direction}")).encode()
            urllib.request.urlopen(f"{CONTROL}/{direction}", data=told, timeout=10).close()
        browser.close()


@pytest.fixture
def page(browser_page: Page) -> Iterator[Page]:
    yield browser_page
    browser_page.evaluate("window.session?.close()")


def ask(path: str, body: dict[str, Any]) -> Any:
    """Ask what only a backend may."""
    request = urllib.request.Request(
        f"{about.URL}/realtime/{path}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {about.KEY}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def begin(page: Page, output: str | None = None, **config: Any) -> str:
    """Call with an ephemeral key; return the call's id."""
    secret = ask("client_secrets", {"session": {"type": "realtime", "model": about.MODEL}})["value"]
    asked = {"base": about.URL, "key": secret, "model": about.MODEL, "config": config}
    if output is not None:
        asked["output"] = output
    return str(page.evaluate("(asked) => talk(asked)", asked))


def until(page: Page, name: str, least: int = 1) -> Any:
    """Wait for an event of the session or of the server; return what it told last."""
    page.wait_for_function("([name, least]) => saw(name, least)", arg=[name, least])
    assert page.evaluate("seen.filter(({ name }) => name === 'error')") == []
    return page.evaluate("(name) => last(name)", name)


def test_spoken_question_is_heard_and_answered_aloud(page: Page) -> None:
    assert begin(page).startswith("rtc_")
    before = page.evaluate("heard()")
    until(page, "output_audio_buffer.stopped")
    assert page.evaluate("heard()") > before
    history = page.evaluate("session.history")
    user, answer = (next(i for i in history if i["role"] == r) for r in ("user", "assistant"))
    heard = about.words(user["content"][0]["transcript"]).split()
    alike = SequenceMatcher(None, heard, about.QUESTION_WORDS.split()).get_matching_blocks()
    assert sum(block.size for block in alike) >= LEAST_WORDS, heard
    assert answer["content"][0]["transcript"]


def test_tool_is_run_and_its_output_spoken(page: Page) -> None:
    begin(page, about.WEATHER, toolChoice="required")
    page.evaluate("session.sendMessage('weather in Bern')")
    assert until(page, "agent_tool_end") == about.WEATHER
    until(page, "output_audio_buffer.started")
    page.wait_for_function("(last('agent_end') ?? '').includes('sunny')")


def test_speech_interrupts_the_answer(page: Page) -> None:
    begin(page, about.LONG, toolChoice="required")
    page.evaluate("session.sendMessage('count')")
    until(page, "output_audio_buffer.started")
    until(page, "output_audio_buffer.cleared")
    assert until(page, "conversation.item.truncated")["audio_end_ms"] > 0


def test_application_interrupts_the_answer(page: Page) -> None:
    begin(page, about.LONG, toolChoice="required")
    page.evaluate("session.mute(true)")
    page.evaluate("session.sendMessage('count')")
    until(page, "output_audio_buffer.started")
    page.evaluate("session.interrupt()")
    until(page, "output_audio_buffer.cleared")


def test_settings_change_within_the_session(page: Page) -> None:
    begin(page)
    updated = "session.updated"
    times = page.evaluate("(name) => seen.filter((one) => one.name === name).length", updated)
    page.evaluate(
        "session.updateAgent(new RealtimeAgent({ name: 'other', instructions: 'Be formal.' }))"
    )
    assert until(page, updated, times + 1)["session"]["instructions"] == "Be formal."


def test_end_of_the_call_by_the_backend_is_told(page: Page) -> None:
    call = begin(page)
    ask(f"calls/{call}/hangup", {})
    page.wait_for_function("saw('connection disconnected')")
