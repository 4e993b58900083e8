"""The client against a worker that answers late, in pieces, or in nonsense."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from conformance.contracts.recogniser import Hearing
from conformance.contracts.synthesiser import Speaking
from conformance.contracts.voice_activity import START, Watching
from ovos_bridge.speech.client import SpeechClient
from ovos_bridge.speech.protocol import (
    HEADER,
    MAX_PAYLOAD_BYTES,
    POSITION,
    PROBABILITY,
    Ask,
    FrameReader,
    Tell,
    frame,
)
from realtime.engine import RecognitionFailed, SpeechProbability, TranscriptFinal
from tests.ovos_bridge.speech.workers import Link, linked

SETTLE_S = 0.1


def final(stream: int, text: str) -> bytes:
    """Return the frame of a transcript."""
    return frame(Tell.STT_FINAL, stream, json.dumps({"text": text, "logprobs": []}).encode())


class Script:
    """A worker played by the test: it keeps what it was asked and says what it is told to.

    A real worker cannot be made to answer in the very moment in which a stream is closed.
    """

    def __init__(self) -> None:
        """Nobody is connected."""
        self.asked: list[tuple[int, int, bytes]] = []
        self.connections = 0
        self._changed = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read until the client goes."""
        self._writer = writer
        self.connections += 1
        frames = FrameReader()
        while data := await reader.read(65_536):
            self.asked += frames.feed(data)
            self._changed.set()
        writer.close()

    def say(self, raw: bytes) -> None:
        """Send bytes to the client."""
        assert self._writer is not None
        self._writer.write(raw)

    async def stream_of(self, kind: Ask) -> int:
        """Wait until something was asked; return the stream of the latest."""
        async with asyncio.timeout(30):
            while not (streams := [s for k, s, _ in self.asked if k == kind]):
                self._changed.clear()
                await self._changed.wait()
        return streams[-1]


@asynccontextmanager
async def scripted(folder: Path) -> AsyncIterator[tuple[SpeechClient, Script, Link]]:
    """Run a scripted worker with a client connected to it."""
    script = Script()
    path = str(folder / "s")
    server = await asyncio.start_unix_server(script.serve, path)
    async with server, linked(path) as (client, link):
        await link.wait(connected=True)
        yield client, script, link


async def test_transcript_on_its_way_at_close_is_dropped(tmp_path: Path) -> None:
    """A transcript that crosses the `close` is nobody's."""
    async with scripted(tmp_path) as (client, script, _link):
        hearing = Hearing(client.recogniser)
        hearing.stream.commit()
        stream = await script.stream_of(Ask.STT_COMMIT)
        hearing.stream.close()
        script.say(frame(Tell.STT_PARTIAL, stream, json.dumps({"delta": "late"}).encode()))
        script.say(final(stream, "late"))
        await asyncio.sleep(SETTLE_S)
        assert hearing.reports == []


async def test_audio_on_its_way_at_cancel_is_dropped(tmp_path: Path) -> None:
    """Speech that crosses the `cancel` is not heard, and its end is not reported."""
    async with scripted(tmp_path) as (client, script, _link):
        speaking = Speaking(client.synthesiser)
        speaking.say("seg_1")
        stream = await script.stream_of(Ask.TTS_SPEAK)
        script.say(frame(Tell.TTS_AUDIO, stream, bytes(2)))
        await speaking.until(lambda: bool(speaking.pieces))
        speaking.session.cancel("resp_1")
        script.say(frame(Tell.TTS_AUDIO, stream, bytes(2)) + frame(Tell.TTS_DONE, stream))
        assert await script.stream_of(Ask.TTS_CANCEL) == stream
        await asyncio.sleep(SETTLE_S)
        assert len(speaking.pieces) == 1
        assert speaking.ends == []


async def test_probability_on_its_way_at_close_is_dropped(tmp_path: Path) -> None:
    """A judgement that crosses the `close` is nobody's."""
    async with scripted(tmp_path) as (client, script, _link):
        watching = Watching(client.detector)
        stream = await script.stream_of(Ask.VAD_OPEN)
        assert (Ask.VAD_OPEN, stream, POSITION.pack(START)) in script.asked
        watching.stream.close()
        script.say(frame(Tell.VAD_PROBABILITIES, stream, PROBABILITY.pack(START + 1, 0.9)))
        await asyncio.sleep(SETTLE_S)
        assert watching.reports == []


async def test_frames_cut_anywhere_are_put_together(tmp_path: Path) -> None:
    """How the socket cuts the worker's words does not matter."""
    async with scripted(tmp_path) as (client, script, _link):
        watching, hearing = Watching(client.detector), Hearing(client.recogniser)
        hearing.stream.commit()
        seen = await script.stream_of(Ask.VAD_OPEN)
        said = await script.stream_of(Ask.STT_COMMIT)
        places = PROBABILITY.pack(START + 1, 0.25) + PROBABILITY.pack(START + 2, 0.5)
        raw = frame(Tell.VAD_PROBABILITIES, seen, places)
        raw += final(said, "caf\u00e9")
        for byte in raw:
            script.say(bytes([byte]))
            await asyncio.sleep(0)
        await asyncio.wait_for(hearing.ended.wait(), 30)
        assert watching.reports == [
            SpeechProbability(START + 1, 0.25),
            SpeechProbability(START + 2, 0.5),
        ]
        assert hearing.reports == [TranscriptFinal("item_contract", "caf\u00e9")]


async def test_frames_of_nobody_are_passed_over(tmp_path: Path) -> None:
    """Frames of unknown streams and kinds disturb nothing."""
    async with scripted(tmp_path) as (client, script, _link):
        hearing = Hearing(client.recogniser)
        hearing.stream.commit()
        stream = await script.stream_of(Ask.STT_COMMIT)
        for kind, other in itertools.product((*Tell, 99), (0, stream + 1_000)):
            script.say(frame(kind, other, b"?"))
        script.say(frame(99, stream, b"?") + final(stream, "yes"))
        await asyncio.wait_for(hearing.ended.wait(), 30)
        assert hearing.reports == [TranscriptFinal("item_contract", "yes")]


async def test_worker_that_talks_nonsense_is_left_and_tried_anew(tmp_path: Path) -> None:
    """A frame longer than any may be ends the connection, and another is made."""
    async with scripted(tmp_path) as (_client, script, link):
        script.say(HEADER.pack(MAX_PAYLOAD_BYTES + 1, Tell.PONG, 0))
        await link.wait(connected=False)
        await link.wait(connected=True)
        assert script.connections == 2


@pytest.mark.parametrize("told", [b"no JSON", b'{"text":"of a later version"}', b"[]"])
async def test_frame_that_cannot_be_read_costs_the_connection_only(
    tmp_path: Path, told: bytes
) -> None:
    """What is open fails, another connection is made, and it serves: a worker may be newer."""
    async with scripted(tmp_path) as (client, script, link):
        hearing = Hearing(client.recogniser)
        hearing.stream.commit()
        script.say(frame(Tell.STT_FINAL, await script.stream_of(Ask.STT_COMMIT), told))
        await asyncio.wait_for(hearing.ended.wait(), 30)
        assert isinstance(hearing.reports[-1], RecognitionFailed)
        await link.wait(connected=False)
        await link.wait(connected=True)
        again = Hearing(client.recogniser)
        again.stream.commit()
        async with asyncio.timeout(30):
            while len({s for k, s, _ in script.asked if k == Ask.STT_COMMIT}) < 2:
                await asyncio.sleep(0.01)
        script.say(final(await script.stream_of(Ask.STT_COMMIT), "yes"))
        await asyncio.wait_for(again.ended.wait(), 30)
        assert again.reports == [TranscriptFinal("item_contract", "yes")]


async def test_audio_fed_in_one_turn_of_the_loop_goes_in_order(tmp_path: Path) -> None:
    """Writes are put together per turn of the loop and keep their order."""
    async with scripted(tmp_path) as (client, script, _link):
        hearing = Hearing(client.recogniser)
        for number in range(50):
            hearing.stream.feed(bytes([number, 0]))
        hearing.stream.commit()
        stream = await script.stream_of(Ask.STT_COMMIT)
        mine = [(kind, payload) for kind, s, payload in script.asked if s == stream]
        assert [kind for kind, _ in mine] == [Ask.STT_OPEN, *[Ask.STT_AUDIO] * 50, Ask.STT_COMMIT]
        assert [p[0] for k, p in mine if k == Ask.STT_AUDIO] == list(range(50))
