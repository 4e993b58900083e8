"""Headless Firefox, Debian's own, driven by WebDriver BiDi, which it speaks without a driver.

Its fake microphone hums. Without a sound card its audio contexts stand still (Firefox 153), so
nothing can be said through it but in writing; what it is sent arrives and is decoded.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

START_TIMEOUT_S = 60
CALL_TIMEOUT_S = 30
LOOK_S = 0.1
PREFERENCES = {
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.peerconnection.ice.loopback": True,
    "remote.active-protocols": 1,
    # Nothing from elsewhere.
    "app.update.enabled": False,
    "extensions.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
}


def found() -> str | None:
    """Return the browser's path, if it is installed."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


class Tab:
    """A page of the browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._calls = 0
        self.command("session.new", capabilities={})
        self._context = self.command("browsingContext.getTree")["contexts"][0]["context"]

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Give a command; return its result."""
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": params}))
        while True:
            told = json.loads(self._socket.recv(CALL_TIMEOUT_S))
            if told.get("id") == self._calls:
                assert told["type"] == "success", told
                return dict(told["result"])

    def goto(self, url: str) -> None:
        """Open an address."""
        self.command("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def keep_cookie(self, name: str, value: str) -> None:
        """Put a cookie of this machine where scripts do not get at it."""
        kept = {"type": "string", "value": value}
        cookie = {"name": name, "value": kept, "domain": "127.0.0.1", "path": "/playground"}
        self.command("storage.setCookie", cookie=cookie | {"httpOnly": True, "sameSite": "strict"})

    def evaluate(self, expression: str) -> Any:
        """Return an expression's value, awaited."""
        told = self.command(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self._context},
            awaitPromise=True,
        )
        assert told["type"] == "success", told
        return json.loads(told["result"].get("value", "null"))

    def until(self, expression: str, timeout_s: float) -> None:
        """Wait until an expression holds."""
        deadline = time.monotonic() + timeout_s
        while not self.evaluate(f"Boolean({expression})"):
            assert time.monotonic() < deadline, expression
            time.sleep(LOOK_S)


@contextmanager
def browsing() -> Iterator[Tab]:
    """Have a page of a browser with a profile of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in PREFERENCES.items())
        (Path(profile) / "user.js").write_text("\n".join(lines))
        argv = [str(found()), "--headless", "--no-remote", "--profile", profile]
        with (Path(profile) / "told.txt").open("wb") as told:
            process = subprocess.Popen(
                [*argv, "--remote-debugging-port", "0"],
                stdout=told, stderr=told, env={**os.environ, "HOME": profile},
            )  # fmt: skip
        try:
            with connect(
                f"{_address(Path(profile) / 'told.txt')}/session", max_size=None
            ) as socket:
                yield Tab(socket)
        finally:
            process.terminate()
            process.wait(30)


def _address(told: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if named := re.search(r"BiDi listening on (ws://\S+)", told.read_text()):
            return named.group(1)
        time.sleep(LOOK_S)
    raise AssertionError(f"Firefox did not start: {told.read_text()[-2000:]}")
