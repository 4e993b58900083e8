"""What the parts of the gateway's side need of the connection to the speech worker."""

from __future__ import annotations

import json
from typing import Any, Protocol

from ovos_bridge.speech.protocol import Ask
from realtime.engine import EngineFault

LOST = EngineFault("speech_unavailable", "Speech stopped working and is being restarted.")
SLOW = EngineFault("speech_timeout", "Speech did not answer in time.")


def told_fault(payload: bytes) -> EngineFault:
    """Return the fault that the worker tells of."""
    told = json.loads(payload)
    return EngineFault(told["code"], told["message"])


class Channel(Protocol):
    """The connection; streams are numbered, a stream's frames go to its owner."""

    recognition_timeout_s: float
    synthesis_timeout_s: float

    @property
    def connected(self) -> bool:
        """The worker is there."""

    def next_stream(self) -> int:
        """Return a fresh stream number."""

    def remember(self, stream: int, owner: Any) -> None:
        """Send a stream's frames to its owner."""

    def forget(self, stream: int) -> None:
        """Frames of the stream mean nothing any more."""

    def send(
        self, kind: Ask, stream: int, payload: bytes = b"", *, droppable: bool = False
    ) -> bool:
        """Queue a frame; return whether it will go."""
