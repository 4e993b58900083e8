"""Takes a controller's frames of a relayed session: to the upstream, in order.

Input audio goes on as it came. What is no event at all (no JSON, no object, no
`type`) is answered here as our own machine answers it; whether an event is
valid the upstream knows best, and says so.
"""

from __future__ import annotations

from typing import Any

from gateway.ingress.codec import APPEND, check_bounds
from gateway.ingress.receiving import Receiver
from gateway.sessions.dialects import GA
from gateway.sessions.frames import is_plain_append
from gateway.sessions.relay_opening import OpenedRelay
from gateway.sessions.relaying import RelayRunner
from realtime.events.client import client_event
from realtime.relay.inputs import RelayedFromClient


class RelayFrameTaker(Receiver[OpenedRelay]):
    """Turns one controller's frames into what the upstream gets."""

    _runner: RelayRunner

    def take(self, frame: str | bytes) -> None:
        """Take one frame; never raises."""
        if self._runner.closed:
            return
        audio = isinstance(frame, str) and is_plain_append(frame)
        if not (audio and self._runner.pass_up(str(frame))):
            self._read(frame)

    def _take_decoded(self, data: Any, size_bytes: int) -> None:
        if not isinstance(data, dict) or not isinstance(data.get("type"), str):
            client_event(data)  # it knows the words for what is no event
        if data["type"] != APPEND:
            check_bounds(data)
            now_ms = self._runner.now_ms()
            self._opened.observer.received(data["type"], data, now_ms, size_bytes)
            if self._dialect is not GA:
                data = self._dialect.incoming(data)
        self._runner.post(RelayedFromClient(self._controller, data, size_bytes))
