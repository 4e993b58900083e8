"""What takes a controller's frames has in common, whatever session is behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from gateway.ingress.codec import decoded
from gateway.sessions.admitted import AdmittedSession
from gateway.sessions.dialects import GA, Dialect
from gateway.sessions.driver import SessionDriver
from realtime.errors import InvalidEvent, ServerFault, WireFault
from realtime.events.client import event_id_of
from realtime.session.inputs import ControllerId, InvalidFromClient

AnyOpened = TypeVar("AnyOpened", bound=AdmittedSession)


class Receiver(ABC, Generic[AnyOpened]):
    """Takes one controller's frames in order; what cannot be taken is told to that one."""

    _runner: SessionDriver

    def __init__(
        self, opened: AnyOpened, controller: ControllerId, *, dialect: Dialect = GA
    ) -> None:
        self._opened = opened
        self._runner = opened.runner
        self._controller = controller
        self._dialect = dialect

    def take(self, frame: str | bytes) -> None:
        """Take one frame; never raises."""
        if not self._runner.closed:
            self._read(frame)

    def _read(self, frame: str | bytes) -> None:
        data: Any = None
        try:
            if not isinstance(frame, str):
                raise InvalidEvent(
                    "Expected a text WebSocket message; binary frames are not supported."
                )
            data = decoded(frame)
            self._take_decoded(data, len(frame))
        except WireFault as fault:
            self._runner.post(InvalidFromClient(self._controller, fault, event_id_of(data)))
        except Exception:
            # The last line of defence of a session: a fault of ours in one
            # event is told as a server fault, logged, and the session goes on.
            self._opened.log.exception("event_failed")
            self._runner.post(InvalidFromClient(self._controller, ServerFault(), event_id_of(data)))

    @abstractmethod
    def _take_decoded(self, data: Any, size_bytes: int) -> None:
        """Give the session what a frame says.

        Raises:
            WireFault: it is no event of this session.
        """
