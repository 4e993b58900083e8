"""An answer that was begun before it is certain that anybody wants it.

Invariants: at most one; it is used only for the very same request, word for word,
and every one that was begun is either used or discarded, once.
"""

from __future__ import annotations

from dataclasses import dataclass

from realtime.engine import BrainRequest
from realtime.session.effects import CommitBrain, DiscardBrain, StartBrain
from realtime.session.outbox import Outbox
from realtime.usage import InputDetails


@dataclass(slots=True)
class _Answer:
    item_id: str
    request: BrainRequest
    given: InputDetails


class Prepared:
    """The speculative answer, from its beginning to its use or its end."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._answer: _Answer | None = None

    @property
    def item_id(self) -> str:
        """The user's item that it answers, "" where nothing is prepared."""
        return self._answer.item_id if self._answer is not None else ""

    @property
    def response_id(self) -> str | None:
        """The id that the response must bear which is to use it."""
        return self._answer.request.response_id if self._answer is not None else None

    def begin(self, item_id: str, request: BrainRequest, given: InputDetails) -> None:
        """Let the brain work on a request; it tells nothing for now."""
        self.discard()
        self._answer = _Answer(item_id, request, given)
        self._outbox.do(StartBrain(request, speculative=True))

    def use(self, request: BrainRequest) -> bool:
        """Use what was prepared if it is this request; else forget it and return False."""
        if self._answer is None or self._answer.request != request:
            self.discard()
            return False
        given, self._answer = self._answer.given, None
        recorded_as = self._outbox.ids("resp")
        self._outbox.do(CommitBrain(request.response_id, recorded_as, given))
        return True

    def discard(self) -> None:
        """Nobody will want it."""
        answer, self._answer = self._answer, None
        if answer is not None:
            # Its id may be that of a response by now, which has usage of its own.
            self._outbox.do(
                DiscardBrain(
                    response_id=answer.request.response_id,
                    recorded_as=self._outbox.ids("resp"),
                    given=answer.given,
                )
            )
