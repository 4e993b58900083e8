"""Tokens of items: text and images by estimate, audio by its length (CONTRACT 10).

Each count is (text, audio, images).
"""

from __future__ import annotations

from realtime.conversation import Entry, context_items
from realtime.engine import ContextItem
from realtime.events.items import FunctionCallItem, FunctionOutputItem, InputImage, MessageItem
from realtime.usage import assistant_audio_tokens, text_tokens, user_audio_tokens

IMAGE_TOKENS = {"low": 85, "high": 765, "auto": 765}
"""By `detail`; `auto` is `high` (CONTRACT 9). An estimate: sizes are not looked at."""

Count = tuple[int, int, int]


def entry_tokens(entry: Entry) -> Count:
    """Count an item of the conversation."""
    item = entry.item
    if isinstance(item, FunctionCallItem):
        return text_tokens(item.name) + text_tokens(item.arguments), 0, 0
    if isinstance(item, FunctionOutputItem):
        return text_tokens(item.output), 0, 0
    images = sum(_image(part) for part in item.content) if isinstance(item, MessageItem) else 0
    if entry.audio_samples and isinstance(item, MessageItem):
        count = user_audio_tokens if item.role == "user" else assistant_audio_tokens
        return 0, count(entry.audio_samples), images
    return sum(text_tokens(item.text) for item in context_items(entry)), 0, images


def _image(part: object) -> int:
    return IMAGE_TOKENS[part.detail] if isinstance(part, InputImage) else 0


def item_tokens(item: ContextItem) -> Count:
    """Count an item of a response's own input."""
    return text_tokens(item.text), 0, sum(IMAGE_TOKENS[image.detail] for image in item.images)
