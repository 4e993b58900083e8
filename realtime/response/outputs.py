"""The items a response makes: a message or a function call, each with what is still to be sent.

Items are strictly sequential on the wire (CONTRACT 8.4): one that is not first
in line collects, and is opened when the one before it is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from realtime.engine import ToolCall, ToolRoute
from realtime.events.items import (
    FunctionCallItem,
    ItemStatus,
    MessageItem,
    OutputAudio,
    OutputText,
)
from realtime.response.calls import ApprovalOutput, ToolOutput


@dataclass(slots=True, kw_only=True)
class MessageOutput:
    """A message being made; samples are canonical."""

    item_id: str
    index: int = 0
    """Its place among what is shown; known when it is opened."""
    spoken: bool
    opened: bool = False
    waiting_text: str = ""
    """Text made but not yet on the wire."""
    text: str = ""
    """Text on the wire: the transcript, or the written answer."""
    unspoken: str = ""
    """Text not yet handed to synthesis."""
    segments: int = 0
    """How many segments' speech has not ended."""
    waiting_samples: int = 0
    sent_samples: int = 0
    text_ended: bool = False

    @property
    def words(self) -> str:
        """What counts as text tokens."""
        return self.text

    @property
    def finished(self) -> bool:
        """Everything there will be is on the wire."""
        return (
            self.text_ended
            and not self.waiting_text
            and not self.unspoken
            and not self.segments
            and self.waiting_samples == 0
        )

    @property
    def last_samples(self) -> bool:
        """No more audio than what waits will come."""
        return self.text_ended and not self.unspoken and not self.segments

    def item(self, status: ItemStatus) -> MessageItem:
        """Return the item as shown; an item in progress shows no content (CONTRACT 8.2)."""
        content: list[OutputAudio | OutputText] = []
        if status != "in_progress":
            content = [
                OutputAudio(transcript=self.text) if self.spoken else OutputText(text=self.text)
            ]
        return MessageItem(id=self.item_id, status=status, role="assistant", content=[*content])


@dataclass(slots=True, kw_only=True)
class CallOutput:
    """A function call being made."""

    item_id: str
    index: int = 0
    """Its place among what is shown; known when it is opened."""
    call_id: str
    name: str
    route: ToolRoute
    opened: bool = False
    waiting_arguments: str = ""
    arguments: str = ""
    ended: bool = False

    @property
    def words(self) -> str:
        """What counts as text tokens."""
        return self.arguments

    @property
    def finished(self) -> bool:
        """Everything there will be is on the wire."""
        return self.ended and not self.waiting_arguments

    def call(self, response_id: str) -> ToolCall:
        """Return the call for its executor."""
        return ToolCall(
            call_id=self.call_id,
            response_id=response_id,
            item_id=self.item_id,
            name=self.name,
            arguments=self.arguments,
            route=self.route,
        )

    def item(self, status: ItemStatus) -> FunctionCallItem:
        """Return the item as shown; arguments are empty until the call is done."""
        return FunctionCallItem(
            id=self.item_id,
            status=status,
            name=self.name,
            call_id=self.call_id,
            arguments="" if status == "in_progress" else self.arguments,
        )


def handed_over(output: ToolOutput) -> CallOutput | ApprovalOutput:
    """Return what the client gets of a call that was found in order: the call, or a question."""
    ask = output.route.approval == "client" and output.approval_request_id is None
    kind: type[CallOutput | ApprovalOutput] = ApprovalOutput if ask else CallOutput
    return kind(
        item_id=output.item_id,
        call_id=output.call_id,
        name=output.name,
        route=output.route,
        waiting_arguments=output.arguments,
        ended=True,
    )


Output: TypeAlias = MessageOutput | CallOutput | ToolOutput | ApprovalOutput
