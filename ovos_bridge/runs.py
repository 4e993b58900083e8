"""One answer by skills, as the session's shell drives it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ovos_bridge import wording
from ovos_bridge.turns import Outcome, Over, Say
from realtime.engine import (
    BrainFailed,
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainText,
    EngineFault,
)
from realtime.tools.calls import call_reports, forced_function, last_output, last_question

UNAVAILABLE = EngineFault("skills_unavailable", "The skills are not available right now.")
UNMATCHED = EngineFault("skills_unmatched", "No skill understands that.")
TIMED_OUT = EngineFault("skills_timeout", "The skills did not answer in time.")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer may take."""

    answer_s: float = 15.0
    """Longest silence of core before an answer is given up."""
    settle_s: float = 1.5
    """Silence after which an answer without an end of its own is complete."""


class Sayer(Protocol):
    """Where a run sends the caller's words."""

    @property
    def asked(self) -> bool:
        """A skill waits for a reply."""

    def start(self, run: SkillsRun) -> None:
        """Send the run's words when there is room for one more turn."""

    def stop(self, run: SkillsRun) -> None:
        """The run needs nothing any more."""


class SkillsRun:
    """One answer being made."""

    def __init__(
        self,
        request: BrainRequest,
        sink: Callable[[BrainReport], None],
        sayer: Sayer,
        patience: Patience,
        *,
        alone: bool = True,
    ) -> None:
        """Not `alone`, what no skill understands fails with `UNMATCHED`."""
        self._alone = alone
        self.request = request
        self.words = last_question(request).strip()
        self._sink = sink
        self._sayer = sayer
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._committed = False
        self._ended = False
        self._said = False
        self.cut_off = False
        """The caller wants nothing more of it, or was told that it failed."""

    # --- BrainRun ---

    def commit(self) -> None:
        """Answer, on the next turn of the loop at the earliest."""
        if self._committed or self._ended:
            return
        self._committed = True
        self._loop.call_soon(self._begin)

    def cancel(self) -> None:
        """Answer no more."""
        if not self._ended:
            self.cut_off = True
            self._end()

    # --- what a brain without a language model can do by itself ---

    def _begin(self) -> None:
        if self._ended:
            return
        function = forced_function(self.request)
        output = last_output(self.request)
        if function is not None:
            for report in call_reports(self.request, function):
                self._sink(report)
            self._finish()
        elif output is not None:
            self._answer(wording.output_in_words(output))
        elif not self.words:
            self._answer(wording.NO_QUESTION)
        elif wording.asks_to_stop(self.words) and not self._sayer.asked:
            # The caller has silence already; core would stop every caller's skills.
            self._finish()
        else:
            self._wait(self._patience.answer_s)
            self._sayer.start(self)

    def _answer(self, text: str) -> None:
        self._sink(BrainText(self.request.response_id, text))
        self._finish()

    # --- TurnOwner ---

    def heard_from_core(self, outcomes: tuple[Outcome, ...], *, settling: bool) -> None:
        """Pass on what the skills say."""
        if self._ended:
            return
        self._wait(self._patience.settle_s if settling else self._patience.answer_s, settling)
        for outcome in outcomes:
            match outcome:
                case Say(text=text):
                    self._sink(BrainText(self.request.response_id, self._spaced(text)))
                case Over(matched=matched) if matched or self._said:
                    self._finish()
                case Over() if self._alone:
                    self._answer(wording.NOT_UNDERSTOOD)
                case Over():
                    self.fail(UNMATCHED)
            if self._ended:
                return

    def core_lost(self) -> None:
        """Nobody will answer."""
        self.fail(UNAVAILABLE)

    def fail(self, fault: EngineFault) -> None:
        """End the answer by a fault."""
        if not self._ended:
            self.cut_off = True
            self._end()
            self._sink(BrainFailed(self.request.response_id, fault))

    # --- ends ---

    def _spaced(self, text: str) -> str:
        spaced = f" {text}" if self._said else text
        self._said = True
        return spaced

    def _wait(self, seconds: float, settling: bool = False) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._expired, settling)

    def _expired(self, settling: bool) -> None:
        if settling or self._said:
            self._finish()
        else:
            self.fail(TIMED_OUT)

    def _finish(self) -> None:
        if not self._ended:
            self._end()
            self._sink(BrainFinished(self.request.response_id))

    def _end(self) -> None:
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._sayer.stop(self)
