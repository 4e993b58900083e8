"""The playground's parts, against a server that echoes: settings, tools, images, log, policy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gateway.console.pages import FOLDER, HEADERS
from tests.functional.browser.conftest import Watched, begin, say
from tests.functional.browser.entrance import admit, cookie, origin
from tests.functional.server import Server

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
)
TOOLS = json.dumps(
    [
        {
            "type": "function",
            "name": "forecast",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        }
    ]
)


def test_voices_are_those_of_the_chosen_model(page: Page, plain_server: Server) -> None:
    """Another model, other voices; what was chosen is remembered, without any key."""
    own = {"name": "own", "voice": "ada", "voices": ["ada", "bob"], "features": []}
    other = {"name": "other", "voice": "cleo", "voices": ["cleo", "bob"], "features": ["tools"]}
    offered = json.dumps({"models": [own, other]})
    page.route("**/playground/options", lambda route: route.fulfill(body=offered))
    admit(page, plain_server)
    voices = page.locator("select[name=voice] option")
    expect(voices).to_have_text(["the model’s own (ada)", "ada", "bob"])
    page.select_option("select[name=voice]", "bob")
    page.select_option("select[name=model]", "other")
    expect(voices).to_have_text(["the model’s own (cleo)", "cleo", "bob"])
    expect(page.locator("select[name=voice]")).to_have_value("bob")
    page.fill("textarea[name=instructions]", "Be brief.")
    page.reload()
    expect(page.locator("select[name=model]")).to_have_value("other")
    expect(page.locator("select[name=voice]")).to_have_value("bob")
    expect(page.locator("textarea[name=instructions]")).to_have_value("Be brief.")
    assert "ek_" not in page.evaluate("JSON.stringify(localStorage)")


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_tool_is_typed_in_and_answered_by_hand(playground: Page, transport: str) -> None:
    """A call becomes a form beside the conversation; its answer goes on with the response."""
    page = playground
    page.click("#tools summary")
    page.fill("textarea[name=tools]", TOOLS)
    page.select_option("select[name=tool_choice]", "required")
    begin(page, transport)
    say(page, "Bern")
    call = page.locator("#calls form")
    expect(call).to_contain_text("forecast(")
    expect(page.locator("#told")).to_contain_text("The model calls forecast")
    page.select_option("select[name=tool_choice]", "none")
    page.click("#apply")
    expect(page.locator("#log summary", has_text="session.updated")).to_be_visible()
    call.get_by_label("Result of forecast").fill("Sunny all day.")
    page.keyboard.press("Enter")
    expect(call).to_have_count(0)
    expect(page.locator("#transcript .assistant .words").last).to_have_text("Sunny all day.")
    expect(page.locator("#turns tbody tr")).to_have_count(2)
    expect(page.locator("#turns tbody tr").first.locator("td").nth(1)).to_have_text(
        re.compile(r"\d+")
    )


@pytest.mark.parametrize("wide", [390, 1000])
def test_message_has_room_at_every_width(playground: Page, tmp_path: Path, wide: int) -> None:
    """An image beside it shows its name, and takes the place of no words."""
    page = playground
    page.set_viewport_size({"width": wide, "height": 800})
    begin(page)
    image = tmp_path / f"{'a long name ' * 8}.png"
    image.write_bytes(PIXEL)
    page.set_input_files("input[name=image]", image)
    expect(page.locator("#compose .file")).to_contain_text("a long name")
    room = page.locator("#compose input[name=text]").bounding_box()
    assert room is not None
    assert room["width"] > 150
    assert page.evaluate("document.documentElement.scrollWidth") <= wide
    page.click("#compose button")
    expect(page.get_by_alt_text("The image you sent")).to_be_visible()
    expect(page.locator("#compose .file")).to_have_text("Image")


def test_stop_and_conversation_are_in_sight_on_a_phone(playground: Page) -> None:
    """Who speaks sees what is said, and can end it wherever the page was scrolled to."""
    page = playground
    page.set_viewport_size({"width": 390, "height": 844})
    begin(page)
    for seen in ("#stop", "#mute", "#wave-in", "#transcript", "#compose input[name=text]"):
        expect(page.locator(seen)).to_be_in_viewport(ratio=1)
    page.locator("#log").scroll_into_view_if_needed()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator("#stop")).to_be_in_viewport(ratio=1)
    under = page.evaluate(
        "document.getElementById('log').getBoundingClientRect().bottom"
        " - document.getElementById('stop').getBoundingClientRect().top"
    )
    assert under <= 0


def test_start_is_in_sight_beside_long_settings(playground: Page) -> None:
    """On a low desk the settings scroll by themselves; what begins and ends a call stays."""
    page = playground
    page.set_viewport_size({"width": 1280, "height": 500})
    page.click("#tools summary")
    for seen in ("#start", "#transcript", "#compose button"):
        expect(page.locator(seen)).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollHeight") <= 500


def test_applied_instructions_are_marked_and_emptied_ones_taken_back(playground: Page) -> None:
    """The transcript says from where on a prompt holds; one that was never written is left alone."""
    page = playground
    begin(page, "websocket")
    updates = page.locator("#log summary", has_text="session.update").filter(has_text="sent")
    for count, (written, sent) in enumerate(
        (("", None), ("Be brief.", "Be brief."), ("", "")), start=1
    ):
        page.fill("textarea[name=instructions]", written)
        page.click("#apply")
        expect(page.locator("#transcript .note")).to_have_count(count)
        expect(updates).to_have_count(count)
        updates.last.click()
        expect(page.locator("#log pre")).to_have_count(count)
        told = json.loads(page.locator("#log pre").last.inner_text())
        assert told["session"].get("instructions") == sent


def test_image_is_sent_and_one_too_large_for_a_call_is_not(
    playground: Page, tmp_path: Path
) -> None:
    """What a data channel cannot bear is said before it is sent."""
    page = playground
    large = tmp_path / "large.png"
    large.write_bytes(PIXEL + bytes(200_000))
    small = tmp_path / "small.png"
    small.write_bytes(PIXEL)
    begin(page)
    page.set_input_files("input[name=image]", large)
    say(page, "What is this?")
    expect(page.locator("#problem")).to_contain_text("180 kB at most")
    page.set_input_files("input[name=image]", small)
    page.click("#compose button")
    expect(page.get_by_alt_text("The image you sent")).to_be_visible()
    expect(page.locator("#log summary", has_text="conversation.item.added").first).to_be_visible()
    expect(page.locator("#transcript .assistant .words").last).to_have_text("What is this?")


def test_log_is_sifted_and_copied_as_shown(playground: Page) -> None:
    """What is typed finds events by name and by content; deltas are shown on demand."""
    page = playground
    begin(page, "websocket")
    say(page, "a needle in hay")
    rows = page.locator("#log li:visible")
    expect(page.locator("#log summary", has_text="response.done")).to_be_visible()
    expect(page.locator("#log li:visible", has_text=".delta")).to_have_count(0)
    page.check("#deltas")
    expect(page.locator("#log li:visible", has_text=".delta").first).to_be_visible()
    page.fill("#filter", "needle")
    expect(page.locator("#log li:visible", has_text="rate_limits")).to_have_count(0)
    shown = rows.count()
    assert shown > 0
    page.click("#copy")
    expect(page.locator("#told")).to_have_text(f"{shown} events copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.count('"type": "conversation.item.create"') == 1
    page.fill("#filter", "item.create")
    page.locator("#log summary").filter(visible=True).first.click()
    expect(page.locator("#log pre")).to_contain_text("a needle in hay")
    page.click("#clear")
    expect(page.locator("#log li")).to_have_count(0)


def test_long_session_keeps_its_bounds_and_its_pace(playground: Page) -> None:
    """Four thousand events and items leave 2,000 rows and 500 lines, at a few ms each."""
    took_ms = playground.evaluate(
        """async () => {
          const { EventLog } = await import('/playground/static/log.js');
          const { Transcript } = await import('/playground/static/views.js');
          const by = (id) => document.getElementById(id);
          const log = new EventLog(by('log'), by('filter'), by('deltas'));
          const transcript = new Transcript(by('transcript'));
          const began = performance.now();
          for (let place = 0; place < 4000; place += 1) {
            log.add('in', { type: 'response.output_audio.delta', delta: 'x'.repeat(6400), place });
            transcript.add(`item_${place}`, 'user', 'words');
            if (place % 100 === 99) await new Promise((resolve) => { setTimeout(resolve); });
          }
          log.flush();
          return performance.now() - began;
        }"""
    )
    expect(playground.locator("#log li")).to_have_count(2_000)
    expect(playground.locator("#transcript li")).to_have_count(500)
    assert took_ms < 20_000


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_page_keeps_to_its_policy_and_shows_no_key(
    page: Page, plain_server: Server, transport: str
) -> None:
    """Nothing inline, nothing from elsewhere, and no key in source, storage or addresses."""
    watched = Watched(page)
    keys: list[str] = []
    page.on(
        "response",
        lambda answer: (
            keys.append(answer.json()["value"]) if answer.url.endswith("/secret") else None
        ),
    )
    admit(page, plain_server)
    expect(page.locator("select[name=model] option").first).to_be_attached()
    page.select_option("select[name=model]", "echo")
    begin(page, transport)
    say(page, "hello")
    expect(page.locator("#transcript .assistant .words")).to_have_text("hello")
    held = page.content() + page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    assert len(keys) == 1
    for secret in (*keys, plain_server.key, cookie(plain_server)):
        assert secret not in held + "".join(watched.urls)
    assert page.evaluate("document.cookie") == ""
    page.click("#stop")
    assert watched.faults == []


def test_policy_stops_what_is_inline_or_from_elsewhere(playground: Page) -> None:
    """The browser itself refuses what an attacker could put into the page."""
    blocked = playground.evaluate(
        """async () => {
          const blocked = [];
          document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
            blocked.push(effectiveDirective);
          });
          const put = (name, values) => document.body.append(Object.assign(document.createElement(name), values));
          put('script', { textContent: 'document.title = "taken"' });
          put('style', { textContent: '* { display: none }' });
          put('script', { src: 'https://example.com/x.js' });
          put('img', { src: 'https://example.com/x.png' });
          put('iframe', { src: 'https://example.com/' });
          await fetch('https://example.com/').catch(() => {});
          await new Promise((resolve) => { setTimeout(resolve, 200); });
          return [...new Set(blocked)].sort().concat(document.title);
        }"""
    )
    assert blocked[:-1] == [
        "connect-src", "frame-src", "img-src", "script-src-elem", "style-src-elem",
    ]  # fmt: skip
    assert blocked[-1] != "taken"


def test_every_answer_bears_the_policy(playground: Page, plain_server: Server) -> None:
    """Pages, parts, options and faults; what says who somebody is stays in no cache."""
    ask = playground.context.request
    parts = [f"/playground/static/{path.name}" for path in FOLDER.iterdir()]
    for path in ("/playground", "/playground/options", *parts):
        headers = ask.get(origin(plain_server) + path).headers
        for name, value in HEADERS.items():
            if name != "Cache-Control":
                assert headers[name.lower()] == value
        kept = "no-store" if path.endswith("options") else "no-cache"
        assert headers["cache-control"] == kept
    minted = ask.post(
        f"{origin(plain_server)}/playground/secret",
        headers={"Origin": origin(plain_server)},
        data={"session": {"type": "realtime", "model": "echo"}},
    )
    assert minted.headers["cache-control"] == "no-store"
    for path in FOLDER.glob("*.html"):
        text = path.read_text()
        assert not re.search(r"<style|<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=|javascript:", text)
        assert not re.search(r"(src|href)=\"(?!/playground|data:,\")", text)
