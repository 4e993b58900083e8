"""Many cases from one seed; the first that fails is shrunk and told as it can be played again."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator

from tests.fuzz.case import Failed, Session, Step, play
from tests.fuzz.laws import Shapes
from tests.fuzz.mutations import Mutations
from tests.fuzz.seeds import Seeds

MOST_STEPS = 60
SHRINK_S = 30.0
SEED = "VOICEENGINE_FUZZ_SEED"


def seed_of_run() -> str:
    """Return the seed of this run: the one that is set, or a new one."""
    return os.environ.get(SEED) or str(random.SystemRandom().randrange(10**9))


class Client:
    """Decides what a case's client does; some frames are valid, most mutated."""

    def __init__(self, seeds: Seeds, seed: str) -> None:
        self._chance = random.Random(seed + ":client")
        seeds.reseed(self._chance)
        self._seeds = seeds
        self._mutations = Mutations(self._chance, seeds.an_id, seeds.event)
        self._left = self._chance.randrange(5, MOST_STEPS)
        self._number = 0
        self.mutated = 0

    def step(self, session: Session) -> Step | None:
        """Return the next step, None at the end."""
        self._left -= 1
        if self._left < 0:
            return None
        self._seeds.spoken = session.spoken
        self._seeds.known, self._seeds.beta = session.known, session.dialect == "beta"
        drawn = self._chance.random()
        if drawn < 0.15:
            return Step("wait", seconds=self._chance.choice((0.0, 0.001, 0.05, 0.3, 2.0, 7.0)))
        if drawn < 0.16:
            return Step("volunteer")
        if drawn < 0.165:
            return Step("narrow")
        if drawn < 0.28:
            return Step("frame", json.dumps(self._seeds.audio()))
        return self._frame(mutated=self._chance.random() < 0.7)

    def _frame(self, *, mutated: bool) -> Step:
        first = self._number == 0 and self._chance.random() < 0.5
        event = self._seeds.opening() if first else self._seeds.event()
        mutated = mutated and not first
        self._number += 1
        if event.get("type") != "input_audio_buffer.append" and self._chance.random() < 0.9:
            event["event_id"] = f"f:{self._number}"
        if not mutated:
            return Step("frame", json.dumps(event))
        self.mutated += 1
        return Step("frame", self._mutations.frame(event), mutated=True)


class Campaign:
    """Plays cases until so many frames were mutated."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self.mutations = self.cases = 0
        self._shapes = Shapes()
        self._seeds = Seeds(random.Random(seed))

    def run(self, mutations: int) -> None:
        """Raise AssertionError with the shrunk sequence of the first case that fails."""
        while self.mutations < mutations:
            self.case(self.cases)
            self.cases += 1

    def case(self, number: int) -> None:
        """Play one case."""
        seed = f"{self.seed}:{number}"
        client = Client(self._seeds, seed)
        try:
            play(seed, self._shapes, client.step)
        except Failed as failed:
            raise AssertionError(self._told(shrunk(failed, self._shapes))) from None
        self.mutations += client.mutated

    def _told(self, failed: Failed) -> str:
        steps = "\n".join(f"  {step}" for step in failed.steps)
        return (
            f"case {failed.seed} (run with {SEED}={self.seed.partition('.')[0]}) breaks a law.\n"
            f"{failed.wrong}\nsteps, shrunk:\n{steps}"
        )


def shrunk(failed: Failed, shapes: Shapes) -> Failed:
    """Leave out what the failure does not need, for a while."""
    until, size = time.monotonic() + SHRINK_S, max(len(failed.steps) // 2, 1)
    while time.monotonic() < until:
        smaller = next(_smaller(failed, size, shapes), None)
        if smaller is not None:
            failed = smaller
        elif size == 1:
            break
        else:
            size //= 2
    return failed


def _smaller(failed: Failed, size: int, shapes: Shapes) -> Iterator[Failed]:
    for start in range(0, len(failed.steps), size):
        kept = failed.steps[:start] + failed.steps[start + size :]
        try:
            play(failed.seed, shapes, replaying(kept))
        except Failed as found:
            if found.wrong.law == failed.wrong.law:
                yield found


def replaying(steps: list[Step]) -> Callable[[Session], Step | None]:
    """Return a client that takes given steps."""
    left = iter(steps)
    return lambda _session: next(left, None)
