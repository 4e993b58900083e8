"""Client events about items: create, retrieve, truncate, delete (CONTRACT 9)."""

from __future__ import annotations

import binascii
from base64 import b64decode

from realtime.conversation import Entry, context_items
from realtime.engine import ContextItem
from realtime.errors import InvalidValue, WireFault
from realtime.events.client import ItemCreate, ItemDelete, ItemRetrieve, ItemTruncate
from realtime.events.items import (
    AssistantMessageIn,
    AudioPartIn,
    ContentPart,
    FunctionCallIn,
    FunctionCallItem,
    FunctionOutputIn,
    FunctionOutputItem,
    ImageIn,
    InputAudio,
    InputImage,
    InputText,
    Item,
    McpApprovalResponseIn,
    MessageItem,
    OutputAudio,
    OutputText,
    RetrievedCall,
    RetrievedItem,
    RetrievedMessage,
    RetrievedOutput,
    SystemMessageIn,
    TextIn,
    UserMessageIn,
    WrittenIn,
)
from realtime.events.mcp_items import (
    McpApprovalRequestItem,
    McpApprovalResponseItem,
    retrieved_mcp,
)
from realtime.events.server import ItemAdded, ItemDeleted, ItemDone, ItemTruncated
from realtime.ports import IdSource
from realtime.session.config import samples_per_byte
from realtime.session.effects import (
    CutItemAudio,
    DropItemAudio,
    KeepSentAudio,
    RecogniseItem,
    SendRetrieved,
)
from realtime.session.features import check_images
from realtime.session.inputs import ControllerId
from realtime.session.state import SessionState
from realtime.turns.transcripts import Transcripts

SendableItem = (
    UserMessageIn
    | AssistantMessageIn
    | SystemMessageIn
    | FunctionCallIn
    | FunctionOutputIn
    | McpApprovalResponseIn
)


class ItemCommands:
    """Carries out what clients ask of items."""

    def __init__(self, state: SessionState, transcripts: Transcripts) -> None:
        self._state = state
        self._transcripts = transcripts

    def create(self, event: ItemCreate) -> Item:
        """Add an item and return it.

        Raises:
            WireFault: it cannot be added; nothing was.
        """
        state = self._state
        parts = getattr(event.item, "content", ())
        check_images(parts, state.traits.features, param="item.content")
        item = shown_item(event.item, new_id=state.outbox.ids)
        if len(state.conversation) >= state.limits.max_items:
            raise WireFault(
                f"Error adding item: the conversation already has {state.limits.max_items} items.",
                code="conversation_item_limit_reached",
            )
        state.conversation.check_new(item, after=event.previous_item_id)
        if isinstance(item, McpApprovalResponseItem):
            self._answer_request(item)
        audio = _sent_audio(event.item)
        previous = state.conversation.add(
            item, after=event.previous_item_id, audio_samples=self._samples(audio)
        )
        event_id = state.outbox.event_id
        state.outbox.send(ItemAdded(event_id=event_id(), previous_item_id=previous, item=item))
        state.outbox.send(ItemDone(event_id=event_id(), previous_item_id=previous, item=item))
        if audio:
            self._keep(item, event.item, audio)
        return item

    def _answer_request(self, item: McpApprovalResponseItem) -> None:
        """Note the client's word at the request.

        Raises:
            InvalidValue: there is no such request, or it was answered.
        """
        request = self._state.conversation.get(item.approval_request_id)
        if request is None or not isinstance(request.item, McpApprovalRequestItem):
            what = "not found in conversation."
        elif request.outcome is not None:
            what = "was answered already."
        else:
            reason = f" The reason: {item.reason}" if item.reason else ""
            request.outcome = "" if item.approve else f"The user denied this call.{reason}"
            return
        raise InvalidValue(
            f"Approval request '{item.approval_request_id}' {what}",
            param="item.approval_request_id",
        )

    def _samples(self, audio: bytes) -> int:
        return int(len(audio) * samples_per_byte(self._state.config.audio.input.format))

    def _keep(self, item: Item, sent: SendableItem, audio: bytes) -> None:
        state = self._state
        state.outbox.do(KeepSentAudio(item.id, audio, state.config.audio.input.format))
        parts = sent.content if isinstance(sent, UserMessageIn) else []
        place, part = next((n, p) for n, p in enumerate(parts) if isinstance(p, AudioPartIn))
        if part.transcript is not None:
            state.conversation.retrieve(item.id).spoken_text = part.transcript
        elif self._transcripts.wanted:
            state.outbox.do(RecogniseItem(self._transcripts.request(item.id), item.id))
            self._transcripts.commit(item.id, self._samples(audio), content_index=place)

    def retrieve(self, event: ItemRetrieve, controller: ControllerId) -> None:
        """Show an item with its audio.

        Raises:
            UnknownItem: there is none.
        """
        entry = self._state.conversation.retrieve(event.item_id)
        outbox = self._state.outbox
        outbox.do(
            SendRetrieved(
                event_id=outbox.event_id(),
                controller=controller,
                item=retrieved(entry),
                audio_parts=audio_parts(entry),
            )
        )

    def truncate(self, event: ItemTruncate) -> None:
        """Cut assistant audio.

        Raises:
            WireFault: it cannot be cut so.
        """
        outbox = self._state.outbox
        kept = self._state.conversation.truncate(
            event.item_id, content_index=event.content_index, audio_end_ms=event.audio_end_ms
        )
        outbox.do(CutItemAudio(event.item_id, kept))
        outbox.send(
            ItemTruncated(
                event_id=outbox.event_id(),
                item_id=event.item_id,
                content_index=event.content_index,
                audio_end_ms=event.audio_end_ms,
            )
        )

    def delete(self, event: ItemDelete) -> None:
        """Remove an item.

        Raises:
            UnknownItem: there is none.
        """
        self._state.conversation.delete(event.item_id)
        self._transcripts.close(event.item_id)
        outbox = self._state.outbox
        outbox.do(DropItemAudio(event.item_id))
        outbox.send(ItemDeleted(event_id=outbox.event_id(), item_id=event.item_id))


def shown_item(sent: SendableItem, *, new_id: IdSource) -> Item:
    """Return a client's item as it is shown, with an id.

    Raises:
        WireFault: it is of a kind that has no meaning yet.
    """
    item_id = sent.id or new_id("item")
    match sent:
        case UserMessageIn() | SystemMessageIn() | AssistantMessageIn():
            content = [_part(part) for part in sent.content]
            return MessageItem(id=item_id, status="completed", role=sent.role, content=content)
        case FunctionCallIn():
            return FunctionCallItem(
                id=item_id,
                status="completed",
                name=sent.name,
                call_id=sent.call_id or new_id("call"),
                arguments=sent.arguments,
            )
        case FunctionOutputIn():
            return FunctionOutputItem(
                id=item_id, status="completed", call_id=sent.call_id, output=sent.output
            )
        case McpApprovalResponseIn():
            return McpApprovalResponseItem(
                id=item_id,
                approval_request_id=sent.approval_request_id,
                approve=sent.approve,
                reason=sent.reason,
            )


def _part(sent: object) -> ContentPart:
    match sent:
        case TextIn():
            return InputText(text=sent.text)
        case AudioPartIn():
            return InputAudio(transcript=sent.transcript)
        case ImageIn():
            return InputImage(image_url=sent.image_url, detail=sent.detail)
        case WrittenIn():
            return OutputText(text=sent.text)
        case _:
            # Audio history cannot be inserted (CONTRACT 9): only its words count.
            return OutputText(text=getattr(sent, "transcript", None) or "")


def _sent_audio(sent: SendableItem) -> bytes:
    """Decode the audio of a user message; several parts become one stretch."""
    parts = sent.content if isinstance(sent, UserMessageIn) else []
    audio = b""
    for place, part in enumerate(parts):
        if isinstance(part, AudioPartIn):
            audio += decoded_audio(part.audio, param=f"item.content[{place}].audio")
    return audio


def decoded_audio(text: str, *, param: str) -> bytes:
    """Decode base64 audio.

    Raises:
        InvalidValue: it is not base64. The code is our choice (CONTRACT 7, unknown).
    """
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValue(
            f"Invalid '{param}'. Expected base64-encoded audio bytes, but got an invalid value.",
            param=param,
        ) from None


def retrieved(entry: Entry) -> RetrievedItem:
    """Return an entry as `conversation.item.retrieved` shows it, without audio yet."""
    item = entry.item
    match item:
        case MessageItem():
            return RetrievedMessage(
                id=item.id, status=item.status, role=item.role, content=[*item.content]
            )
        case FunctionCallItem():
            return RetrievedCall(
                id=item.id,
                status=item.status,
                name=item.name,
                call_id=item.call_id,
                arguments=item.arguments,
            )
        case FunctionOutputItem():
            return RetrievedOutput(
                id=item.id, status=item.status, call_id=item.call_id, output=item.output
            )
        case _:
            return retrieved_mcp(item)


def audio_parts(entry: Entry) -> tuple[int, ...]:
    """Return which parts of a message have audio."""
    if not isinstance(entry.item, MessageItem):
        return ()
    return tuple(
        place
        for place, part in enumerate(entry.item.content)
        if isinstance(part, InputAudio | OutputAudio)
    )[:1]


def sent_context(sent: SendableItem, *, new_id: IdSource) -> tuple[ContextItem, ...]:
    """Return an item of `response.create.input` as a brain reads it."""
    return context_items(Entry(shown_item(sent, new_id=new_id)))
