"""The playground by keyboard and for screen readers: axe finds nothing grave in any state."""

from __future__ import annotations

import math
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import missing
from tests.functional.browser.conftest import begin, choose_echo, say
from tests.functional.browser.entrance import admit, origin
from tests.functional.browser.test_playground_page import TOOLS
from tests.functional.server import Server

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

HERE = Path(__file__).parent / "axe"
GRAVE = {"serious", "critical"}
WIDTHS = {"desk": (1280, 800), "phone": (390, 844)}


@pytest.fixture(scope="module")
def axe() -> str:
    """The checker's source, as its lock file says; it comes into pages of these tests only."""
    npm = shutil.which("npm")
    if npm is None:
        missing("npm", "Install nodejs and npm.")
    source = HERE / "node_modules" / "axe-core" / "axe.min.js"
    if not source.exists():
        argv = [str(npm), "ci", "--silent", "--no-audit", "--no-fund"]
        subprocess.run(argv, cwd=HERE, check=True, capture_output=True, timeout=120)
    return source.read_text()


def grave(page: Page, axe: str) -> list[str]:
    """Return what axe finds that keeps somebody out: rule, where, and why."""
    page.evaluate(axe)
    found: list[dict[str, Any]] = page.evaluate(
        "async () => (await axe.run(document, { resultTypes: ['violations'] })).violations"
    )
    return [
        f"{one['id']}: {node['html'][:120]}: {node['failureSummary']}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


@pytest.mark.parametrize(("width", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_no_state_of_the_page_keeps_somebody_out(
    browser: Browser,
    plain_server: Server,
    axe: str,
    width: str,
    scheme: Literal["light", "dark"],
) -> None:
    """Closed, idle, talking with a call to answer, failed; on a desk by day, a phone by night."""
    wide, high = WIDTHS[width]
    context = browser.new_context(
        viewport={"width": wide, "height": high}, color_scheme=scheme, permissions=["microphone"]
    )
    page = context.new_page()
    page.goto(f"{origin(plain_server)}/playground")
    found = {"closed": grave(page, axe)}
    admit(page, plain_server)
    choose_echo(page)
    page.click("#tools summary")
    found["idle"] = grave(page, axe)
    assert page.evaluate("document.documentElement.scrollWidth") <= wide
    page.fill("textarea[name=tools]", TOOLS)
    begin(page)
    say(page, "hello")
    expect(page.locator("#transcript .assistant .words")).to_have_text("hello")
    page.locator("#log summary").first.click()
    page.select_option("select[name=tool_choice]", "required")
    page.click("#apply")
    say(page, "Bern")
    expect(page.locator("#calls form")).to_be_visible()
    found["called"] = grave(page, axe)
    assert page.evaluate("document.documentElement.scrollWidth") <= wide
    page.click("#stop")
    context.clear_cookies()
    page.fill("textarea[name=tools]", "")
    page.click("#start")
    expect(page.locator("#problem")).to_contain_text("Ask for a new link")
    found["failed"] = grave(page, axe)
    context.close()
    assert {state: told for state, told in found.items() if told} == {}


def named(page: Page) -> str:
    """Return what the keyboard is on."""
    return str(
        page.evaluate(
            "document.activeElement.name || document.activeElement.id"
            " || document.activeElement.tagName.toLowerCase()"
        )
    )


def test_conversation_is_had_by_the_keyboard_alone(playground: Page) -> None:
    """Tab goes down the page; starting and stopping leave the keyboard beside what was pressed."""
    page = playground
    page.locator("select[name=transport]").focus()
    order = [named(page)]
    for _ in range(7):
        page.keyboard.press("Tab")
        order.append(named(page))
    assert order == [
        "transport", "model", "voice", "instructions", "summary", "start", "transcript", "latency",
    ]  # fmt: skip
    page.locator("#start").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#stop")).to_be_focused()
    expect(page.locator("#state")).to_have_text("Connected")
    assert page.locator("#state").get_attribute("role") == "status"
    for _ in range(4):
        page.keyboard.press("Tab")
    assert named(page) == "text"
    page.keyboard.type("hello")
    page.keyboard.press("Enter")
    expect(page.locator("#transcript .assistant .words")).to_have_text("hello")
    page.locator("#log summary").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#log pre")).to_be_visible()
    page.locator("#mute").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Mute", pressed=True)).to_be_focused()
    page.locator("#stop").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#start")).to_be_focused()
    expect(page.locator("#state")).to_have_text("Ended")


def test_what_happens_is_told_without_being_looked_at(playground: Page) -> None:
    """State and calls are announced politely, failures at once; words are not read over speech."""
    tree = playground.locator("body").aria_snapshot()
    for told in (
        '- heading "Playground" [level=1]', '- heading "Session" [level=2]',
        '- heading "Conversation" [level=2]', '- heading "Events" [level=2]',
        '- combobox "Model"', '- textbox "Message"', '- list "Transcript"', '- list "Event log"',
        '- searchbox "Filter"', "- status: ○ Not connected",
    ):  # fmt: skip
        assert told in tree, tree
    assert playground.locator("[role=alert]").count() == 1
    assert playground.locator("[aria-live]").count() == 0


@pytest.mark.parametrize(
    ("motion", "least_ms", "most_ms"), [("reduce", 450, math.inf), ("no-preference", 0, 250)]
)
def test_waves_move_little_where_motion_disturbs(
    page: Page,
    plain_server: Server,
    motion: Literal["reduce", "no-preference"],
    least_ms: float,
    most_ms: float,
) -> None:
    """Twice a second instead of twenty times."""
    page.emulate_media(reduced_motion=motion)
    admit(page, plain_server)
    drawn_ms = page.evaluate(
        """() => new Promise((resolve) => {
          const drawn = [];
          new MutationObserver(() => {
            if (drawn.push(performance.now()) === 5) resolve(drawn);
          }).observe(document.getElementById('wave-in'), { attributes: true });
        })"""
    )
    # The shortest wait of several: a machine that is busy makes them longer, never shorter.
    assert least_ms <= min(after - before for before, after in pairwise(drawn_ms)) <= most_ms
