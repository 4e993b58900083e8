"""The input audio buffer and the turns found in it (CONTRACT 8.6, 8.9).

Invariants: samples in = committed + let go + pending; speech is "started"
exactly while a turn is open; the item id announced by `speech_started` is the
committed item's.
"""

from __future__ import annotations

from dataclasses import dataclass

from realtime.conversation import samples_to_ms
from realtime.engine import SAMPLE_RATE, SpeechProbability, TurnHypothesis
from realtime.errors import CommitEmpty
from realtime.events.items import InputAudio, MessageItem
from realtime.events.server import (
    AudioCleared,
    AudioCommitted,
    ItemAdded,
    ItemDone,
    SpeechStarted,
    SpeechStopped,
    TimeoutTriggered,
)
from realtime.session.config import ByMeaning, BySilence, ServerVad, TurnDetection
from realtime.session.effects import (
    AbandonRecognition,
    CommitRecognition,
    FeedRecognition,
    ForgetAudio,
    KeepAudio,
    OpenRecognition,
    PrepareRecognition,
    StartDetection,
    StopDetection,
    TurnEnded,
)
from realtime.session.state import SessionState
from realtime.turns.completeness import WAITS, completeness
from realtime.turns.endpointing import Began, Ended, Endpointer, MaybeEnded, Resumed, Rule
from realtime.turns.transcripts import Transcripts

SMALLEST_COMMIT_SAMPLES = SAMPLE_RATE // 10
TRIM_STEP_SAMPLES = SAMPLE_RATE * 5


def _samples(ms: int) -> int:
    return ms * SAMPLE_RATE // 1000


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that is open: the item it will become and where it starts."""

    item_id: str
    start: int


class Listening:
    """Accounts for input audio and opens, closes and commits turns."""

    def __init__(self, state: SessionState, transcripts: Transcripts) -> None:
        self._state = state
        self._transcripts = transcripts
        self.appended = 0
        """Samples appended since the session began."""
        self._start = 0
        """Where the uncommitted buffer starts."""
        self._heard = 0
        """Up to where voice activity is known."""
        self._endpointer: Endpointer | None = None
        self._turn: Turn | None = None

        self._streaming = False
        """A model hears at once what is appended: the client ends the turns."""

    @property
    def speaking(self) -> bool:
        """The caller speaks, as far as anybody listens for it."""
        return self._endpointer is not None and self._turn is not None

    @property
    def pausing(self) -> str:
        """The item of the turn that has maybe ended, "" while there is none."""
        paused = self._endpointer is not None and self._endpointer.pausing
        return self._turn_id() if paused else ""

    @property
    def spoken(self) -> int:
        """Samples of the open turn so far."""
        return self._heard - self._turn.start if self._turn is not None else 0

    @property
    def pending(self) -> int:
        """Samples in the buffer."""
        return self.appended - self._start

    # --- configuration ---

    def configure(self) -> None:
        """Take the configured turn detection over; speech in progress goes on."""
        detection = self._state.config.audio.input.turn_detection
        if detection is None or not self._state.traits.listens:
            self._stop_detecting()
            self._streaming = self._transcripts.streams
            if not self._streaming:
                self._close_stream()
            return
        self._streaming = False
        rule = self._rule(detection)
        if self._endpointer is None:
            self._close_stream()
            self._endpointer = Endpointer(rule, at_sample=self.appended)
            self._heard = self.appended
            self._state.outbox.do(StartDetection(self.appended))
        else:
            self._endpointer.change_rule(rule)

    def _rule(self, detection: TurnDetection) -> Rule:
        start = _samples(self._state.limits.speech_start_ms)
        if isinstance(detection, BySilence):
            return Rule(
                threshold=detection.threshold,
                start_samples=start,
                silence_samples=_samples(detection.silence_duration_ms),
            )
        return Rule(
            threshold=ServerVad().threshold,
            start_samples=start,
            # Until the words are judged, and where nobody can judge them.
            silence_samples=_samples(WAITS[detection.eagerness].open_ms),
        )

    def _stop_detecting(self) -> None:
        if self._endpointer is None:
            return
        self._endpointer = None
        self._state.outbox.do(StopDetection())
        if self._turn is not None:
            # What was being said stays in the buffer for the client's commit.
            self._start = self._turn.start
            self._transcripts.close(self._turn.item_id)
            self._turn = None

    # --- audio and voice activity ---

    def append(self, samples: int) -> None:
        """Count audio; while nobody speaks, let old audio go."""
        self.appended += samples
        if self._endpointer is None:
            if self._streaming:
                self._stream()
            return
        if self._turn is not None:
            return
        surplus = self._heard - self._start - _samples(self._state.limits.listening_ms)
        if surplus >= TRIM_STEP_SAMPLES:
            self._start += surplus
            self._state.outbox.do(ForgetAudio(self._start))

    def observe(self, report: SpeechProbability) -> Began | Ended | None:
        """Take a window of voice activity; return the edge of a turn it reveals."""
        if self._endpointer is None:
            return None
        at = min(report.at_sample, self.appended)
        self._heard = max(self._heard, at)
        match self._endpointer.observe(at, report.probability):
            case Began() as began:
                self._open_turn(began)
                return began
            case Ended() as ended:
                self._close_turn(ended.at)
                return ended
            case MaybeEnded() if self._recognising():
                # What is prepared is what was heard up to here, the silence included.
                self._state.outbox.do(FeedRecognition(self._turn_id(), at))
                self._state.outbox.do(PrepareRecognition(self._turn_id()))
                return None
            case Resumed() if self._recognising():
                self._state.outbox.do(AbandonRecognition(self._turn_id()))
            case _:
                pass
        if self._recognising():
            self._state.outbox.do(FeedRecognition(self._turn_id(), at))
        return None

    def hypothesis(self, report: TurnHypothesis) -> Ended | None:
        """Take what was understood at a pause; return the end of the turn if that is the end.

        Only `semantic_vad` asks for it; a report that comes when speech went on finds no pause.
        """
        detection = self._state.config.audio.input.turn_detection
        pausing = self._endpointer is not None and report.utterance_id == self._turn_id()
        if not pausing or self._endpointer is None or not isinstance(detection, ByMeaning):
            return None
        said = completeness(
            report.text,
            whole=report.whole,
            extendable=report.extendable,
            language=self._state.language,
        )
        ended = self._endpointer.wait(_samples(WAITS[detection.eagerness].of(said)))
        if ended is not None:
            self._close_turn(ended.at)
        return ended

    # --- words while they are spoken, where the client ends the turns ---

    def _stream(self) -> None:
        """Let a model that streams hear what was appended; its item's id is known at once."""
        if self._turn is None:
            self._turn = Turn(self._state.outbox.ids("item"), self._start)
            request = self._transcripts.request(self._turn.item_id)
            self._state.outbox.do(OpenRecognition(request, self._start))
        if self._recognising():
            self._state.outbox.do(FeedRecognition(self._turn.item_id, self.appended))

    def _close_stream(self) -> None:
        """Forget what was heard at once: turns are detected from now on."""
        if self._turn is not None:
            self._transcripts.close(self._turn.item_id)
            self._turn = None

    def _turn_id(self) -> str:
        return self._turn.item_id if self._turn is not None else ""

    def _recognising(self) -> bool:
        return self._turn is not None and self._transcripts.is_open(self._turn.item_id)

    def _open_turn(self, began: Began) -> None:
        detection = self._state.config.audio.input.turn_detection
        by_silence = detection if isinstance(detection, BySilence) else ServerVad()
        padding_ms = by_silence.prefix_padding_ms
        start = max(self._start, began.at - _samples(padding_ms))
        outbox = self._state.outbox
        self._turn = Turn(outbox.ids("item"), start)
        self._state.conversation.promise(self._turn.item_id)
        outbox.send(
            SpeechStarted(
                event_id=outbox.event_id(),
                audio_start_ms=samples_to_ms(start),
                item_id=self._turn.item_id,
            )
        )
        if self._transcripts.wanted:
            request = self._transcripts.request(self._turn.item_id)
            outbox.do(OpenRecognition(request, start))

    def _close_turn(self, end: int) -> None:
        if self._turn is None:
            return
        outbox = self._state.outbox
        outbox.send(
            SpeechStopped(
                event_id=outbox.event_id(),
                audio_end_ms=samples_to_ms(end),
                item_id=self._turn.item_id,
            )
        )
        self._commit(end)

    def lost(self) -> bool:
        """Voice activity is gone for now; end an open turn where it was. Return whether one was."""
        if self._endpointer is None:
            return False
        was_open = self._turn is not None
        self._close_turn(max(self._heard, self._start))
        self._endpointer.reset(self.appended)
        return was_open

    # --- the client's commit and clear ---

    def commit(self, at: int) -> None:
        """Commit what was appended before `at`.

        Raises:
            CommitEmpty: it is less than 100 ms.
        """
        held = at - self._start
        if held < SMALLEST_COMMIT_SAMPLES:
            raise CommitEmpty(held * 1000 / SAMPLE_RATE)
        if self._turn is None:
            self._turn = Turn(self._state.outbox.ids("item"), self._start)
            if self._transcripts.wanted:
                request = self._transcripts.request(self._turn.item_id)
                self._state.outbox.do(OpenRecognition(request, self._start))
        self._commit(max(at, self._turn.start))

    def idle(self, since: int) -> None:
        """Nobody spoke since `since`: what was heard becomes an item (CONTRACT 8.8)."""
        start = max(since, self._start)
        outbox = self._state.outbox
        self._turn = Turn(outbox.ids("item"), start)
        outbox.send(
            TimeoutTriggered(
                event_id=outbox.event_id(),
                audio_start_ms=samples_to_ms(start),
                audio_end_ms=samples_to_ms(self.appended),
                item_id=self._turn.item_id,
            )
        )
        item_id = self._turn.item_id
        self._commit(self.appended)
        self._transcripts.silent(item_id, self.appended - start)

    def _commit(self, end: int) -> None:
        turn = self._turn
        if turn is None:
            return
        self._turn = None
        self._start = end
        if self._endpointer is not None:
            self._endpointer.reset(end)
        outbox, conversation = self._state.outbox, self._state.conversation
        outbox.do(TurnEnded(turn.item_id, end))
        outbox.do(KeepAudio(turn.item_id, turn.start, end))
        if self._transcripts.is_open(turn.item_id):
            outbox.do(CommitRecognition(turn.item_id, end))
        outbox.do(ForgetAudio(end))
        item = MessageItem(id=turn.item_id, status="completed", role="user", content=[InputAudio()])
        previous = conversation.add(item, audio_samples=end - turn.start)
        event_id = outbox.event_id
        outbox.send(AudioCommitted(event_id=event_id(), previous_item_id=previous, item_id=item.id))
        outbox.send(ItemAdded(event_id=event_id(), previous_item_id=previous, item=item))
        outbox.send(ItemDone(event_id=event_id(), previous_item_id=previous, item=item))
        self._transcripts.commit(item.id, end - turn.start)

    def clear(self, at: int) -> None:
        """Forget what was appended before `at`, an open turn included."""
        if self._turn is not None:
            self._transcripts.close(self._turn.item_id)
            self._turn = None
        if self._endpointer is not None:
            self._endpointer.reset(at)
        self._start = max(self._start, at)
        outbox = self._state.outbox
        outbox.do(ForgetAudio(self._start))
        outbox.send(AudioCleared(event_id=outbox.event_id()))
