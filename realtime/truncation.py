"""Which items of a long conversation a model still reads (CONTRACT 11).

What is left out stays in the conversation and can be retrieved; it is left out
of every later response too, so that a model's cache of the beginning holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from realtime.conversation import Entry
from realtime.errors import ContextTooLong
from realtime.events.items import FunctionCallItem, FunctionOutputItem

MOST_OUTPUT_TOKENS = 4_096
"""Kept free for the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncation:
    """What may be read after instructions and tools.

    When the items hold more than `room_tokens`, the oldest are left out until at
    most `kept_tokens` remain; where nothing may be left out that is None.
    """

    room_tokens: int
    kept_tokens: int | None


def truncation_rule(
    configured: str | dict[str, Any], *, context_tokens: int, fixed_tokens: int
) -> Truncation:
    """Return what a session's `truncation` means for one response.

    Args:
        configured: `auto`, `disabled`, or a retention ratio with its limits.
        context_tokens: what the model can read and write at once.
        fixed_tokens: instructions and tools.
    """
    room = max(context_tokens - MOST_OUTPUT_TOKENS - fixed_tokens, 0)
    if configured == "disabled":
        return Truncation(room_tokens=room, kept_tokens=None)
    if not isinstance(configured, dict):
        return Truncation(room_tokens=room, kept_tokens=room)
    limit = (configured.get("token_limits") or {}).get("post_instructions")
    if limit is not None:
        room = min(room, limit)
    kept = int(room * configured["retention_ratio"])
    return Truncation(room_tokens=room, kept_tokens=kept)


def fit(entries: list[Entry], rule: Truncation, *, tokens: Callable[[Entry], int]) -> list[Entry]:
    """Return the entries to be read, marking what is left out from now on.

    The last entry always stays: it is what is answered.

    Raises:
        ContextTooLong: they do not fit and nothing may be left out.
    """
    read = [entry for entry in entries if not entry.left_out]
    held = sum(tokens(entry) for entry in read)
    if held <= rule.room_tokens:
        return read
    if rule.kept_tokens is None:
        raise ContextTooLong(held, rule.room_tokens)
    place = 0
    while place < len(read) - 1 and held > rule.kept_tokens:
        read[place].left_out = True
        held -= tokens(read[place])
        place += 1
    return _without_orphans(read[place:])


def _without_orphans(read: list[Entry]) -> list[Entry]:
    """Leave out the outputs of calls that are left out: models refuse one without the other."""
    calls = {entry.item.call_id for entry in read if isinstance(entry.item, FunctionCallItem)}
    for entry in read[:-1]:
        item = entry.item
        entry.left_out = isinstance(item, FunctionOutputItem) and item.call_id not in calls
    return [entry for entry in read if not entry.left_out]
