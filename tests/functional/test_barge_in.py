"""How soon an answer falls silent when its listener speaks, from the mouth to the ear."""

from __future__ import annotations

import asyncio

import pytest

from tests.functional.bad_network import BadNetworkCaller, calling_badly
from tests.functional.bad_network_scores import QUESTION, begun
from tests.functional.server import Server

pytestmark = [
    pytest.mark.real,
    pytest.mark.alone,
    pytest.mark.timeout(180),
    pytest.mark.usefixtures("skills_python"),
]

SILENT_S = 2.0
"""First sound to silence. Voice activity wants about 100 ms of speech to be sure, a word begins
softly, and both processes and this one share the cores with the rest of the suite; 0.16 to 0.42
were measured, at a load of eight."""
BURST_S = 0.5
SESSION = {
    "type": "realtime",
    "model": "gpt-realtime",
    "audio": {
        "input": {
            "turn_detection": {
                "type": "server_vad", "create_response": False, "interrupt_response": True,
            }
        }
    },
}  # fmt: skip


async def interrupted_s(caller: BadNetworkCaller) -> float:
    """Speak over an answer; return the time from the first sound to silence at the ear."""
    after, ear = len(caller.events), caller.ear
    ear.levels.clear()
    caller.ask("what can you do")
    while len(ear.loud_s()) < 20:
        await asyncio.sleep(0.02)
    caller.microphone.say(QUESTION)
    await caller.until("output_audio_buffer.cleared", after=after)
    await caller.until("input_audio_buffer.speech_stopped", after=after)
    await caller.until("response.done", after=after)
    began_s = caller.microphone.first_sound_s
    assert began_s is not None
    return max(ear.loud_s()) - began_s


async def test_answer_falls_silent_when_its_listener_speaks_also_after_a_burst(
    voice_server: Server,
) -> None:
    """Within the bound; packets that came half a second late delay nothing that comes later."""
    async with calling_badly(voice_server, 1) as caller:
        await begun(caller, SESSION)
        found: list[float] = []
        for burst_s in (0.0, BURST_S):
            await caller.relay.up.stall(burst_s)
            found.append(await interrupted_s(caller))
    assert max(found) <= SILENT_S, found
