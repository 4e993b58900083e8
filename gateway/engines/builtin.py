"""The built-in answerer: it tells the time, obeys tools, and says what is missing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from gateway.engines.plain import PlainSession
from realtime.engine import (
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainText,
    SessionFacts,
    Volunteered,
)
from realtime.tools.calls import call_reports, forced_function, last_output, last_question


def time_in_words(now: datetime) -> str:
    """Return the time as a sentence, such as "It is 3:05 PM."."""
    return f"It is {now.strftime('%I:%M %p').lstrip('0')}."


class BuiltinBrain:
    """Answers where skills are absent or still warming; `status` says in a sentence which."""

    def __init__(
        self, status: Callable[[], str], *, now: Callable[[], datetime] = datetime.now
    ) -> None:
        self._status = status
        self._now = now

    def open(
        self, facts: SessionFacts, volunteer: Callable[[Volunteered], None] | None = None
    ) -> PlainSession:
        """Serve a session."""
        return PlainSession(self._answer)

    def _answer(self, request: BrainRequest) -> list[BrainReport]:
        function = forced_function(request)
        end = BrainFinished(request.response_id)
        if function is not None:
            return [*call_reports(request, function), end]
        return [BrainText(request.response_id, self._words(request)), end]

    def _words(self, request: BrainRequest) -> str:
        output = last_output(request)
        if output is not None:
            return output or "Done."
        if "time" in last_question(request).lower():
            return time_in_words(self._now())
        return f"{self._status()} {time_in_words(self._now())}"
