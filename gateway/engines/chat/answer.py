"""From a stream of chat-completions chunks to the reports of one answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import ChoiceDelta, ChoiceDeltaToolCall

from gateway.engines.chat.clauses import Clauses
from gateway.engines.chat.faults import UNKNOWN_TOOL, AnswerTooLongError
from realtime.engine import (
    BrainCallArguments,
    BrainCallFinished,
    BrainCallStarted,
    BrainFailed,
    BrainFinished,
    BrainReport,
    BrainText,
    BrainUsage,
)
from realtime.ports import IdSource

MOST_CHARS = 262_144
"""Of an answer, arguments of its calls included: hours of speech."""

PIECE_CHARS = 512
"""Looked at in one go; servers that do not stream send all of it at once."""

Cut = Literal["max_output_tokens", "content_filter"]
_CUTS: dict[str, Cut] = {"length": "max_output_tokens", "content_filter": "content_filter"}


class Answer:
    """One answer being read."""

    def __init__(
        self, response_id: str, tools: frozenset[str], ids: IdSource, *, clauses: bool = True
    ) -> None:
        self._response_id = response_id
        self._tools = tools
        self._ids = ids
        self._clauses = Clauses() if clauses else None
        self._written = 0
        self._calls: dict[int, str] = {}
        self._open: str | None = None
        self._usage: BrainUsage | None = None
        self._cut: Cut | None = None
        self.begun = False
        """Something of the answer came."""
        self.finished = False
        """The endpoint said that this is all."""
        self.ended = False
        """Nothing more may be reported."""

    def take(self, chunk: ChatCompletionChunk) -> Iterator[BrainReport]:
        """Report what a chunk brings."""
        if chunk.usage is not None:
            self._usage = _usage(chunk.usage)
        for choice in chunk.choices[:1]:
            self.begun = True
            self._count(choice.delta)
            if choice.delta.content:
                yield from self._text(choice.delta.content)
            for call in choice.delta.tool_calls or ():
                yield from self._call(call)
                if self.ended:
                    return
            if choice.finish_reason is not None:
                self.finished = True
                self._cut = _CUTS.get(choice.finish_reason)

    def _count(self, delta: ChoiceDelta) -> None:
        self._written += len(delta.content or "")
        for call in delta.tool_calls or ():
            if call.function is not None:
                self._written += len(call.function.arguments or "")
        if self._written > MOST_CHARS:
            raise AnswerTooLongError

    def _text(self, text: str) -> Iterator[BrainReport]:
        if self._clauses is None:
            yield BrainText(self._response_id, text, complete=False)
            return
        for place in range(0, len(text), PIECE_CHARS):
            for piece, complete in self._clauses.feed(text[place : place + PIECE_CHARS]):
                yield BrainText(self._response_id, piece, complete)

    def _call(self, call: ChoiceDeltaToolCall) -> Iterator[BrainReport]:
        function = call.function
        if call.index not in self._calls:
            yield from self._close_call()
            name = function.name if function is not None and function.name else ""
            if name not in self._tools:
                self.ended = True
                yield BrainFailed(self._response_id, UNKNOWN_TOOL)
                return
            # Ours, not the endpoint's: some servers number calls anew in each answer.
            self._calls[call.index] = self._open = self._ids("call")
            yield BrainCallStarted(self._response_id, self._open, name)
        if function is not None and function.arguments:
            yield BrainCallArguments(self._response_id, self._calls[call.index], function.arguments)

    def _close_call(self) -> Iterator[BrainReport]:
        if self._open is not None:
            yield BrainCallFinished(self._response_id, self._open)
            self._open = None

    def finish(self) -> Iterator[BrainReport]:
        """Report the end of a stream that came to its end."""
        yield from self._close_call()
        self.ended = True
        yield BrainFinished(self._response_id, self._usage, self._cut)


def _usage(counted: CompletionUsage) -> BrainUsage:
    details = counted.prompt_tokens_details
    cached = details.cached_tokens if details is not None else 0
    return BrainUsage(
        input_text_tokens=counted.prompt_tokens,
        output_text_tokens=counted.completion_tokens,
        cached_text_tokens=cached or 0,
    )
