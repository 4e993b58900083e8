"""Rounds of thinking: calls of the gateway's within a response are read, and thought goes on.

The bound on rounds ends a model that calls forever (ADR 0017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from realtime.engine import BrainRequest, BrainUsage, ContextItem, EngineFault
from realtime.response.calls import ApprovalOutput, ToolOutput
from realtime.response.outputs import CallOutput, MessageOutput, Output
from realtime.usage import InputDetails, text_tokens

TOO_MANY_ROUNDS = EngineFault("too_many_tool_calls", "The model called tools without end.")


class Rounds:
    """What the brain is asked in each round, and what that takes."""

    def __init__(self, request: BrainRequest, given: InputDetails, *, left: int) -> None:
        self._request = request
        self._given = given
        self.left = left
        """How many rounds may follow the first."""
        self._first_output = 0
        self._asked = 0
        self._read_tokens = 0
        """Of calls and results, which each later round reads."""
        self._later_tokens = 0
        self._counted: list[BrainUsage | None] = []

    def first(self) -> BrainRequest:
        """Return what to ask first, where no call comes before it."""
        self._asked = 1
        return self._request

    def wanted(self, outputs: Sequence[Output]) -> bool:
        """Say whether calls of the gateway's have returned that the brain has not read.

        A client's call among them is the client's turn: it asks for what follows.
        """
        made = outputs[self._first_output :]
        others = any(isinstance(output, CallOutput | ApprovalOutput) for output in made)
        return not others and any(isinstance(output, ToolOutput) for output in made)

    def another(self, outputs: Sequence[Output]) -> BrainRequest:
        """Return what to ask next; the last round must do without calls."""
        self.left -= 1
        read = [item for output in outputs[self._first_output :] for item in _context(output)]
        self._read_tokens += sum(text_tokens(item.text) for item in read)
        self._later_tokens += self._read_tokens
        forbidden = self._request.tool_choice == "none" or self.left <= 0
        self._request = replace(
            self._request,
            items=(*self._request.items, *read),
            tool_choice="none" if forbidden else "auto",
        )
        self._first_output = len(outputs)
        self._asked += 1
        return self._request

    def finished(self, usage: BrainUsage | None) -> None:
        """The brain has said everything of a round."""
        self._counted.append(usage)

    def counted(self) -> BrainUsage | None:
        """Return what the model counted over all rounds; None where it did not count each."""
        known = [usage for usage in self._counted if usage is not None]
        if not known or len(known) < self._asked:
            return None
        return replace(
            known[-1],
            input_text_tokens=sum(usage.input_text_tokens for usage in known),
            output_text_tokens=sum(usage.output_text_tokens for usage in known),
            cached_text_tokens=sum(usage.cached_text_tokens for usage in known),
        )

    def estimated(self) -> InputDetails:
        """Return what was read over all rounds, by our count."""
        given, times = self._given, max(self._asked, 1)
        return InputDetails(
            text_tokens=given.text_tokens * times + self._later_tokens,
            audio_tokens=given.audio_tokens * times,
            image_tokens=given.image_tokens * times,
        )


def _context(output: Output) -> tuple[ContextItem, ...]:
    """Return what a later round of the same response reads of an output."""
    if isinstance(output, ToolOutput):
        return output.context()
    if isinstance(output, MessageOutput):
        said = ContextItem(
            item_id=output.item_id, kind="message", role="assistant", text=output.text
        )
        return (said,)
    return ()
