"""Takes a controller's frames of a translation session: audio and three kinds of events."""

from __future__ import annotations

from typing import Any

from gateway.ingress.codec import (
    TRANSLATION_APPEND,
    append_audio,
    decoded,
    translation_event_of,
)
from gateway.sessions.translation_opening import OpenedTranslation
from realtime.errors import InvalidEvent, ServerFault, WireFault
from realtime.events.client import event_id_of
from realtime.session.inputs import ControllerId, InvalidFromClient
from realtime.translation.inputs import TranslationFromClient


class TranslationFrameTaker:
    """Turns one controller's frames into its session's inputs, in order."""

    def __init__(self, opened: OpenedTranslation, controller: ControllerId) -> None:
        self._opened = opened
        self._runner = opened.runner
        self._controller = controller

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
            audio = append_audio(data, TRANSLATION_APPEND)
            if audio is None:
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
        event = translation_event_of(data)
        if isinstance(event, bytes):
            self._runner.append(event)
            return
        self._opened.observer.received(event.type, data, self._runner.now_ms())
        self._runner.post(TranslationFromClient(self._controller, event))
