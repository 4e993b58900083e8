"""The responses that run upstream, and what a client is told when one cannot end there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from realtime.errors import WireFault
from realtime.relay.inputs import Json
from realtime.usage import CachedDetails, InputDetails, OutputDetails, Usage


@dataclass(slots=True)
class RunningResponse:
    """A response as the client saw it begin, and the items it saw so far."""

    response: Json
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    def added(self, event: Json) -> None:
        """An item of it began."""
        item = event.get("item")
        if isinstance(item, Mapping) and isinstance(item.get("id"), str):
            self.items[item["id"]] = dict(item)
            self.places[item["id"]] = event.get("output_index", len(self.places))
            self.open.add(item["id"])

    def finished(self, event: Json) -> None:
        """An item of it ended."""
        item = event.get("item")
        if isinstance(item, Mapping) and isinstance(item.get("id"), str):
            self.items[item["id"]] = dict(item)
            self.open.discard(item["id"])

    def broken_items(self) -> list[tuple[int, Json]]:
        """Return the items that never ended, as they end now, with their places."""
        broken: list[tuple[int, Json]] = []
        for item_id in [item_id for item_id in self.items if item_id in self.open]:
            self.items[item_id] = {**self.items[item_id], "status": "incomplete"}
            broken.append((self.places[item_id], self.items[item_id]))
        self.open.clear()
        return broken

    def failed(self, fault: WireFault) -> Json:
        """Return the response as `response.done` tells it (CONTRACT 8.13)."""
        error = {"type": fault.type, "code": fault.code, "message": fault.message}
        return {
            **self.response,
            "status": "failed",
            "status_details": {"type": "failed", "error": error},
            "output": list(self.items.values()),
        }


def usage_of(response: Json) -> Usage:
    """Return a response's usage; what is missing or no number counts nothing."""
    usage = response.get("usage")
    given = _counts(usage, "input_token_details")
    made = _counts(usage, "output_token_details")
    cached = _counts(given, "cached_tokens_details")
    found = Usage.of(
        InputDetails(
            text_tokens=_count(given, "text_tokens"),
            audio_tokens=_count(given, "audio_tokens"),
            image_tokens=_count(given, "image_tokens"),
            cached_tokens=_count(given, "cached_tokens"),
            cached_tokens_details=CachedDetails(
                text_tokens=_count(cached, "text_tokens"),
                audio_tokens=_count(cached, "audio_tokens"),
                image_tokens=_count(cached, "image_tokens"),
            ),
        ),
        OutputDetails(
            text_tokens=_count(made, "text_tokens"), audio_tokens=_count(made, "audio_tokens")
        ),
    )
    if not isinstance(usage, Mapping):
        return found
    return replace(
        found,
        total_tokens=_count(usage, "total_tokens", found.total_tokens),
        input_tokens=_count(usage, "input_tokens", found.input_tokens),
        output_tokens=_count(usage, "output_tokens", found.output_tokens),
    )


def _counts(source: object, name: str) -> Mapping[str, Any]:
    value = source.get(name) if isinstance(source, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _count(source: Mapping[str, Any], name: str, default: int = 0) -> int:
    value = source.get(name)
    return value if type(value) is int and value >= 0 else default
