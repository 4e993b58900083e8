"""Takes a controller's frames: a WebSocket's, a data channel's, a sideband's."""

from __future__ import annotations

from typing import Any

from gateway.ingress.codec import append_audio, check_bounds, decoded, event_of
from gateway.sessions.dialects import GA, Dialect
from gateway.sessions.opening import OpenedSession
from realtime.errors import InvalidEvent, ServerFault, WireFault
from realtime.events.client import event_id_of
from realtime.session.inputs import ControllerId, FromClient, InvalidFromClient


class FrameTaker:
    """Turns one controller's frames into its session's inputs, in order."""

    def __init__(
        self, opened: OpenedSession, controller: ControllerId, *, dialect: Dialect = GA
    ) -> None:
        self._opened = opened
        self._runner = opened.runner
        self._controller = controller
        self._dialect = dialect

    def take(self, frame: str | bytes) -> None:
        """Take one frame; never raises."""
        if self._runner.closed:
            return
        data: Any = None
        try:
            if not isinstance(frame, str):
                raise InvalidEvent(
                    "Expected a text WebSocket message; binary frames are not supported."
                )
            data = decoded(frame)
            audio = append_audio(data)
            if audio is None:
                if self._dialect is not GA:
                    check_bounds(data)
                    data = self._dialect.incoming(data)
                self._event(data)
            else:
                self._runner.append(audio)
        except WireFault as fault:
            self._runner.post(InvalidFromClient(self._controller, fault, event_id_of(data)))
        except Exception:
            # The last line of defence of a session: a fault of ours in one
            # event is told as a server fault, logged, and the session goes on.
            self._opened.log.exception("event_failed")
            self._runner.post(InvalidFromClient(self._controller, ServerFault(), event_id_of(data)))

    def _event(self, data: Any) -> None:
        event = event_of(data)
        if isinstance(event, bytes):
            self._runner.append(event)
            return
        self._opened.observer.received(event.type, data, self._runner.now_ms())
        self._runner.post(FromClient(self._controller, event))
