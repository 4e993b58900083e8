"""The built-in answerer: it tells the time, obeys tools, and says what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

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


class BuiltinRun:
    """One answer, given on the next turn of the loop."""

    def __init__(
        self,
        request: BrainRequest,
        sink: Callable[[BrainReport], None],
        answer: Callable[[BrainRequest], list[BrainReport]],
    ) -> None:
        self._request = request
        self._sink = sink
        self._answer = answer
        self._handle: asyncio.Handle | None = None
        self._cancelled = False

    def commit(self) -> None:
        """Answer."""
        if not self._cancelled:
            self._handle = asyncio.get_running_loop().call_soon(self._report)

    def _report(self) -> None:
        for report in self._answer(self._request):
            if self._cancelled:
                return
            self._sink(report)

    def cancel(self) -> None:
        """Answer no more."""
        self._cancelled = True
        if self._handle is not None:
            self._handle.cancel()


class BuiltinSession:
    """Remembers nothing."""

    def __init__(self, status: Callable[[], str], now: Callable[[], datetime]) -> None:
        self._status = status
        self._now = now
        self._closed = False

    def prepare(self, request: BrainRequest, sink: Callable[[BrainReport], None]) -> BuiltinRun:
        """Begin an answer."""
        return BuiltinRun(request, self._unless_closed(sink), self._answer)

    def _unless_closed(self, sink: Callable[[BrainReport], None]) -> Callable[[BrainReport], None]:
        def report(what: BrainReport) -> None:
            if not self._closed:
                sink(what)

        return report

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

    def playback(self, *, playing: bool) -> None:
        """Of no interest."""

    def close(self) -> None:
        """Report nothing any more."""
        self._closed = True


class BuiltinBrain:
    """Answers where skills are absent or still warming; `status` says in a sentence which."""

    def __init__(
        self, status: Callable[[], str], *, now: Callable[[], datetime] = datetime.now
    ) -> None:
        self._status = status
        self._now = now

    def open(
        self, facts: SessionFacts, volunteer: Callable[[Volunteered], None] | None = None
    ) -> BuiltinSession:
        """Serve a session."""
        return BuiltinSession(self._status, self._now)
