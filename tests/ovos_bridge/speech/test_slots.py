"""Slots in one process, with recognisers that the test holds in its hand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence

import pytest

from ovos_bridge.speech import recognising
from ovos_bridge.speech.recognising import Slots
from ovos_bridge.speech.streaming import Understood, Wishes, Word
from ovos_bridge.speech.utterance import NO_WISHES, Utterance

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

    def __init__(self, slots: Slots, wishes: Wishes = NO_WISHES) -> None:
        """Open it."""
        loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[str] = loop.create_future()
        self._slots = slots
        self.it = Utterance(self, loop, wishes=wishes)
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


def started(count: int, *, wait_s: float = 8.0) -> tuple[Slots, list[Counting]]:
    """Return slots that run, and their recognisers."""
    made: list[Counting] = []

    def make() -> Counting:
        made.append(Counting())
        return made[-1]

    slots = Slots(make, count, wait_s=wait_s)
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


async def test_utterance_no_slot_takes_fails_in_time() -> None:
    """Where every slot is busy with committed utterances, the wait has an end that is told."""
    slots, made = started(1, wait_s=0.05)
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


class Judging(Counting):
    """Also says what it understood so far: how much it heard."""

    def __init__(self) -> None:
        """Nobody asked for log probabilities yet."""
        super().__init__()
        self.scored = False

    def want_logprobs(self) -> None:
        """Note it."""
        self.scored = True

    def words(self) -> Sequence[Word]:
        """Return the one word."""
        return [Word("some", 0, 1, -0.5 if self.scored else None)]

    def understood(self) -> Understood:
        """Tell how much was heard, as a whole command."""
        return Understood(str(self.heard), whole=True)


class Judged(Asked):
    """An utterance whose pauses are judged."""

    def __init__(self, slots: Slots, wishes: Wishes) -> None:
        """Open it with wishes."""
        self.hypotheses: list[tuple[Understood, int]] = []
        self.scored: list[Word] = []
        super().__init__(slots, wishes)

    def understood(self, understood: Understood, pause: int) -> None:
        """Keep it."""
        self.hypotheses.append((understood, pause))

    def final(self, text: str, words: Sequence[Word]) -> None:
        """Keep the words too."""
        self.scored = list(words)
        super().final(text, words)


def judging() -> tuple[Slots, Judging]:
    """Return one slot that judges."""
    made: list[Judging] = []

    def make() -> Judging:
        made.append(Judging())
        return made[-1]

    slots = Slots(make, 1)
    slots.start()
    return slots, made[0]


async def test_pause_is_judged_once_and_after_all_that_was_said() -> None:
    """A hypothesis covers everything up to the pause, and bears the pause's number."""
    slots, recogniser = judging()
    asked = Judged(slots, Wishes(hypotheses=True))
    recogniser.gate.clear()
    asked.say(bytes(WORD_BYTES * 10))
    slots.silent(asked.it, silent=True)
    recogniser.gate.set()
    await until(lambda: bool(asked.hypotheses))
    ((understood, pause),) = asked.hypotheses
    assert abs(int(understood.text) - WORD_BYTES * 10 * 2 // 3) < 200
    assert understood.whole
    assert pause == 1


@pytest.mark.parametrize("how", ["resumed", "ended", "closed"])
async def test_pause_that_is_over_is_not_told_of(how: str) -> None:
    """Whoever spoke on, ended or left is told nothing of an older pause."""
    slots, recogniser = judging()
    asked = Judged(slots, Wishes(hypotheses=True))
    recogniser.gate.clear()
    asked.say()
    slots.silent(asked.it, silent=True)
    if how == "resumed":
        slots.silent(asked.it, silent=False)
    elif how == "closed":
        slots.close(asked.it)
    else:
        slots.end(asked.it)
    recogniser.gate.set()
    following = Asked(slots)
    assert await following.text() == "none"
    assert asked.hypotheses == []
    slots.close(asked.it)


async def test_second_pause_is_judged_anew() -> None:
    """Each pause has its own hypothesis."""
    slots, _recogniser = judging()
    asked = Judged(slots, Wishes(hypotheses=True))
    for pause in (1, 2):
        asked.say()
        slots.silent(asked.it, silent=True)
        await until(lambda: len(asked.hypotheses) == pause)  # noqa: B023 - used at once
        slots.silent(asked.it, silent=False)
    assert [pause for _, pause in asked.hypotheses] == [1, 2]
    assert await asked.text() == "some"


async def test_recogniser_that_hears_whole_utterances_judges_nothing() -> None:
    """A pause costs a plugin without hypotheses nothing; its words come at the end."""
    slots, _made = started(1)
    asked = Judged(slots, Wishes(hypotheses=True, partials=True, logprobs=True))
    asked.say()
    slots.silent(asked.it, silent=True)
    assert await asked.text() == "some"
    assert asked.hypotheses == []
    assert asked.scored == []


async def test_log_probabilities_come_only_when_wished_for() -> None:
    """Words carry them to the end where the recogniser was asked before it began."""
    slots, recogniser = judging()
    for wished in (True, False):
        asked = Judged(slots, Wishes(logprobs=wished))
        asked.say()
        assert await asked.text() == "some"
        assert bool(asked.scored) is wished
        recogniser.scored = False
