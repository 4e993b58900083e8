"""The worker against clients that misbehave."""

from __future__ import annotations

import asyncio
import random
import stat
from pathlib import Path

import pytest

from conformance.contracts.recogniser import Hearing
from ovos_bridge.speech.client import SpeechClient
from ovos_bridge.speech.protocol import HEADER, MAX_PAYLOAD_BYTES, POSITION, Ask, frame
from realtime.engine import RecognitionFailed
from tests.ovos_bridge.speech.test_recognition import heard
from tests.ovos_bridge.speech.workers import QUESTION_TEXT, Worker, linked

pytestmark = pytest.mark.real

NONSENSE = {
    "too_long": HEADER.pack(MAX_PAYLOAD_BYTES + 1, Ask.PING, 1),
    "short_position": frame(Ask.VAD_OPEN, 1, b"\0"),
    "no_json": frame(Ask.TTS_SPEAK, 1, b"{"),
    "json_of_another_shape": frame(Ask.TTS_SPEAK, 1, b"[]"),
    "phrases_of_another_shape": frame(Ask.GRAMMAR, 1, b"5"),
    "streams_never_opened": b"".join(frame(kind, 77, b"\0\0") for kind in (2, 3, 11, 14, 15, 21)),
    "unknown_kinds": b"".join(frame(kind, 1) for kind in (0, 9, 200)),
    "noise": random.Random(7).randbytes(4_096),
}


@pytest.mark.parametrize("raw", NONSENSE.values(), ids=NONSENSE.keys())
async def test_nonsense_from_one_client_leaves_the_worker_working(
    worker: Worker, client: SpeechClient, question: bytes, raw: bytes
) -> None:
    """Whatever one connection sends, the others are served."""
    _reader, writer = await asyncio.open_unix_connection(worker.socket)
    try:
        writer.write(raw)
        await writer.drain()
        await asyncio.sleep(0.1)
        assert await heard(client, question) == QUESTION_TEXT
        assert client.connected
    finally:
        writer.close()


async def test_half_a_sample_for_detection_leaves_the_worker_working(own_worker: Worker) -> None:
    """Audio that cannot be judged costs its own stream, not every caller's engine."""
    async with linked(own_worker.socket) as (client, link):
        await link.wait(connected=True)
        raw = frame(Ask.VAD_OPEN, 2, POSITION.pack(0)) + frame(Ask.VAD_AUDIO, 2, b"x")
        _reader, writer = await asyncio.open_unix_connection(own_worker.socket)
        writer.write(raw)
        await writer.drain()
        await asyncio.sleep(0.5)
        writer.close()
        assert link.up.is_set()
        assert (await client.probe())["voices"] == 10


async def test_utterance_that_failed_costs_only_itself(own_worker: Worker, question: bytes) -> None:
    """The slot that heard a failed utterance hears the next one."""
    async with linked(own_worker.socket) as (client, link):
        await link.wait(connected=True)
        failing = Hearing(client.recogniser)
        failing.stream.feed(b"x")
        await failing.end()
        assert isinstance(failing.reports[-1], RecognitionFailed)
        for _ in range(4):
            assert await heard(client, question) == QUESTION_TEXT


async def test_gateway_that_vanishes_leaves_its_slots(
    worker: Worker, client: SpeechClient, question: bytes
) -> None:
    """What a gateway had open ends with its connection."""
    async with linked(worker.socket) as (other, link):
        await link.wait(connected=True)
        for number in range(8):
            Hearing(other.recogniser, f"item_{number}").stream.feed(question)
        await asyncio.sleep(0.1)
    assert await heard(client, question) == QUESTION_TEXT


async def test_socket_is_its_owner_s_only(worker: Worker, client: SpeechClient) -> None:
    """Nobody else on the machine can listen in."""
    assert client.connected
    assert stat.S_IMODE(Path(worker.socket).stat().st_mode) == 0o600
