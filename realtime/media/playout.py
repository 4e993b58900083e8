"""What a leg with a clock of ours still has to play, frame by frame, and what was heard of it.

Canonical audio (24 kHz, 16 bit); positions in samples. Pure: the pacer asks
for a frame every 20 ms.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from realtime.engine import BYTES_PER_SAMPLE, SAMPLE_RATE

FRAME_MS: Final = 20
FRAME_BYTES: Final = SAMPLE_RATE * FRAME_MS // 1000 * BYTES_PER_SAMPLE
BYTES_PER_MS: Final = SAMPLE_RATE * BYTES_PER_SAMPLE // 1000


@dataclass(slots=True)
class _Item:
    item_id: str
    waiting: bytearray = field(default_factory=bytearray)
    played_bytes: int = 0


@dataclass(slots=True)
class _Response:
    response_id: str
    items: list[_Item] = field(default_factory=list)
    place: int = 0
    """The item that plays."""
    finished: bool = False
    waiting_bytes: int = 0
    """Of all items."""


class Playout:
    """Responses in the order they began; each plays to its end before the next.

    `ahead_ms` is how far what was handed out is ahead of the listener's ear.
    """

    def __init__(self, *, ahead_ms: int = 60) -> None:
        self._ahead_bytes = ahead_ms * BYTES_PER_MS
        self._responses: deque[_Response] = deque()
        self._silenced: set[str] = set()
        """Responses that were cleared and may still be made."""
        self._drained: list[_Response] = []
        """Played to their end, which was not told yet."""

    @property
    def waiting_ms(self) -> int:
        """How much there is to play."""
        return sum(one.waiting_bytes for one in self._responses) // BYTES_PER_MS

    @property
    def waits(self) -> bool:
        """Say whether anything is still to be played, be it less than a millisecond."""
        return bool(self._responses) and any(one.waiting_bytes for one in self._responses)

    def add(self, response_id: str, item_id: str, audio: bytes) -> None:
        """Add audio; that of a response which was cleared is dropped."""
        if response_id in self._silenced:
            return
        response = self._find(response_id)
        if response is None:
            response = _Response(response_id)
            self._responses.append(response)
        if not response.items or response.items[-1].item_id != item_id:
            response.items.append(_Item(item_id))
        response.items[-1].waiting += audio
        response.waiting_bytes += len(audio)

    def finish(self, response_id: str) -> None:
        """No more audio of the response comes; one without any ends in its place, too."""
        if response_id in self._silenced:
            self._silenced.remove(response_id)
            return
        response = self._find(response_id)
        if response is None:
            response = _Response(response_id)
            self._responses.append(response)
        response.finished = True
        self._retire()

    def frame(self) -> bytes | None:
        """Return the next 20 ms, None while there is not as much; the last is filled up."""
        made = bytearray()
        while self._responses and len(made) < FRAME_BYTES:
            response = self._responses[0]
            short = len(made) + response.waiting_bytes < FRAME_BYTES
            if short and not response.finished:
                break
            self._play(response, made)
            if response.waiting_bytes or not response.finished:
                break
            self._retire()
        if not made:
            return None
        return bytes(made).ljust(FRAME_BYTES, b"\0")

    def _play(self, response: _Response, made: bytearray) -> None:
        while response.place < len(response.items):
            item = response.items[response.place]
            piece = item.waiting[: FRAME_BYTES - len(made)]
            del item.waiting[: len(piece)]
            item.played_bytes += len(piece)
            response.waiting_bytes -= len(piece)
            made += piece
            last = response.place == len(response.items) - 1
            if item.waiting or last:
                return
            response.place += 1

    def drained(self) -> list[str]:
        """Return the responses that were played to their end since the last call."""
        if not self._drained:
            return []
        drained, self._drained = self._drained, []
        return [one.response_id for one in drained]

    def clear(self, response_ids: Collection[str]) -> dict[str, dict[str, int]]:
        """Forget responses; return what was heard of their items, in ms."""
        heard: dict[str, dict[str, int]] = {}
        for response_id in response_ids:
            response = self._find(response_id) or self._ended(response_id)
            heard[response_id] = {} if response is None else self._heard_ms(response)
            if response in self._drained:
                self._drained.remove(response)
            elif response is not None:
                self._responses.remove(response)
            if response is None or not response.finished:
                self._silenced.add(response_id)
        return heard

    def _heard_ms(self, response: _Response) -> dict[str, int]:
        ahead = self._ahead_bytes
        heard: dict[str, int] = {}
        for item in reversed(response.items):
            unheard = min(ahead, item.played_bytes)
            ahead -= unheard
            heard[item.item_id] = (item.played_bytes - unheard) // BYTES_PER_MS
        return heard

    def _find(self, response_id: str) -> _Response | None:
        return next((one for one in self._responses if one.response_id == response_id), None)

    def _ended(self, response_id: str) -> _Response | None:
        return next((one for one in self._drained if one.response_id == response_id), None)

    def _retire(self) -> None:
        while self._responses:
            first = self._responses[0]
            if not first.finished or first.waiting_bytes:
                return
            self._drained.append(first)
            self._responses.popleft()
