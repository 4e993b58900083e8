"""The receiving side of a relayed session's WebSocket: not read while the upstream is behind."""

from __future__ import annotations

from gateway.ingress.relay_frames import RelayFrameTaker
from gateway.ingress.websocket.holding import Holding
from gateway.sessions.frames import is_append_on_wire
from gateway.sessions.relay_opening import OpenedRelay


class RelayReading(Holding[OpenedRelay], RelayFrameTaker):
    """Takes frames as they come; stops the socket while the upstream does not keep up."""

    def offer(self, payload: bytes) -> bool:
        """Take a frame that is input audio and may pass, before it is decoded; never raises."""
        if not is_append_on_wire(payload):
            return False
        behind = self._runner.pass_encoded(payload)
        if behind is None:
            return False
        if behind:
            self._hold()
        return True

    def _overloaded(self) -> bool:
        return self._runner.overloaded()
