"""Takes a controller's frames of a relayed session: to the upstream, in order.

Input audio goes on as it came. What is no event at all (no JSON, no object, no
`type`) is answered here as our own machine answers it; whether an event is
valid the upstream knows best, and says so.
"""

from __future__ import annotations

from typing import Any

from gateway.ingress.codec import APPEND, check_bounds, decoded
from gateway.sessions.dialects import GA, Dialect
from gateway.sessions.frames import is_plain_append
from gateway.sessions.relay_opening import OpenedRelay
from realtime.errors import InvalidEvent, ServerFault, WireFault
from realtime.events.client import client_event, event_id_of
from realtime.relay.inputs import RelayedFromClient
from realtime.session.inputs import ControllerId, InvalidFromClient


class RelayFrameTaker:
    """Turns one controller's frames into what the upstream gets."""

    def __init__(
        self, opened: OpenedRelay, controller: ControllerId, *, dialect: Dialect = GA
    ) -> None:
        self._opened = opened
        self._runner = opened.runner
        self._controller = controller
        self._dialect = dialect

    def take(self, frame: str | bytes) -> None:
        """Take one frame; never raises."""
        if self._runner.closed:
            return
        audio = isinstance(frame, str) and is_plain_append(frame)
        if not (audio and self._runner.pass_up(str(frame))):
            self._read(frame)

    def _read(self, frame: str | bytes) -> None:
        data: Any = None
        try:
            if not isinstance(frame, str):
                raise InvalidEvent(
                    "Expected a text WebSocket message; binary frames are not supported."
                )
            data = decoded(frame)
            if not isinstance(data, dict) or not isinstance(data.get("type"), str):
                client_event(data)  # it knows the words for what is no event
            self._event(data, len(frame))
        except WireFault as fault:
            self._runner.post(InvalidFromClient(self._controller, fault, event_id_of(data)))
        except Exception:
            # The last line of defence of a session: a fault of ours in one
            # event is told as a server fault, logged, and the session goes on.
            self._opened.log.exception("event_failed")
            self._runner.post(InvalidFromClient(self._controller, ServerFault(), event_id_of(data)))

    def _event(self, data: dict[str, Any], size_bytes: int) -> None:
        if data["type"] != APPEND:
            check_bounds(data)
            self._opened.observer.received(data["type"], data, self._runner.now_ms())
            if self._dialect is not GA:
                data = self._dialect.incoming(data)
        self._runner.post(RelayedFromClient(self._controller, data, size_bytes))
