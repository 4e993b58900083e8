"""The clients of a session: who gets which frame."""

from __future__ import annotations

from typing import Protocol

from gateway.sessions.projection import PLAIN, Projection
from realtime.session.inputs import ControllerId


class Controller(Protocol):
    """One connected client: a socket now, a data channel or a sideband later."""

    projection: Projection
    """How it sees the session."""

    @property
    def waiting_bytes(self) -> int:
        """What was queued and has not gone out."""

    def send(self, text: str) -> None:
        """Queue a frame; never blocks. A client that reads too slowly is closed."""

    def pass_on(self, frame: bytes) -> bool:
        """Send a GA frame, header and all, as it is; return False if it cannot go at once."""

    def close(self, code: int, reason: str) -> None:
        """Send what is queued, then close."""


class Controllers:
    """The connected clients by number, in order of arrival."""

    def __init__(self) -> None:
        self._by_id: dict[ControllerId, Controller] = {}
        self._next: ControllerId = 1
        self._only: Controller | None = None
        """The client, where there is but one and it sees everything as the contract has it."""

    def add(self, controller: Controller) -> ControllerId:
        """Add a client; return its number."""
        number = self._next
        self._next += 1
        self._by_id[number] = controller
        self._look()
        return number

    @property
    def waiting_bytes(self) -> int:
        """What waits for the client that is furthest behind."""
        return max((client.waiting_bytes for client in self._by_id.values()), default=0)

    def remove(self, number: ControllerId) -> None:
        """Forget a client."""
        self._by_id.pop(number, None)
        self._look()

    def _look(self) -> None:
        self._only = None
        if len(self._by_id) == 1:
            (client,) = self._by_id.values()
            self._only = client if client.projection is PLAIN else None

    def send(self, text: str, to: ControllerId | None) -> None:
        """Send to one client, or to all."""
        if to is None:
            for controller in tuple(self._by_id.values()):
                _show(controller, text)
        elif to in self._by_id:
            _show(self._by_id[to], text)

    def send_audio(self, text: str) -> None:
        """Send to those who get audio in events."""
        for controller in self._by_id.values():
            if controller.projection.audio:
                controller.send(controller.projection.dialect.audio(text))

    def pass_on(self, frame: bytes) -> bool:
        """Send a whole frame as it is, where that is what the only client gets of it."""
        return self._only is not None and self._only.pass_on(frame)

    def close(self, code: int, reason: str) -> None:
        """Close all."""
        for controller in tuple(self._by_id.values()):
            controller.close(code, reason)
        self._by_id.clear()
        self._only = None


def _show(controller: Controller, text: str) -> None:
    for shown in controller.projection.frames(text):
        controller.send(shown)
