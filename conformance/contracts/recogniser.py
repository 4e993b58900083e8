"""The contract of `realtime.ports.Recogniser`; every recogniser runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from realtime.engine import (
    RecognitionFailed,
    RecognitionReport,
    RecognitionRequest,
    TranscriptFinal,
    TranscriptPartial,
    TurnHypothesis,
)
from realtime.ports import Recogniser, RecognitionStream

TRANSCRIPT_TIMEOUT_S = 30.0
QUIET_S = 0.3
"""Time in which a stream that may not report gets its chance to break the rule."""

PIECE_BYTES = 960
MANY = 4
"""Utterances at once; more than a small machine has recognisers."""


class Hearing:
    """One utterance and what was reported of it."""

    def __init__(
        self, recogniser: Recogniser, utterance_id: str = "item_contract", **wishes: Any
    ) -> None:
        """Open the utterance; a report from inside `open` is a fault."""
        self.reports: list[RecognitionReport] = []
        self.ended = asyncio.Event()
        request = RecognitionRequest(utterance_id=utterance_id, **wishes)
        self.stream: RecognitionStream = recogniser.open(request, self._take)
        assert self.reports == [], "reported from inside open"

    def _take(self, report: RecognitionReport) -> None:
        self.reports.append(report)
        if not isinstance(report, TranscriptPartial | TurnHypothesis):
            self.ended.set()

    @property
    def hypotheses(self) -> list[TurnHypothesis]:
        """What was understood at pauses."""
        return [report for report in self.reports if isinstance(report, TurnHypothesis)]

    async def end(self) -> None:
        """Commit and wait for the last report."""
        before = len(self.reports)
        self.stream.commit()
        assert len(self.reports) == before, "reported from inside commit"
        await asyncio.wait_for(self.ended.wait(), TRANSCRIPT_TIMEOUT_S)

    async def text(self) -> str:
        """Commit and return the transcript."""
        await self.end()
        last = self.reports[-1]
        assert isinstance(last, TranscriptFinal), last
        return last.text


async def check_recogniser(recogniser: Recogniser, audio: bytes, text: str) -> None:
    """Raise AssertionError where a recogniser breaks the contract.

    `audio` is canonical and must be recognised as `text`, exactly.
    """
    rules: tuple[Callable[[Recogniser, bytes, str], Awaitable[None]], ...] = (
        transcript_comes_once_and_last,
        nothing_ends_before_commit,
        abandoned_end_takes_further_audio,
        pace_of_audio_changes_nothing,
        utterance_without_audio_ends_once,
        utterances_at_once_stay_apart,
        closed_utterance_is_silent,
        closed_utterances_leave_room,
        hypotheses_answer_pauses_only,
        hypotheses_change_no_word,
        words_sent_early_are_kept,
        log_probabilities_cover_the_text,
    )
    for rule in rules:
        await rule(recogniser, audio, text)


async def transcript_comes_once_and_last(recogniser: Recogniser, audio: bytes, text: str) -> None:
    """A committed utterance has one transcript, its deltas add up to it, nothing follows."""
    hearing = Hearing(recogniser, "item_named")
    hearing.stream.feed(audio)
    assert await hearing.text() == text
    await asyncio.sleep(QUIET_S)
    assert {report.utterance_id for report in hearing.reports} == {"item_named"}
    deltas = [r.delta for r in hearing.reports if isinstance(r, TranscriptPartial)]
    assert "".join(deltas) in {"", text}
    assert [r for r in hearing.reports if not isinstance(r, TranscriptPartial)] == [
        hearing.reports[-1]
    ]


async def nothing_ends_before_commit(recogniser: Recogniser, audio: bytes, text: str) -> None:
    """Neither audio nor `prepare` brings the transcript out; `commit` does."""
    hearing = Hearing(recogniser)
    hearing.stream.feed(audio)
    hearing.stream.prepare()
    await asyncio.sleep(QUIET_S)
    assert not hearing.ended.is_set()
    assert await hearing.text() == text


async def abandoned_end_takes_further_audio(
    recogniser: Recogniser, audio: bytes, text: str
) -> None:
    """What was prepared and abandoned leaves no trace in the transcript."""
    hearing = Hearing(recogniser)
    middle = len(audio) // 4 * 2
    hearing.stream.feed(audio[:middle])
    hearing.stream.prepare()
    hearing.stream.abandon()
    hearing.stream.feed(audio[middle:])
    assert await hearing.text() == text


async def pace_of_audio_changes_nothing(recogniser: Recogniser, audio: bytes, text: str) -> None:
    """Audio in small pieces, of any buffer type, is the same audio."""
    hearing = Hearing(recogniser)
    for place in range(0, len(audio), PIECE_BYTES):
        piece = audio[place : place + PIECE_BYTES]
        hearing.stream.feed(bytearray(piece) if place % (2 * PIECE_BYTES) else memoryview(piece))
        await asyncio.sleep(0)
    assert await hearing.text() == text


async def utterance_without_audio_ends_once(
    recogniser: Recogniser, _audio: bytes, _text: str
) -> None:
    """Nothing said is an empty transcript or a failure, not a wait for ever."""
    hearing = Hearing(recogniser)
    await hearing.end()
    await asyncio.sleep(QUIET_S)
    assert len(hearing.reports) == 1
    assert isinstance(hearing.reports[0], TranscriptFinal | RecognitionFailed)


async def utterances_at_once_stay_apart(recogniser: Recogniser, audio: bytes, text: str) -> None:
    """Several callers at once each get their own words, and silence gets none of them."""
    speaking = [Hearing(recogniser, f"item_{n}") for n in range(MANY)]
    silent = Hearing(recogniser, "item_silent")
    for hearing in speaking:
        hearing.stream.feed(audio)
    silent.stream.feed(bytes(len(audio)))
    got = await asyncio.gather(*(hearing.text() for hearing in (*speaking, silent)))
    assert got[:-1] == [text] * MANY
    assert got[-1] != text
    for number, hearing in enumerate(speaking):
        assert {r.utterance_id for r in hearing.reports} == {f"item_{number}"}


async def closed_utterance_is_silent(recogniser: Recogniser, audio: bytes, _text: str) -> None:
    """Nothing is reported after `close`, committed or not; it may be repeated."""
    committed, uncommitted = Hearing(recogniser), Hearing(recogniser)
    for hearing in (committed, uncommitted):
        hearing.stream.feed(audio)
    committed.stream.commit()
    before = [list(h.reports) for h in (committed, uncommitted)]
    for hearing in (committed, uncommitted):
        hearing.stream.close()
        hearing.stream.close()
    await asyncio.sleep(QUIET_S)
    assert [h.reports for h in (committed, uncommitted)] == before


async def closed_utterances_leave_room(recogniser: Recogniser, audio: bytes, text: str) -> None:
    """Utterances that were given up cost those after them nothing but time."""
    for _ in range(MANY):
        given_up = Hearing(recogniser)
        given_up.stream.feed(audio)
        given_up.stream.close()
    hearing = Hearing(recogniser)
    hearing.stream.feed(audio)
    assert await hearing.text() == text


async def hypotheses_answer_pauses_only(recogniser: Recogniser, audio: bytes, _text: str) -> None:
    """At most one hypothesis per `prepare`, and none after `abandon`, `commit` or `close`."""
    hearing = Hearing(recogniser, hypotheses=True)
    middle = len(audio) // 4 * 2
    hearing.stream.feed(audio[:middle])
    await asyncio.sleep(QUIET_S)
    assert hearing.reports == [], "a hypothesis before any pause"
    hearing.stream.prepare()
    assert hearing.reports == [], "reported from inside prepare"
    hearing.stream.abandon()
    await asyncio.sleep(QUIET_S)
    assert hearing.reports == [], "a hypothesis of a pause that is over"
    hearing.stream.feed(audio[middle:])
    hearing.stream.prepare()
    await asyncio.sleep(QUIET_S)
    assert len(hearing.reports) <= 1
    assert len(hearing.reports) == len(hearing.hypotheses)
    hearing.stream.close()
    late = Hearing(recogniser, hypotheses=True)
    late.stream.feed(audio)
    late.stream.prepare()
    late.stream.commit()
    await asyncio.wait_for(late.ended.wait(), TRANSCRIPT_TIMEOUT_S)
    assert len(late.reports) == 1, "a hypothesis after the commit"


async def hypotheses_change_no_word(recogniser: Recogniser, audio: bytes, text: str) -> None:
    """The transcript is the same whether pauses were judged or not, and comes last."""
    hearing = Hearing(recogniser, hypotheses=True)
    third = len(audio) // 6 * 2
    for place in range(0, len(audio), third):
        hearing.stream.feed(audio[place : place + third])
        hearing.stream.prepare()
        await asyncio.sleep(QUIET_S)
        if place + third < len(audio):
            hearing.stream.abandon()
    assert await hearing.text() == text
    assert all(report.utterance_id == "item_contract" for report in hearing.reports)
    assert isinstance(hearing.reports[-1], TranscriptFinal)


async def words_sent_early_are_kept(recogniser: Recogniser, audio: bytes, _text: str) -> None:
    """The final text begins with every word that was sent while it was spoken."""
    hearing = Hearing(recogniser, partials=True, delay="minimal")
    for place in range(0, len(audio), PIECE_BYTES):
        hearing.stream.feed(audio[place : place + PIECE_BYTES])
        await asyncio.sleep(PIECE_BYTES / 48_000)
    final = await hearing.text()
    deltas = [r.delta for r in hearing.reports if isinstance(r, TranscriptPartial)]
    assert all(deltas), "an empty delta"
    assert final.startswith("".join(deltas))
    assert len(hearing.reports) == len(deltas) + 1


async def log_probabilities_cover_the_text(
    recogniser: Recogniser, audio: bytes, _text: str
) -> None:
    """Where there are log probabilities, their tokens make up the text, and none is above 0."""
    hearing = Hearing(recogniser, logprobs=True)
    hearing.stream.feed(audio)
    final = await hearing.text()
    last = hearing.reports[-1]
    assert isinstance(last, TranscriptFinal)
    if last.logprobs:
        assert "".join(each.token for each in last.logprobs) == final
        assert all(each.logprob <= 0 for each in last.logprobs)
