"""What uvicorn is told, and what a process that stops does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from gateway.identity.principal import Principal
from gateway.server import _config
from gateway.services import Services
from gateway.sessions.directory import Directory, Draining
from gateway.sessions.opening import admit_session
from gateway.settings import Settings


async def caller_of(settings: Settings, peer: str, forwarded: str) -> str:
    """Return who the application is told calls."""
    told: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        told.append(scope["client"][0])

    config = _config(app, settings, port=0)
    config.load()
    scope = {
        "type": "http", "client": (peer, 1), "scheme": "http",
        "headers": [(b"x-forwarded-for", forwarded.encode())],
    }  # fmt: skip
    await cast("Any", config.loaded_app)(scope, None, None)
    return told[0]


class TestProxies:
    async def test_only_a_proxy_that_is_trusted_says_who_calls(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """uvicorn's own variable would let every client choose whom our relay lets in."""
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
        assert await caller_of(Settings(), "192.0.2.1", "198.51.100.7") == "192.0.2.1"
        assert await caller_of(Settings(), "127.0.0.1", "198.51.100.7") == "198.51.100.7"

    async def test_networks_of_proxies_are_trusted(self) -> None:
        """And none beside them: loopback is to be named then."""
        settings = Settings(trusted_proxies=["10.1.0.0/16", "2001:db8::1"])  # type: ignore[list-item]
        assert await caller_of(settings, "10.1.2.3", "198.51.100.7") == "198.51.100.7"
        assert await caller_of(settings, "2001:db8::1", "198.51.100.7") == "198.51.100.7"
        assert await caller_of(settings, "127.0.0.1", "198.51.100.7") == "127.0.0.1"

    @pytest.mark.parametrize("everybody", ["*", "unix", "10.1.2.3/16"])
    def test_what_is_no_network_is_refused(self, everybody: str) -> None:
        """At the start, by name."""
        with pytest.raises(ValidationError, match="trusted_proxies"):
            Settings(trusted_proxies=[everybody])  # type: ignore[list-item]


async def test_process_that_drains_takes_no_new_session() -> None:
    """Neither calls nor sockets: 503, or the close code that clients retry."""
    directory = Directory()
    directory.draining = True
    principal = Principal(kind="api_key", organisation_id="o", project_id="p", key_id="k")
    services = cast("Services", SimpleNamespace(directory=directory))
    with pytest.raises(Draining) as refused:
        await admit_session(services, principal, kind="realtime", model="echo")
    assert (refused.value.status, refused.value.close_code) == (503, 1012)
