"""The ordered items of a conversation (CONTRACT 9).

Items are shown values; what is known beside them (audio length, whether it is
cut, the transcript a brain reads) lives in `Entry`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from realtime.engine import SAMPLE_RATE, ContextImage, ContextItem
from realtime.errors import (
    AlreadyTruncated,
    DuplicateItem,
    NotTruncatable,
    TruncateTooLong,
    UnknownCall,
    UnknownItem,
    UnknownPreviousItem,
)
from realtime.events.items import (
    FunctionCallItem,
    FunctionOutputItem,
    InputAudio,
    InputImage,
    InputText,
    Item,
    MessageItem,
    OutputAudio,
    OutputText,
)
from realtime.events.mcp_items import (
    McpApprovalRequestItem,
    McpApprovalResponseItem,
    McpCallItem,
    McpError,
    McpListToolsItem,
)

FRONT = "root"
"""`previous_item_id` that puts an item first."""


@dataclass(slots=True)
class Entry:
    """One item with what is known beside it."""

    item: Item
    audio_samples: int = 0
    truncated: bool = False
    spoken_text: str = ""
    """What a brain reads for assistant audio and user audio without a shown transcript."""
    left_out: bool = False
    """Truncation keeps it from the model (CONTRACT 11)."""
    outcome: str | None = None
    """What became of an approval request, as a brain reads it; "" once its call was made."""


def samples_to_ms(samples: int) -> int:
    """Return whole milliseconds of canonical audio."""
    return samples * 1000 // SAMPLE_RATE


class Conversation:
    """Items in order, by id."""

    def __init__(self) -> None:
        self._order: list[str] = []
        self._entries: dict[str, Entry] = {}
        self._promised = ""

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._entries

    def entries(self) -> list[Entry]:
        """Return the entries in order."""
        return [self._entries[item_id] for item_id in self._order]

    def get(self, item_id: str) -> Entry | None:
        """Return an entry, if there is one."""
        return self._entries.get(item_id)

    def last_id(self) -> str | None:
        """Return the id of the last item."""
        return self._order[-1] if self._order else None

    def previous_id(self, item_id: str) -> str | None:
        """Return the id of the item before it, None for the first (CONTRACT 9.2)."""
        place = self._order.index(item_id)
        return self._order[place - 1] if place else None

    def check_new(self, item: Item, *, after: str | None) -> None:
        """Refuse an item that cannot be added.

        Raises:
            DuplicateItem, UnknownPreviousItem, UnknownCall: as named.
        """
        if item.id in self._entries or item.id == self._promised:
            raise DuplicateItem(item.id)
        if after and after != FRONT and after not in self._entries:
            raise UnknownPreviousItem(after)
        if isinstance(item, FunctionOutputItem) and not self._has_call(item.call_id):
            raise UnknownCall(item.call_id)

    def promise(self, item_id: str) -> None:
        """Keep an id that was told already free for the item that will bear it."""
        self._promised = item_id

    def _has_call(self, call_id: str) -> bool:
        return any(
            isinstance(entry.item, FunctionCallItem) and entry.item.call_id == call_id
            for entry in self._entries.values()
        )

    def add(self, item: Item, *, after: str | None = None, audio_samples: int = 0) -> str | None:
        """Insert an item that was checked; return the id of the one before it.

        `after` is None or "" to append, "root" for the front, else an item's id.
        """
        if not after:
            self._order.append(item.id)
        elif after == FRONT:
            self._order.insert(0, item.id)
        else:
            self._order.insert(self._order.index(after) + 1, item.id)
        if item.id == self._promised:
            self._promised = ""
        self._entries[item.id] = Entry(item, audio_samples=audio_samples)
        return self.previous_id(item.id)

    def delete(self, item_id: str) -> None:
        """Remove an item; the chain closes over the gap.

        Raises:
            UnknownItem: there is none.
        """
        if item_id not in self._entries:
            raise UnknownItem("delete", "deleting", item_id)
        del self._entries[item_id]
        self._order.remove(item_id)

    def retrieve(self, item_id: str) -> Entry:
        """Return the entry.

        Raises:
            UnknownItem: there is none.
        """
        entry = self._entries.get(item_id)
        if entry is None:
            raise UnknownItem("retrieve", "retrieving", item_id)
        return entry

    def truncate(self, item_id: str, *, content_index: int, audio_end_ms: int) -> int:
        """Cut assistant audio; its transcript is dropped (CONTRACT 9.4). Return samples kept.

        Raises:
            UnknownItem, NotTruncatable, AlreadyTruncated, TruncateTooLong: as named.
        """
        entry = self._entries.get(item_id)
        if entry is None:
            raise UnknownItem("truncate", "truncating", item_id)
        item = entry.item
        if not isinstance(item, MessageItem) or content_index or not _is_spoken(entry, item):
            raise NotTruncatable
        if entry.truncated:
            raise AlreadyTruncated(item_id)
        held_ms = samples_to_ms(entry.audio_samples)
        if audio_end_ms > held_ms:
            raise TruncateTooLong(held_ms, audio_end_ms)
        heard = _heard_text(entry, audio_end_ms=audio_end_ms, held_ms=held_ms)
        entry.truncated = True
        entry.spoken_text = heard
        entry.audio_samples = audio_end_ms * SAMPLE_RATE // 1000
        entry.item = replace(item, content=[OutputAudio(transcript=None)])
        return entry.audio_samples


def _is_spoken(entry: Entry, item: MessageItem) -> bool:
    """Say whether it is assistant audio; while it is being spoken no part is shown yet."""
    if item.role != "assistant":
        return False
    if not item.content:
        return entry.audio_samples > 0
    return isinstance(item.content[0], OutputAudio)


def _heard_text(entry: Entry, *, audio_end_ms: int, held_ms: int) -> str:
    """Estimate the words heard, so that a brain is not told more than the caller knows."""
    if held_ms == 0:
        return ""
    words = entry.spoken_text.split()
    return " ".join(words[: len(words) * audio_end_ms // held_ms])


AWAITING_APPROVAL = "The user has not approved this call yet."


def call_context(
    call: ContextItem, output: str | None, error: McpError | None
) -> tuple[ContextItem, ContextItem]:
    """Return a call of the gateway's and its result as a brain reads them."""
    if output is None:
        told = asdict(error) if error is not None else {"message": "The call was not completed."}
        output = json.dumps({"error": told}, ensure_ascii=False)
    return call, ContextItem(
        item_id=call.item_id, kind="function_call_output", call_id=call.call_id, text=output
    )


def _called(item: McpCallItem | McpApprovalRequestItem) -> ContextItem:
    return ContextItem(
        item_id=item.id,
        kind="function_call",
        name=item.name,
        call_id=item.id,
        text=item.arguments,
    )


def context_items(entry: Entry) -> tuple[ContextItem, ...]:
    """Return an entry as a brain reads it: nothing, one item, or a call and its result."""
    item = entry.item
    match item:
        case McpListToolsItem() | McpApprovalResponseItem():
            return ()
        case McpCallItem():
            return call_context(_called(item), item.output, item.error)
        case McpApprovalRequestItem():
            outcome = AWAITING_APPROVAL if entry.outcome is None else entry.outcome
            if not outcome:
                return ()
            return call_context(_called(item), outcome, None)
        case FunctionCallItem() | FunctionOutputItem() | MessageItem():
            return (_plain_context(entry, item),)


def _plain_context(
    entry: Entry, item: FunctionCallItem | FunctionOutputItem | MessageItem
) -> ContextItem:
    match item:
        case FunctionCallItem():
            return ContextItem(
                item_id=item.id,
                kind="function_call",
                name=item.name,
                call_id=item.call_id,
                text=item.arguments,
            )
        case FunctionOutputItem():
            return ContextItem(
                item_id=item.id,
                kind="function_call_output",
                call_id=item.call_id,
                text=item.output,
            )
        case MessageItem():
            return ContextItem(
                item_id=item.id,
                kind="message",
                role=item.role,
                text=message_text(entry, item),
                images=tuple(
                    ContextImage(part.image_url, part.detail)
                    for part in item.content
                    if isinstance(part, InputImage)
                ),
            )


def message_text(entry: Entry, item: MessageItem) -> str:
    """Return the words of a message, spoken or written."""
    words: list[str] = []
    for part in item.content:
        match part:
            case InputText() | OutputText():
                words.append(part.text)
            case InputAudio() | OutputAudio():
                words.append(entry.spoken_text or part.transcript or "")
            case InputImage():
                pass
    return " ".join(word for word in words if word)
