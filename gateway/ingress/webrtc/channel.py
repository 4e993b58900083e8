"""A call's data channel as a controller: events as text messages (CONTRACT 14).

Rule for slow readers: a peer for which more than `most_bytes` already wait
when another event comes has its call ended, as a WebSocket that reads too
slowly. An event that passes MOST_MESSAGE_BYTES cannot be sent: it is left out,
and an error says so.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import orjson
from aiortc import RTCDataChannel
from aiortc.exceptions import InvalidStateError

from gateway.sessions.projection import Projection

LABEL: Final = "oai-events"
MOST_MESSAGE_BYTES: Final = 256 * 1024
"""What data channels bear (CONTRACT 14; DECISIONS 2.6)."""


def without_audio(text: str) -> str | None:
    """Return a retrieved item without its audio, None for any other event."""
    if not text.startswith('{"type":"conversation.item.retrieved"'):
        return None
    event = orjson.loads(text)
    for part in event["item"].get("content", ()):
        for name in ("audio", "format"):
            part.pop(name, None)
    shorter = orjson.dumps(event).decode()
    return shorter if len(shorter.encode()) <= MOST_MESSAGE_BYTES else None


class Channel:
    """The sending side."""

    def __init__(
        self,
        channel: RTCDataChannel,
        projection: Projection,
        *,
        most_bytes: int,
        too_slow: Callable[[], None],
        too_large: Callable[[str], str],
    ) -> None:
        self.projection = projection
        self._channel = channel
        self._most = most_bytes
        self._too_slow = too_slow
        self._too_large = too_large
        self._over = False

    @property
    def waiting_bytes(self) -> int:
        """What is queued and has not gone out."""
        return int(self._channel.bufferedAmount)

    def send(self, text: str) -> None:
        """Send an event."""
        if self._over:
            return
        if self.waiting_bytes > self._most:
            self._over = True
            self._too_slow()
            return
        if len(text) * 4 > MOST_MESSAGE_BYTES and len(text.encode()) > MOST_MESSAGE_BYTES:
            text = self._too_large(text)
        with suppress(InvalidStateError):  # it closed a moment ago; its end is on its way
            self._channel.send(text)

    def pass_on(self, _frame: bytes) -> bool:
        """A channel knows no frames of a socket, and hears audio by other means."""
        return False

    def close(self, _code: int, _reason: str) -> None:
        """A channel has no close code; it ends with its call."""
        self._over = True
