"""Offers to which accidents happened: refused clearly or answered, and nothing is left of them."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.ingress.webrtc.leg import WebRtcLeg
from gateway.ingress.webrtc.network import Network
from gateway.ingress.webrtc.offer import InvalidOffer, checked_offer
from gateway.ingress.webrtc.peer import Peer
from gateway.settings import Settings
from realtime.errors import WireFault
from tests.fuzz.offers import MOST_CALLS, OFFERS, calls_to_read, mutated

pytestmark = pytest.mark.timeout(3_600)

COUNT = 3_000
OPENED_EVERY = 10
"""Opening makes sockets and takes 100 times as long as reading."""
SLOWEST_S = 1.0


class Opening:
    """Opens calls as far as an offer goes, and watches what is left."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(data_dir=folder, rtp_addresses=["127.0.0.1"])  # type: ignore[list-item]
        self.network = Network(settings)
        self.answered = self.refused = 0

    async def open(self, offer: str) -> None:
        """Answer or refuse an offer; nothing else is raised."""
        peer = Peer(WebRtcLeg(), self.network)
        status, answer = 201, ""
        try:
            answer = await peer.answer(offer)
        except WireFault as fault:
            status = fault.status
        finally:
            await peer.close()
        assert status == 201 or 400 <= status < 500
        assert (status == 201) == answer.startswith("v=0")
        self.answered += status == 201
        self.refused += status != 201


@pytest.fixture
def choose() -> random.Random:
    """Seeded; the seed is printed when a test fails."""
    seed = int(os.environ.get("VOICEENGINE_FUZZ_SEED", str(time.time_ns())))
    print(f"VOICEENGINE_FUZZ_SEED={seed}")
    return random.Random(seed)


def files() -> int:
    """Return how many files and sockets this process holds."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("offer", OFFERS, ids=["aiortc", "chromium", "firefox"])
async def test_offer_of_a_browser_is_answered(tmp_path: Path, offer: str) -> None:
    """Without an accident nothing is refused."""
    opening = Opening(tmp_path)
    await opening.open(checked_offer(offer))
    assert opening.answered == 1


async def survive(folder: Path, choose: random.Random, count: int) -> None:
    """Read so many offers after accidents, open some; fail at the first that breaks the rule."""
    opening, told = Opening(folder), list[dict[str, Any]]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    await opening.open(checked_offer(OFFERS[0]))
    tasks, held = len(asyncio.all_tasks()), files()
    unread = 0
    for number in range(count):
        offer, began_s = mutated(choose), time.thread_time()
        try:
            offer = checked_offer(offer)
        except InvalidOffer:
            unread += 1
            continue
        finally:
            assert time.thread_time() - began_s < SLOWEST_S
        if number % OPENED_EVERY == 0:
            assert calls_to_read(offer)[0] < MOST_CALLS
            await opening.open(offer)
            gc.collect(0)
            assert not told, (offer, told)
    while len(asyncio.all_tasks()) > tasks:
        await asyncio.sleep(0.01)
    gc.collect()
    assert not told
    assert files() <= held + 2
    print(f"{unread} not read, {opening.refused} refused, {opening.answered} answered")
    assert unread
    assert opening.answered


async def test_offers_after_accidents_are_refused_or_answered(
    tmp_path: Path, choose: random.Random
) -> None:
    """A 4xx or an answer within a second; no other exception, also none in the background."""
    await survive(tmp_path, choose, COUNT)
