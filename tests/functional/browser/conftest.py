"""A browser that tests of a file share, and the playground open in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.conftest import missing
from tests.functional.browser.chromium import found, launched, silence
from tests.functional.browser.entrance import admit
from tests.functional.server import Server

LIVE_MS = 30_000


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser whose microphone is silent."""
    if found() is None:
        missing("Chromium", "Install Debian's package `chromium`.")
    with launched(silence(tmp_path_factory.mktemp("microphone"))) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Storage and permissions of one test."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write", "microphone"])
    yield context
    context.close()


class Watched:
    """What a good page never does: errors, warnings, breaches of its policy, foreign requests."""

    def __init__(self, page: Page) -> None:
        self.faults: list[str] = []
        self.urls: list[str] = []
        page.on("console", lambda told: self._console(told.type, told.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda socket: self._asked(socket.url))

    def _console(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.faults.append(text)

    def _asked(self, url: str) -> None:
        self.urls.append(url)
        if not re.match(r"(http|ws)://127\.0\.0\.1:|data:|blob:", url):
            self.faults.append(url)


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page of it, not yet anywhere."""
    page = context.new_page()
    page.set_default_timeout(LIVE_MS)
    return page


@pytest.fixture
def playground(page: Page, plain_server: Server) -> Page:
    """The playground of a server that only echoes."""
    admit(page, plain_server)
    choose_echo(page)
    return page


def choose_echo(page: Page) -> None:
    """Choose the model that says what it is told."""
    expect(page.locator("select[name=model] option").first).to_be_attached()
    page.select_option("select[name=model]", "echo")


def begin(page: Page, transport: str = "webrtc") -> None:
    """Start, and wait until it is connected."""
    page.select_option("select[name=transport]", transport)
    page.click("#start")
    expect(page.locator("#state")).to_have_attribute("data-state", "live", timeout=LIVE_MS)


def say(page: Page, text: str) -> None:
    """Write to the model."""
    page.fill("#compose input[name=text]", text)
    page.click("#compose button")
