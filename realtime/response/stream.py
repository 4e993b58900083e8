"""Puts a response's items on the wire, in the order of CONTRACT 8.1 to 8.3."""

from __future__ import annotations

from dataclasses import replace

from realtime.conversation import Conversation, Entry
from realtime.events.items import Item, ItemStatus, MessageItem
from realtime.events.response_events import (
    AudioPart,
    CallArgumentsDelta,
    CallArgumentsDone,
    ContentPartAdded,
    ContentPartDone,
    OutputAudioDone,
    OutputItemAdded,
    OutputItemDone,
    OutputTextDelta,
    OutputTextDone,
    TextPart,
    TranscriptDelta,
    TranscriptDone,
)
from realtime.events.server import ItemAdded, ItemDone
from realtime.response.outputs import CallOutput, MessageOutput, Output
from realtime.session.effects import AudioLane, SendAudio
from realtime.session.outbox import Outbox
from realtime.session.playback import Playback


class ResponseStream:
    """The wire side of one response; `conversation` is None for an out-of-band one."""

    def __init__(
        self,
        response_id: str,
        outbox: Outbox,
        conversation: Conversation | None,
        playback: Playback,
    ) -> None:
        self._playback = playback
        self._response_id = response_id
        self._outbox = outbox
        self._conversation = conversation
        self._lane: AudioLane | None = None

    def open(self, output: Output) -> None:
        """Announce an item; a message with its one content part."""
        output.opened = True
        item = output.item("in_progress")
        self._outbox.send(
            OutputItemAdded(
                event_id=self._outbox.event_id(),
                response_id=self._response_id,
                output_index=output.index,
                item=item,
            )
        )
        if self._conversation is not None:
            previous = self._conversation.add(item)
            self._outbox.send(
                ItemAdded(event_id=self._outbox.event_id(), previous_item_id=previous, item=item)
            )
        if isinstance(output, MessageOutput):
            part = AudioPart(transcript="") if output.spoken else TextPart(text="")
            self._outbox.send(
                ContentPartAdded(
                    event_id=self._outbox.event_id(),
                    response_id=self._response_id,
                    item_id=output.item_id,
                    output_index=output.index,
                    content_index=0,
                    part=part,
                )
            )

    def text(self, output: MessageOutput, delta: str) -> None:
        """Send more text or transcript."""
        output.text += delta
        entry = self._kept(output)
        if entry is not None:
            entry.spoken_text = output.text
        kind = TranscriptDelta if output.spoken else OutputTextDelta
        self._outbox.send(
            kind(
                event_id=self._outbox.event_id(),
                response_id=self._response_id,
                item_id=output.item_id,
                output_index=output.index,
                content_index=0,
                delta=delta,
                obfuscation=self._outbox.padding(delta),
            )
        )

    def _kept(self, output: MessageOutput) -> Entry | None:
        """Return what the conversation keeps of the message, unless it was deleted or cut."""
        entry = self._conversation.get(output.item_id) if self._conversation is not None else None
        return None if entry is None or entry.truncated else entry

    def audio_begins(self, output: MessageOutput) -> None:
        """Audio of the message is there; where we play it, it begins to play (CONTRACT 8.14)."""
        self._playback.begin(
            self._response_id, output.item_id, in_conversation=self._conversation is not None
        )

    def holds_text(self, output: MessageOutput) -> bool:
        """Say whether words wait for their voice: where we play, none are told before."""
        voiced = output.sent_samples or output.waiting_samples
        to_come = output.segments or output.unspoken
        return self._playback.has_leg and output.spoken and not voiced and bool(to_come)

    def done(self) -> None:
        """The response is over."""
        self._playback.response_done(self._response_id)

    def audio(self, output: MessageOutput, samples: int) -> None:
        """Send more audio."""
        output.waiting_samples -= samples
        output.sent_samples += samples
        entry = self._kept(output)
        if entry is not None:
            entry.audio_samples = output.sent_samples
        lane = self._lane
        if lane is None or lane.item_id != output.item_id:
            lane = self._lane = AudioLane(
                response_id=self._response_id,
                item_id=output.item_id,
                output_index=output.index,
                content_index=0,
            )
        self._outbox.do(SendAudio(self._outbox.event_id(), lane, samples))

    def arguments(self, output: CallOutput, delta: str) -> None:
        """Send more arguments."""
        output.arguments += delta
        self._outbox.send(
            CallArgumentsDelta(
                event_id=self._outbox.event_id(),
                response_id=self._response_id,
                item_id=output.item_id,
                output_index=output.index,
                call_id=output.call_id,
                delta=delta,
                obfuscation=self._outbox.padding(delta),
            )
        )

    def close(self, output: Output, status: ItemStatus) -> Item:
        """End an item; every `.done` holds only what was streamed (CONTRACT 8.10)."""
        if isinstance(output, MessageOutput):
            self._close_part(output)
        elif isinstance(output, CallOutput) and status == "completed":
            # A cut call gets no arguments.done: clients act on that event, and
            # half an argument list must not be run.
            self._close_arguments(output)
        item = output.item(status)
        self._show(item)
        self._outbox.send(
            OutputItemDone(
                event_id=self._outbox.event_id(),
                response_id=self._response_id,
                output_index=output.index,
                item=item,
            )
        )
        return item

    def _show(self, item: Item) -> None:
        if self._conversation is None or item.id not in self._conversation:
            return
        entry = self._conversation.retrieve(item.id)
        # What a client cut while it was spoken stays cut.
        cut = entry.item
        if entry.truncated and isinstance(cut, MessageItem) and isinstance(item, MessageItem):
            entry.item = replace(cut, status=item.status)
        else:
            entry.item = item
        self._outbox.send(
            ItemDone(
                event_id=self._outbox.event_id(),
                previous_item_id=self._conversation.previous_id(item.id),
                item=item,
            )
        )

    def _close_arguments(self, output: CallOutput) -> None:
        self._outbox.send(
            CallArgumentsDone(
                event_id=self._outbox.event_id(),
                response_id=self._response_id,
                item_id=output.item_id,
                output_index=output.index,
                call_id=output.call_id,
                name=output.name,
                arguments=output.arguments,
            )
        )

    def _close_part(self, output: MessageOutput) -> None:
        send, event_id = self._outbox.send, self._outbox.event_id
        response_id, item_id, index = self._response_id, output.item_id, output.index
        part: AudioPart | TextPart
        if output.spoken:
            part = AudioPart(transcript=output.text)
            send(
                OutputAudioDone(
                    event_id=event_id(),
                    response_id=response_id,
                    item_id=item_id,
                    output_index=index,
                    content_index=0,
                )
            )
            send(
                TranscriptDone(
                    event_id=event_id(),
                    response_id=response_id,
                    item_id=item_id,
                    output_index=index,
                    content_index=0,
                    transcript=output.text,
                )
            )
        else:
            part = TextPart(text=output.text)
            send(
                OutputTextDone(
                    event_id=event_id(),
                    response_id=response_id,
                    item_id=item_id,
                    output_index=index,
                    content_index=0,
                    text=output.text,
                )
            )
        send(
            ContentPartDone(
                event_id=event_id(),
                response_id=response_id,
                item_id=item_id,
                output_index=index,
                content_index=0,
                part=part,
            )
        )
