"""The one-time link of a server, and the cookie that it becomes."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from pathlib import Path

from playwright._impl._api_structures import SetCookieParam
from playwright.sync_api import Page

from tests.functional.server import Server

COOKIE = "voiceengine_operator"
_cookies: dict[Path, str] = {}


def link(server: Server) -> str:
    """Return the one-time link that the server printed."""
    log = (server.data_dir / "server.log").read_text()
    printed = re.search(r"https?://\S+/playground/enter/\S+", log)
    assert printed is not None
    return printed.group(0)


def origin(server: Server) -> str:
    """Return the server's origin."""
    return server.url.removesuffix("/v1")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: object) -> None:
        """Show the redirect instead of following it."""


def ask(
    url: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    """Return status, headers and body of one request, redirects included."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=body, headers=named, method=method)
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, _lower(answer.headers.items()), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, _lower(error.headers.items()), error.read().decode()


def _lower(pairs: list[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in pairs}


def cookie(server: Server) -> str:
    """Return an operator's session of a server; its link is used up by the first who asks."""
    if server.data_dir not in _cookies:
        status, headers, _ = ask(link(server), "POST", b"", Origin=origin(server))
        assert status == 303
        found = re.match(rf"{COOKIE}=([^;]+);", headers["set-cookie"])
        assert found is not None
        _cookies[server.data_dir] = found.group(1)
    return _cookies[server.data_dir]


def admit(page: Page, server: Server) -> None:
    """Give a browser the session, and open the playground."""
    kept: SetCookieParam = {
        "name": COOKIE,
        "value": cookie(server),
        "url": f"{origin(server)}/playground",
        "httpOnly": True,
        "sameSite": "Strict",
    }
    page.context.add_cookies([kept])
    page.goto(f"{origin(server)}/playground")
