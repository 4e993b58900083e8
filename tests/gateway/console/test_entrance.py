"""The one-time link: whatever looks at it leaves it alone, one press opens it, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.applications import Starlette

from gateway.app import build_app, build_services
from gateway.identity.operators import Operators
from gateway.identity.principal import Principal
from gateway.settings import Settings
from tests.gateway.api.asgi import Answer, ask

HOST = "voice.example"
OURS = f"https://{HOST}"
SOMEBODY = Principal(
    kind="api_key", organisation_id="org_test", project_id="proj_test", key_id="key_test"
)


@dataclass
class House:
    """The application, and who lets people in."""

    app: Starlette
    operators: Operators

    async def ask(self, method: str, path: str, **headers: str) -> Answer:
        """Make a request as a browser does."""
        return await ask(self.app, method, path, headers={"host": HOST, **headers})

    def link(self) -> str:
        """Return the path of a fresh link."""
        return f"/playground/enter/{self.operators.invite(SOMEBODY)}"


@pytest.fixture
def house(tmp_path: Path) -> House:
    """The application; nothing of it runs."""
    services, embedded = build_services(Settings(data_dir=tmp_path, speech=False, skills=False))
    return House(build_app(services, embedded), services.operators)


async def test_link_survives_previews_and_opens_once(house: House) -> None:
    """GET and HEAD show a button; its POST sets a cookie out of reach of scripts and sites."""
    link = house.link()
    for method in ("GET", "HEAD", "GET"):
        seen = await house.ask(method, link)
        assert seen.status == 200
        assert seen.headers["cache-control"] == "no-store"
        assert "set-cookie" not in seen.headers
        assert b"<script" not in seen.body
    entered = await house.ask("POST", link, origin=OURS)
    assert (entered.status, entered.headers["location"]) == (303, "/playground")
    session, *flags = entered.headers["set-cookie"].lower().split("; ")
    assert {"httponly", "samesite=strict", "path=/playground"} <= set(flags)
    page = await house.ask("GET", "/playground", cookie=entered.headers["set-cookie"].split(";")[0])
    assert page.status == 200
    assert session.partition("=")[2].encode() not in page.body
    for method in ("GET", "POST"):
        again = await house.ask(method, link, origin=OURS)
        assert again.status == 401
        assert b"one-time link" in again.body
        assert "set-cookie" not in again.headers


@pytest.mark.parametrize("origin", ["https://example.com", "null", ""])
async def test_link_is_not_opened_by_another_sites_form(house: House, origin: str) -> None:
    """The press comes from our own page; a refusal does not use the link up."""
    link = house.link()
    refused = await house.ask("POST", link, **({"origin": origin} if origin else {}))
    assert refused.status == 403
    assert refused.json()["error"]["code"] == "foreign_origin"
    assert (await house.ask("POST", link, origin=OURS)).status == 303


async def test_nobody_gets_pages_or_keys_without_a_session(house: House) -> None:
    """A person is told what to do, a script gets the envelope; another site gets neither."""
    page = await house.ask("GET", "/playground")
    assert page.status == 401
    assert page.headers["content-type"].startswith("text/html")
    assert b"one-time link" in page.body
    options = await house.ask("GET", "/playground/options", cookie="voiceengine_operator=x")
    assert options.json()["error"]["code"] == "operator_required"
    kind = {"content-type": "application/json"}
    assert (await house.ask("POST", "/playground/secret", origin=OURS, **kind)).status == 401
    for headers in ({"origin": "https://example.com"}, {}):
        answer = await house.ask("POST", "/playground/secret", **kind, **headers)
        assert answer.status == 403


async def test_parts_of_the_page_are_asked_for_anew_and_not_sent_twice(house: House) -> None:
    """What a browser has is confirmed by its tag, and no file is reached by another name."""
    first = await house.ask("GET", "/playground/static/style.css")
    assert first.headers["cache-control"] == "no-cache"
    tag = {"if-none-match": first.headers["etag"]}
    assert (await house.ask("GET", "/playground/static/style.css", **tag)).status == 304
    for name in ("../../playground.py", "..%2f..%2fplayground.py", "nothing.js"):
        assert (await house.ask("GET", f"/playground/static/{name}")).status == 404


def test_link_ends_after_a_day_and_its_session_after_half_a_day() -> None:
    """What was opened or printed long ago opens nothing."""
    now_s = 0.0
    operators = Operators(monotonic_s=lambda: now_s)
    old, used = operators.invite(SOMEBODY), operators.invite(SOMEBODY)
    session = operators.enter(used)
    now_s = 12 * 3600 + 1.0
    assert operators.current(session) is None
    assert operators.awaits(old)
    now_s = 24 * 3600 + 1.0
    assert not operators.awaits(old)
    assert operators.enter(old) is None
