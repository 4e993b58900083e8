"""Slots in one process, with recognisers that the test holds in its hand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence

import pytest

from ovos_bridge.speech import recognising
from ovos_bridge.speech.recognising import Slots
from ovos_bridge.speech.streaming import Understood, Word
from ovos_bridge.speech.utterance import Utterance

WORD_BYTES = 4_800
PATIENCE_S = 5.0


class Counting:
    """Answers how much it heard and which phrases it had; may be made to wait or to fail."""

    def __init__(self) -> None:
        """Nothing is heard or known yet."""
        self.phrases: list[str] = []
        self.heard = 0
        self.teachings = 0
        self.faulty = False
        self.gate = threading.Event()
        self.gate.set()

    def start(self, language: str | None = None) -> None:
        """Forget what was heard."""
        self.heard = 0

    def hear(self, audio: bytes) -> None:
        """Count; a gate that is shut holds the thread here."""
        assert self.gate.wait(PATIENCE_S)
        self.heard += len(audio)

    def finish(self) -> str:
        """Say the phrases."""
        return " ".join([*self.phrases, "some" if self.heard > WORD_BYTES else "none"])

    def set_phrases(self, phrases: Iterable[str]) -> int:
        """Keep them, or fail."""
        self.teachings += 1
        if self.faulty:
            raise RuntimeError("cannot learn")
        self.phrases = list(phrases)
        return len(self.phrases)


class Asked:
    """An utterance and its answer."""

    def __init__(self, slots: Slots) -> None:
        """Open it."""
        loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[str] = loop.create_future()
        self._slots = slots
        self.it = Utterance(self, loop)
        slots.open(self.it)

    def partial(self, delta: str) -> None:
        """Nobody wished for it."""
        raise AssertionError(delta)

    def understood(self, understood: Understood, pause: int) -> None:
        """Nobody wished for it."""
        raise AssertionError((understood, pause))

    def final(self, text: str, words: Sequence[Word]) -> None:
        """Take the answer."""
        self.answered.set_result(text)

    def failed(self, code: str, message: str) -> None:
        """Take the failure."""
        self.answered.set_result(f"! {code}")

    def say(self, audio: bytes = bytes(WORD_BYTES * 4)) -> None:
        """Feed audio."""
        self._slots.feed(self.it, audio)

    async def text(self) -> str:
        """Commit and wait."""
        self._slots.end(self.it)
        return await asyncio.wait_for(self.answered, PATIENCE_S)


def started(count: int) -> tuple[Slots, list[Counting]]:
    """Return slots that run, and their recognisers."""
    made: list[Counting] = []

    def make() -> Counting:
        made.append(Counting())
        return made[-1]

    slots = Slots(make, count)
    slots.start()
    return slots, made


async def taught(slots: Slots, phrases: list[str]) -> None:
    """Teach and wait until it is told."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    slots.set_phrases(phrases, lambda: loop.call_soon_threadsafe(told.set))
    await asyncio.wait_for(told.wait(), PATIENCE_S)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("count", [1, 2, 8])
async def test_phrases_reach_every_slot_however_fast_one_learns(count: int) -> None:
    """A slot that learns in no time takes the lesson from no other."""
    slots, made = started(count)
    for lesson in range(20):
        await taught(slots, [str(lesson)])
        assert {recogniser.phrases[0] for recogniser in made} == {str(lesson)}


async def test_lessons_at_once_are_all_answered() -> None:
    """Who teaches hears of it, also when somebody else taught something newer meanwhile."""
    slots, _made = started(2)
    await asyncio.gather(*(taught(slots, [str(n)]) for n in range(10)))


async def test_lesson_does_not_wait_for_a_busy_slot_which_learns_before_it_hears() -> None:
    """A caller who speaks holds up no lesson; whoever speaks after it is heard with it."""
    slots, made = started(1)
    speaking = Asked(slots)
    speaking.say()
    await until(lambda: made[0].heard > 0)
    await taught(slots, ["new"])
    assert made[0].teachings == 0
    following = Asked(slots)
    following.say()
    assert await speaking.text() == "some"
    assert await following.text() == "new some"


async def test_recogniser_that_cannot_learn_hears_on() -> None:
    """A lesson that fails is answered and costs the phrases only."""
    slots, made = started(1)
    made[0].faulty = True
    await taught(slots, ["new"])
    asked = Asked(slots)
    asked.say()
    assert await asked.text() == "some"


async def test_committed_utterance_passes_those_still_spoken() -> None:
    """Whoever waits for an answer comes before who still speaks; nobody loses a word."""
    slots, made = started(1)
    first = Asked(slots)
    first.say()
    await until(lambda: made[0].heard > 0)
    second, third = Asked(slots), Asked(slots)
    third.say()
    assert await third.text() == "some"
    assert not first.answered.done()
    assert await second.text() == "none"
    assert await first.text() == "some"


async def test_utterance_no_slot_takes_fails_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every slot is busy with committed utterances, the wait has an end that is told."""
    monkeypatch.setattr(recognising, "SLOT_WAIT_S", 0.05)
    slots, made = started(1)
    made[0].gate.clear()
    first = Asked(slots)
    first.say()
    slots.end(first.it)
    await until(lambda: first.it not in slots._waiting)
    assert await Asked(slots).text() == "! speech_overloaded"
    made[0].gate.set()
    assert await first.text() == "some"


async def test_utterance_beyond_its_bound_is_heard_up_to_it() -> None:
    """Nobody fills the memory by speaking for ever."""
    slots, made = started(1)
    made[0].gate.clear()
    asked = Asked(slots)
    for _ in range(3):
        asked.say(bytes(recognising.MOST_UTTERANCE_BYTES // 2))
    assert len(asked.it.audio) == recognising.MOST_UTTERANCE_BYTES
    slots.close(asked.it)
    made[0].gate.set()


async def test_recogniser_that_cannot_be_made_is_told_at_the_start() -> None:
    """A plugin that does not load ends the start instead of holding it for ever."""

    def make() -> Counting:
        raise RuntimeError("no model")

    with pytest.raises(RuntimeError, match="no model"):
        await asyncio.to_thread(Slots(make, 2).start)


@pytest.mark.parametrize(
    ("silence_ms", "speaks_again", "extra_bytes"),
    [(200, False, 0), (40, False, 3_200), (200, True, 3_200)],
    ids=["silent for long", "silent for a moment", "spoke again"],
)
async def test_silence_of_the_callers_own_is_not_added_to(
    silence_ms: int, speaks_again: bool, extra_bytes: int
) -> None:
    """The last word gets silence after it to end in, but no more than it needs."""
    made: list[Counting] = []

    def make() -> Counting:
        made.append(Counting())
        return made[-1]

    slots = Slots(make, 1)
    slots.start()
    asked = Asked(slots)
    asked.say(bytes(48_000))
    slots.silent(asked.it, silent=True)
    asked.say(bytes(silence_ms * 48))
    if speaks_again:
        slots.silent(asked.it, silent=False)
    slots.end(asked.it)
    await asked.text()
    spoken_bytes = (48_000 + silence_ms * 48) * 2 // 3
    assert abs(made[0].heard - spoken_bytes - extra_bytes) < 200
