"""Sessions of brains that know their whole answer at once and remember nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from realtime.engine import BrainReport, BrainRequest

Sink = Callable[[BrainReport], None]
Thought = Callable[[BrainRequest], list[BrainReport]]


class PlainRun:
    """One answer, given on the next turn of the loop."""

    def __init__(self, request: BrainRequest, sink: Sink, think: Thought) -> None:
        self._request = request
        self._sink = sink
        self._think = think
        self._handle: asyncio.Handle | None = None
        self._cancelled = False

    def commit(self) -> None:
        """Answer."""
        if not self._cancelled:
            self._handle = asyncio.get_running_loop().call_soon(self._report)

    def _report(self) -> None:
        for report in self._think(self._request):
            if self._cancelled:
                return
            self._sink(report)

    def cancel(self) -> None:
        """Answer no more."""
        self._cancelled = True
        if self._handle is not None:
            self._handle.cancel()


class PlainSession:
    """Answers with what `think` says of a request."""

    def __init__(self, think: Thought) -> None:
        self._think = think
        self._closed = False

    def prepare(self, request: BrainRequest, sink: Sink) -> PlainRun:
        """Begin an answer."""
        return PlainRun(request, self._unless_closed(sink), self._think)

    def _unless_closed(self, sink: Sink) -> Sink:
        def report(what: BrainReport) -> None:
            if not self._closed:
                sink(what)

        return report

    def playback(self, *, playing: bool) -> None:
        """Of no interest."""

    def close(self) -> None:
        """Report nothing any more."""
        self._closed = True
