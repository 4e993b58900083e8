"""From a stream of chat-completions chunks to the reports of one answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import ChoiceDelta, ChoiceDeltaToolCall

from gateway.engines.chat.clauses import Clauses
from gateway.engines.chat.faults import UNKNOWN_TOOL, AnswerTooLongError
from gateway.engines.chat.messages import is_object
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


@dataclass(slots=True)
class _Call:
    """One call being read."""

    call_id: str
    endpoint_id: str | None
    arguments: list[str] = field(default_factory=list)

    def is_another(self, endpoint_id: str | None, name: str, arguments: str) -> bool:
        """Say whether a piece with the same index begins another call.

        It does if it has a name and these arguments are whole already, unless it is known by
        its id, or by none and brings nothing. An id alone tells nothing: vLLM made a new one
        for each piece.
        """
        if not name or (endpoint_id and endpoint_id == self.endpoint_id):
            return False
        return bool(endpoint_id or arguments) and is_object("".join(self.arguments))


class Answer:
    """One answer being read."""

    def __init__(
        self,
        response_id: str,
        tools: frozenset[str],
        ids: IdSource,
        *,
        clauses: bool = True,
        parallel: bool = True,
    ) -> None:
        self._response_id = response_id
        self._tools = tools
        self._ids = ids
        self._clauses = Clauses() if clauses else None
        self._parallel = parallel
        self._written = 0
        self._calls: dict[int | None, _Call] = {}
        """The last call of each index; some servers give none, or 0 to every call."""
        self._open: _Call | None = None
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
        # The SDK's types are what OpenAI's endpoint sends, and nobody checks that others do.
        choices: Sequence[Any] = chunk.choices or ()
        for choice in choices[:1]:
            self.begun = True
            if choice.delta is not None:  # absent where Azure tells of its filter alone
                yield from self._delta(choice.delta)
            if self.ended:
                return
            if choice.finish_reason:
                self.finished = True
                self._cut = _CUTS.get(choice.finish_reason)

    def _delta(self, delta: ChoiceDelta) -> Iterator[BrainReport]:
        self._count(delta)
        text = delta.content or delta.refusal
        if text:
            yield from self._text(text)
        for call in delta.tool_calls or ():
            yield from self._call(call)
            if self.ended:
                return

    def _count(self, delta: ChoiceDelta) -> None:
        self._written += len(delta.content or delta.refusal or "")
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

    def _call(self, piece: ChoiceDeltaToolCall) -> Iterator[BrainReport]:
        function = piece.function
        name = function.name if function is not None and function.name else ""
        arguments = function.arguments if function is not None and function.arguments else ""
        known = self._calls.get(piece.index)
        if known is None or known.is_another(piece.id, name, arguments):
            if not (name or piece.id or arguments):
                return
            if self._calls and not self._parallel:  # some servers pass over what they were told
                yield from self.finish()
                return
            yield from self._close_call()
            if name not in self._tools:
                self.ended = True
                yield BrainFailed(self._response_id, UNKNOWN_TOOL)
                return
            # Ours, not the endpoint's: some servers number calls anew in each answer.
            known = self._calls[piece.index] = self._open = _Call(self._ids("call"), piece.id)
            yield BrainCallStarted(self._response_id, known.call_id, name)
        if arguments:
            known.arguments.append(arguments)
            yield BrainCallArguments(self._response_id, known.call_id, arguments)

    def _close_call(self) -> Iterator[BrainReport]:
        if self._open is not None:
            yield BrainCallFinished(self._response_id, self._open.call_id)
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
        input_text_tokens=counted.prompt_tokens or 0,
        output_text_tokens=counted.completion_tokens or 0,
        cached_text_tokens=min(cached or 0, counted.prompt_tokens or 0),
    )
