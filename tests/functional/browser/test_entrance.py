"""The one-time link in a browser, followed from another site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import missing
from tests.functional import server as servers
from tests.functional.browser.chromium import browsing, found, serving
from tests.functional.browser.entrance import COOKIE, link
from tests.functional.server import Server

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of its own: a link opens once."""
    server = servers.start(tmp_path / "entrance")
    server.wait_ready()
    yield server
    assert server.stop() == 0


def test_link_followed_from_another_site_opens_by_the_keyboard(
    server: Server, tmp_path: Path
) -> None:
    """Strict cookies are not sent after a redirect from elsewhere; they are after a press here."""
    if found() is None:
        missing("Chromium", "Install Debian's package `chromium`.")
    (tmp_path / "chat.html").write_text(f'<a href="{link(server)}">the link</a>')
    with serving(tmp_path) as elsewhere, browsing(tmp_path / "none.wav") as page:
        page.goto(f"{elsewhere.replace('127.0.0.1', 'localhost')}/chat.html")
        page.click("a")
        expect(page.get_by_role("button")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(r"/playground$"))
        expect(page.locator("#start")).to_be_enabled()
        page.goto(f"{elsewhere.replace('127.0.0.1', 'localhost')}/chat.html")
        page.evaluate("document.querySelector('a').href += '-old'")
        page.click("a")
        expect(page.get_by_role("heading")).to_have_text("The playground is closed")
        page.click("text=Go to the playground")
        expect(page.locator("#start")).to_be_visible()
        assert [kept["name"] for kept in page.context.cookies()] == [COOKIE]
