"""Wake word engines in the worker: how many there are at once."""

from __future__ import annotations

import asyncio
import threading

from ovos_bridge.speech.waking import MOST_CALLERS, WakeWords

PATIENCE_S = 10.0


class Slow:
    """An engine that takes as long to be made as it is told to."""

    def __init__(self, may_begin: threading.Event) -> None:
        may_begin.wait(PATIENCE_S)

    def update(self, chunk: bytes) -> None:
        """Listen."""

    def found_wake_word(self) -> bool:
        """Hear nothing."""
        return False


async def test_engines_of_callers_who_left_count_until_they_have_ended() -> None:
    """Who turns listening off and on makes an engine each time: the bound holds for all of them."""
    may_begin, lost = threading.Event(), []
    words = WakeWords({"word": lambda: Slow(may_begin)})

    def listen() -> bool:
        caller = words.open("word", 0, heard=lambda _: None, lost=lambda: lost.append(True))
        if caller is not None:
            words.close(caller)
        return caller is not None

    try:
        opened = [listen() for _ in range(MOST_CALLERS + 10)]
        assert opened == [True] * MOST_CALLERS + [False] * 10
        assert len(lost) == 10
    finally:
        may_begin.set()
    async with asyncio.timeout(PATIENCE_S):
        while not listen():
            await asyncio.sleep(0.01)
        while any(thread.name == "wake-word" for thread in threading.enumerate()):
            await asyncio.sleep(0.01)
