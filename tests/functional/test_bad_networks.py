"""Calls over bad networks: how much is heard, both ways, with all packets through our relay.

Every weather, and chance drawn anew, is in the soak.
"""

from __future__ import annotations

import asyncio
import re

import numpy as np
import pytest

from tests.functional.bad_network import calling_badly
from tests.functional.bad_network_scores import (
    DRIFT_MS,
    ECHO,
    FINE_HEARD,
    QUESTION,
    WEATHERS,
    asked,
    begun,
    said,
    say,
    spoken,
)
from tests.functional.scoring import HZ, samples, score
from tests.functional.server import Server

pytestmark = [pytest.mark.real, pytest.mark.alone, pytest.mark.timeout(180)]

SEED = 11
TIMES = 3
OUTAGE_S = 2.0
BURST_S = 0.5
AT_ONCE_S = 0.1
"""Bound of the delay after a burst; 20 ms are the last packet's own."""
TONE_S = 5.0
MOST_MISCOUNTED = 20
"""Packets that were no audio, and gaps that were filled with sound."""
SHORT = (
    ("fine", True), ("loss of 5 %", False), ("loss of 10 %", True), ("five of six forged", True),
    ("all at once", True),
)  # fmt: skip


async def test_gateway_hears_a_caller_behind_a_bad_network(plain_server: Server) -> None:
    """Only what was lost is missing, less where the caller sends copies, and nothing moves.

    What somebody else sends from the caller's address changes nothing.
    """
    forged = plain_server.metric("voiceengine_rtp_forged_total")
    async with asyncio.TaskGroup() as tasks:
        calls = [
            tasks.create_task(
                spoken(plain_server, WEATHERS[name], copying=copying, seed=SEED, times=TIMES)
            )
            for name, copying in SHORT
        ]
    for (name, _), call in zip(SHORT, calls, strict=True):
        call.result().check(name)
    loud = calls[0].result().score.frames  # each a packet at least
    assert plain_server.metric("voiceengine_rtp_forged_total") - forged >= 5 * loud


@pytest.mark.usefixtures("skills_python")
async def test_caller_behind_a_bad_network_is_understood_and_hears_the_answer(
    voice_server: Server,
) -> None:
    """A spoken question keeps its words; of the answer only what was lost twice is missing."""
    turn = await asked(voice_server, WEATHERS["all at once"], seed=SEED)
    assert re.sub("[^a-z ]", "", turn.transcript.lower()) == "what time is it"
    turn.answer.check("all at once")


async def test_call_outlives_an_outage(plain_server: Server) -> None:
    """Two seconds of nothing either way: what comes after is heard as it was said."""
    async with calling_badly(plain_server, SEED) as caller:
        await begun(caller, ECHO)
        caller.ask(f"tone:{TONE_S * 1000:.0f}")
        await caller.until("output_audio_buffer.started")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(caller.relay.up.outage(OUTAGE_S))
            tasks.create_task(caller.relay.down.outage(OUTAGE_S))
        lost = caller.relay.down.lost
        caller.send("input_audio_buffer.clear")
        await caller.until("input_audio_buffer.cleared")
        heard = score(await say(caller, times=1), said(1))
        await caller.until("output_audio_buffer.stopped")
        await asyncio.sleep(0.2)
        tone_s = np.count_nonzero(samples(bytes(caller.ear.heard))) / HZ
    assert heard.heard >= FINE_HEARD[True]
    assert abs(heard.drift_ms) <= DRIFT_MS
    # What was played into the outage is over: it is not played after it.
    assert lost > MOST_MISCOUNTED
    assert abs(tone_s - (TONE_S - lost * 0.02)) < MOST_MISCOUNTED * 0.02


async def test_delay_of_a_burst_is_over_with_it(plain_server: Server) -> None:
    """Packets held back for half a second come at once; what is said then is heard at once."""
    async with calling_badly(plain_server, SEED) as caller:
        await begun(caller, ECHO)
        caller.microphone.say(QUESTION)
        await asyncio.sleep(0.2)
        await caller.relay.up.stall(BURST_S)
        while not caller.microphone.silent:
            await asyncio.sleep(0.05)
        caller.send("input_audio_buffer.clear")
        await caller.until("input_audio_buffer.cleared")
        heard = score(await say(caller, times=1, settle_s=AT_ONCE_S), said(1))
    # A buffer that kept the delay of its worst burst would not have the end yet.
    assert heard.heard >= FINE_HEARD[True]
    assert abs(heard.drift_ms) <= DRIFT_MS
