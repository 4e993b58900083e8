"""What the upstream hears that is no item yet: lost with its connection."""

from __future__ import annotations

from collections.abc import Mapping

from realtime.relay.inputs import Json


class Listening:
    """Audio since the last commit or clear, and speech that began and has no end."""

    def __init__(self) -> None:
        self.waiting = False
        """Audio went up that is neither committed nor cleared."""
        self._item_id: str | None = None
        self._start_ms = 0
        self._began_ms = 0

    @property
    def speaking(self) -> bool:
        """True from the beginning of speech to its commit."""
        return self._item_id is not None

    def began(self, event: Json, now_ms: int) -> None:
        """Speech began."""
        start = event.get("audio_start_ms")
        self._item_id = str(event.get("item_id"))
        self._start_ms = start if type(start) is int else 0
        self._began_ms = now_ms

    def ended(self) -> None:
        """All audio so far is an item, or thrown away."""
        self.waiting = False
        self._item_id = None

    def is_idle(self, session: Json) -> bool:
        """Say whether nothing would be lost; without turn detection every audio counts."""
        return not self.speaking and (_detects(session) or not self.waiting)

    def broken_off(self, now_ms: int) -> list[dict[str, object]]:
        """Return what ends speech that nobody hears any more, without event ids."""
        item_id = self._item_id
        end_ms = self._start_ms + now_ms - self._began_ms
        self.ended()
        if item_id is None:
            return []
        stopped = {"audio_end_ms": end_ms, "item_id": item_id}
        return [
            {"type": "input_audio_buffer.speech_stopped", **stopped},
            {"type": "input_audio_buffer.cleared"},
        ]


def _detects(session: Json) -> bool:
    place: object = session
    for name in ("audio", "input", "turn_detection"):
        place = place.get(name) if isinstance(place, Mapping) else None
    return place is not None
