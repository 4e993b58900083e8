"""Who may use the pages of this server, until people can log in.

A one-time link, printed where the server was started, becomes a cookie. Both
live in memory: after a restart there is a new link.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gateway.identity.principal import Principal

LINK_S: Final = 24 * 3600
SESSION_S: Final = 12 * 3600
MOST: Final = 1_000
"""Links and sessions that are remembered; beyond it the oldest is forgotten."""


class Operators:
    """Links that were handed out and sessions that came of them."""

    def __init__(self, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._now = monotonic_s
        self._links: OrderedDict[str, tuple[float, Principal]] = OrderedDict()
        self._sessions: OrderedDict[str, tuple[float, Principal]] = OrderedDict()

    def invite(self, principal: Principal) -> str:
        """Return what opens a session once, on behalf of a key's project."""
        return self._remember(self._links, LINK_S, principal)

    def awaits(self, link: str) -> bool:
        """Return whether a link would open; it is not used up."""
        due, principal = self._links.get(link, (0.0, None))
        return principal is not None and due >= self._now()

    def enter(self, link: str) -> str | None:
        """Return a session for a link, None for one that is unknown, old or used."""
        due, principal = self._links.pop(link, (0.0, None))
        if principal is None or due < self._now():
            return None
        return self._remember(self._sessions, SESSION_S, principal)

    def current(self, session: str | None) -> Principal | None:
        """Return on whose behalf a session acts."""
        due, principal = self._sessions.get(session or "", (0.0, None))
        return principal if due >= self._now() else None

    def _remember(
        self, kept: OrderedDict[str, tuple[float, Principal]], for_s: int, principal: Principal
    ) -> str:
        text = secrets.token_urlsafe(32)
        kept[text] = (self._now() + for_s, principal)
        if len(kept) > MOST:
            kept.popitem(last=False)
        return text
