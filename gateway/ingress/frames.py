"""Takes a controller's frames: a WebSocket's, a data channel's, a sideband's."""

from __future__ import annotations

from typing import Any

from gateway.ingress.codec import append_audio, check_bounds, event_of
from gateway.ingress.receiving import Receiver
from gateway.sessions.dialects import GA
from gateway.sessions.opening import OpenedSession
from gateway.sessions.runner import SessionRunner
from realtime.session.inputs import FromClient


class FrameTaker(Receiver[OpenedSession]):
    """Turns one controller's frames into its session's inputs, in order."""

    _runner: SessionRunner

    def _take_decoded(self, data: Any, size_bytes: int) -> None:
        audio = append_audio(data)
        if audio is not None:
            self._runner.append(audio)
            return
        if self._dialect is not GA:
            check_bounds(data)
            data = self._dialect.incoming(data)
        event = event_of(data)
        if isinstance(event, bytes):
            self._runner.append(event)
            return
        now_ms = self._runner.now_ms()
        self._opened.observer.received(event.type, data, now_ms, size_bytes)
        self._runner.post(FromClient(self._controller, event))
