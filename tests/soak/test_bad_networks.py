"""Every weather with chance drawn anew; the short version is in the suite."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.functional.bad_network_scores import WEATHERS, asked, spoken
from tests.functional.browser.chromium import found
from tests.functional.browser.listener import listened
from tests.functional.server import Server

pytestmark = pytest.mark.timeout(1_800)

ROUNDS = 3
TIMES = 10
LISTENED = 0.75
"""0.88 to 1 were measured in all of them; other words are 0.17 alike."""
UNDERSTOOD = 0.8
"""At a loss of 10 % a word may be lost now and then; over all turns most are whole."""


@pytest.mark.parametrize("copying", [True, False], ids=["with copies", "without"])
@pytest.mark.parametrize("name", WEATHERS)
async def test_gateway_hears_in_every_weather(
    plain_server: Server, name: str, *, copying: bool
) -> None:
    """As in the suite, for longer, some callers at once."""

    async def call() -> None:
        seed = time.time_ns()
        heard = await spoken(plain_server, WEATHERS[name], copying=copying, seed=seed, times=TIMES)
        print(f"{name:18} seed {seed}: {heard}")
        heard.check(name)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(ROUNDS):
            tasks.create_task(call())


async def test_turns_are_understood_and_heard_in_every_weather(voice_server: Server) -> None:
    """A question keeps its words, and its answer is heard; one at a time, so that a voice that
    shares the cores with others, and is late, is not taken for the network.
    """
    understood: list[bool] = []

    for name, weather in WEATHERS.items():
        for _ in range(ROUNDS):
            seed = time.time_ns()
            turn = await asked(voice_server, weather, seed=seed)
            print(f"{name:18} seed {seed}: {turn}")
            if turn.answer.lost or not weather.loss:
                turn.answer.check(name)
            words = re.sub("[^a-z ]", "", turn.transcript.lower())
            understood.append(words == "what time is it")
    print(f"{sum(understood)} of {len(understood)} questions kept their words")
    assert sum(understood) >= UNDERSTOOD * len(understood)


@pytest.mark.parametrize("name", WEATHERS)
def test_browser_hears_in_every_weather(voice_server: Server, tmp_path: Path, name: str) -> None:
    """Chromium's own decoder and jitter buffer make words of what comes."""
    if found() is None:
        missing("Chromium", "Install Debian's package `chromium`.")
    seed = time.time_ns()
    one = listened(voice_server, tmp_path, WEATHERS[name], seed=seed)
    print(f"{name:16} seed {seed}: {one}")
    assert one.heard >= LISTENED
