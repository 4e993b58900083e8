"""A call's data channel as a controller: events as text messages (CONTRACT 14).

Rule for slow readers: a peer for which more than `most_bytes` already wait
when another event comes has its call ended, as a WebSocket that reads too
slowly. An event longer than the caller takes, or than channels bear, comes
without the media of its item (DECISIONS 2.6); if that is not enough it is left
out, and an error says so.
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
MEDIA: Final = ("audio", "format", "image_url")
"""What an item's content can do without: its owner has it, or hears it by RTP."""


def without_media(text: str, most_bytes: int) -> str | None:
    """Return an event with its item, but not the item's media; None if that does not help."""
    event = orjson.loads(text)
    item = event.get("item")
    content = item.get("content") if isinstance(item, dict) else None
    for part in content if isinstance(content, list) else ():
        for name in MEDIA:
            part.pop(name, None)
    shorter = orjson.dumps(event)
    return shorter.decode() if len(shorter) <= most_bytes else None


class Channel:
    """The sending side."""

    def __init__(
        self,
        channel: RTCDataChannel,
        projection: Projection,
        *,
        most_bytes: int,
        longest_bytes: int,
        too_slow: Callable[[], None],
        left_out: Callable[[], str],
    ) -> None:
        self.projection = projection
        self._channel = channel
        self._most = most_bytes
        self._too_slow = too_slow
        self._longest = longest_bytes
        self._left_out = left_out
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
        if len(text) * 4 > self._longest and len(text.encode()) > self._longest:
            text = without_media(text, self._longest) or self._left_out()
            if len(text) > self._longest:  # this caller takes next to nothing
                return
        with suppress(InvalidStateError):  # it closed a moment ago; its end is on its way
            self._channel.send(text)

    def pass_on(self, _frame: bytes) -> bool:
        """A channel knows no frames of a socket, and hears audio by other means."""
        return False

    def close(self, _code: int, _reason: str) -> None:
        """A channel has no close code; it ends with its call."""
        self._over = True
