"""`semantic_vad` with real audio: the words decide how long a pause may be (CONTRACT 5, 8.7)."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from bench.corpus.sentences import SpokenTurn, spoken_turns
from bench.endings import silence, sound
from bench.turns import speech_end
from tests.functional.client import CHUNK_BYTES, Client, connected
from tests.functional.server import Server

pytestmark = pytest.mark.real

LEAD_MS, TAIL_MS = 500, 5_000
BYTES_PER_MS = 48
PACES = (1, 1, 3)
"""On a machine that is busy with something else words are judged late: then it is tried again,
the last time with audio at a third of its speed. Positions are those of the audio anyhow."""

STOPPED = "input_audio_buffer.speech_stopped"
ENDS_WITHIN_MS = 300


def turn(name: str) -> SpokenTurn:
    """Return a turn of the corpus."""
    return next(each for each in spoken_turns() if each.name == name)


async def spoken(
    server: Server, which: SpokenTurn, eagerness: str, pace: int
) -> tuple[list[int], int]:
    """Say a turn; return where in the audio turns ended, and where the sound did, in ms."""
    audio = silence(LEAD_MS) + sound(which)
    detection = {"type": "semantic_vad", "eagerness": eagerness, "create_response": False}
    async with connected(server, model="gpt-realtime") as client:
        heard = {"input": {"turn_detection": detection}}
        await client.send(type="session.update", session={"type": "realtime", "audio": heard})
        await client.until("session.updated")
        end_ms = speech_end(audio) // BYTES_PER_MS
        saying = asyncio.create_task(_append(client, audio + silence(TAIL_MS), pace))
        ends: list[int] = []
        while not ends or ends[-1] < end_ms:
            stopped: dict[str, Any] = (await client.until(STOPPED))[-1]
            ends.append(stopped["audio_end_ms"])
        saying.cancel()
        return ends, end_ms


async def _append(client: Client, audio: bytes, pace: int = 1) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    for place in range(0, len(audio), CHUNK_BYTES):
        piece = base64.b64encode(audio[place : place + CHUNK_BYTES]).decode()
        await client.send(type="input_audio_buffer.append", audio=piece)
        due += pace * CHUNK_BYTES / BYTES_PER_MS / 1000
        await asyncio.sleep(due - loop.time())


@pytest.mark.parametrize("name", ["command-01", "command-02", "command-07"])
async def test_complete_command_ends_its_turn_within_300_ms(
    voice_server: Server, name: str
) -> None:
    """A command that a skill knows ends its turn within 300 ms of its last sound."""
    delays = []
    for pace in PACES:
        ends, end_ms = await spoken(voice_server, turn(name), "auto", pace)
        delays.append(ends[-1] - end_ms)
        if len(ends) == 1 and delays[-1] <= ENDS_WITHIN_MS:
            return
    pytest.fail(f"{name} ended after {delays} ms")


@pytest.mark.parametrize("name", ["unfinished-04", "unfinished-07"])
@pytest.mark.parametrize("eagerness", ["medium", "high"])
async def test_pause_of_700_ms_after_an_unfinished_phrase_stays_one_turn(
    voice_server: Server, name: str, eagerness: str
) -> None:
    """Who stops to think for 700 ms in the middle of a phrase is not cut off."""
    which = turn(name)
    assert which.pauses_ms == (700,)
    found = []
    for pace in PACES:
        ends, _end_ms = await spoken(voice_server, which, eagerness, pace)
        found.append(ends)
        if len(ends) == 1:
            return
    pytest.fail(f"{which.text} was cut at {found} ms")


async def test_silence_alone_cuts_what_its_words_keep_together(voice_server: Server) -> None:
    """The same audio is cut where 500 ms of silence end a turn: the words make the difference."""
    which = turn("unfinished-07")
    audio = silence(LEAD_MS) + sound(which)
    detection = {"type": "server_vad", "silence_duration_ms": 500, "create_response": False}
    async with connected(voice_server, model="gpt-realtime") as client:
        heard = {"input": {"turn_detection": detection}}
        await client.send(type="session.update", session={"type": "realtime", "audio": heard})
        saying = asyncio.create_task(_append(client, audio + silence(TAIL_MS)))
        stopped = (await client.until(STOPPED))[-1]
        saying.cancel()
    assert stopped["audio_end_ms"] < speech_end(audio) // BYTES_PER_MS
