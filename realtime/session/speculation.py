"""When an answer is begun before its turn is certain, and when it is given up.

At a pause the recogniser tells what it understood. If the turn may well end there,
the response that would follow is thought of at once. Like any response that nobody
asked for it is put to admission first, and it needs room in the allowance, of which
it holds nothing. Invariant: what is prepared is given up as soon as the pause is over
and no response of the conversation waits to use it.
"""

from __future__ import annotations

from collections.abc import Callable

from realtime.conversation import Entry
from realtime.engine import BrainRequest, TurnHypothesis
from realtime.errors import WireFault
from realtime.events.items import InputAudio, MessageItem
from realtime.session.answers import RESERVED_OUTPUT_TOKENS, Answers
from realtime.session.effects import ReserveTokens
from realtime.session.imports import Imports
from realtime.session.prepared import Prepared
from realtime.session.state import SessionState
from realtime.turns.completeness import Completeness, completeness
from realtime.turns.listening import Listening
from realtime.turns.transcripts import Transcripts
from realtime.usage import InputDetails, OutputDetails, Usage

GOES_ON = frozenset({Completeness.UNFINISHED, Completeness.DANGLING})
"""Words that more will follow: thinking about them is money thrown away."""


class Speculation:
    """Begins answers early; `ask` puts one to admission."""

    def __init__(
        self,
        state: SessionState,
        *,
        listening: Listening,
        transcripts: Transcripts,
        imports: Imports,
        answers: Answers,
        prepared: Prepared,
        ask: Callable[[], int],
    ) -> None:
        self._state = state
        self._listening = listening
        self._transcripts = transcripts
        self._imports = imports
        self._answers = answers
        self._prepared = prepared
        self._ask = ask
        self._asked: tuple[int, TurnHypothesis] | None = None
        self._planned: tuple[str, BrainRequest, InputDetails] | None = None
        self._turn = ""
        self._begun = 0
        """Answers begun in this turn."""

    def hypothesis(self, report: TurnHypothesis) -> None:
        """The turn may have ended with these words."""
        if report.utterance_id != self._turn:
            self._turn, self._begun = report.utterance_id, 0
        if self._planned is None and self._asked is None and self._is_worthwhile(report):
            self._asked = (self._ask(), report)

    def _is_worthwhile(self, report: TurnHypothesis) -> bool:
        said = completeness(
            report.text,
            whole=report.whole,
            extendable=report.extendable,
            language=self._state.language,
        )
        return (
            self._begun < self._state.traits.speculations
            and bool(report.text.strip())
            and said not in GOES_ON
            and self._is_ready(report.utterance_id)
        )

    def _is_ready(self, item_id: str) -> bool:
        """Say whether the next response is that of this turn, and all it must read is known."""
        state, answers = self._state, self._answers
        if not state.converses or self._listening.pausing != item_id or self._prepared.item_id:
            return False
        detection = state.config.audio.input.turn_detection
        return (
            detection is not None
            and detection.create_response
            and answers.default_id is None
            and not answers.approvals.due
            and not self._transcripts.pending()
            and not self._imports.pending(state.talk.tools)
        )

    # --- admission's answers, and the allowance's ---

    def allowed(self, question: int) -> bool:
        """Look for room; return False if the question was none of these."""
        if self._asked is None or self._asked[0] != question:
            return False
        report, self._asked = self._asked[1], None
        if self._is_ready(report.utterance_id):
            self._plan(report)
        return True

    def _plan(self, report: TurnHypothesis) -> None:
        item_id = report.utterance_id
        heard = MessageItem(id=item_id, status="completed", role="user", content=[InputAudio()])
        said = Entry(heard, audio_samples=self._listening.spoken, spoken_text=report.text)
        try:
            request, given = self._answers.foreseen(said)
        except WireFault:  # the turn's own response says so, if it ends here
            return
        self._planned = (item_id, request, given)
        most = request.max_output_tokens or RESERVED_OUTPUT_TOKENS
        read = Usage.of(given, OutputDetails()).input_tokens
        self._state.outbox.do(
            ReserveTokens(
                response_id=request.response_id,
                input_tokens=read,
                output_tokens=most,
                speculative=True,
            )
        )

    def refused(self, question: int) -> bool:
        """Admission said no; return False if the question was none of these."""
        if self._asked is None or self._asked[0] != question:
            return False
        self._asked = None
        return True

    def room(self, response_id: str, room: bool) -> None:
        """Begin if there is room; a stale answer is ignored."""
        if self._planned is None or self._planned[1].response_id != response_id:
            return
        (item_id, request, given), self._planned = self._planned, None
        if room and self._is_ready(item_id):
            self._begun += 1
            self._prepared.begin(item_id, request, given)

    # --- ends ---

    def advance(self, *, turn_waits: bool) -> None:
        """Give up what is of no use any more; `turn_waits` for its response to be allowed."""
        prepared = self._prepared
        if not prepared.item_id or turn_waits or self._listening.pausing == prepared.item_id:
            return
        if self._answers.default_id != prepared.response_id:
            prepared.discard()
