"""Callers who mean harm: half-open calls, floods on the data channel; bounded, clear, and freed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
from aiortc import RTCSessionDescription

from bench.messages import memory_kib
from tests.functional import server as servers
from tests.functional.caller import Caller, calling
from tests.functional.lifetimes import BRISK, State, restored
from tests.functional.server import Server
from tests.fuzz.offers import OFFERS

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

MOST = 20
CONNECT_S = 3
FLOOD = 2_000
FLOODED = "client_flooded"
MOST_GROWN_KIB = 24 * 1024
"""What a flood may leave for a moment; each of these sends or asks for three times as much."""
ECHO = {"type": "realtime", "model": "echo"}


@pytest.fixture(scope="module")
def guarded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes few calls and waits briefly."""
    env = {
        **BRISK,
        "VOICEENGINE_CALLS_MOST": str(MOST),
        "VOICEENGINE_CALL_CONNECT_TIMEOUT_S": str(CONNECT_S),
    }
    server = servers.start(tmp_path_factory.mktemp("guarded"), env=env)
    server.wait_ready()
    yield server
    assert server.stop() == 0


async def half_open(server: Server, count: int) -> list[httpx.Response]:
    """Offer calls and never connect; return the answers."""
    async with calling(server) as caller, caller.http() as http:

        async def one(number: int) -> httpx.Response:
            answer = await http.post(
                "/realtime/calls?model=echo",
                content=OFFERS[number % len(OFFERS)],
                headers={"Content-Type": "application/sdp"},
            )
            if answer.status_code != 201:
                assert answer.json()["error"]["code"] == "too_many_calls"
            return answer

        return await asyncio.gather(*(one(number) for number in range(count)))


async def test_half_open_calls_are_bounded_and_freed(guarded_server: Server) -> None:
    """As many as the setting says, 503 beyond; after the time to connect nothing is left."""
    before = State(guarded_server)
    answers = await half_open(guarded_server, 2 * MOST)
    assert sorted(answer.status_code for answer in answers) == [201] * MOST + [503] * MOST
    await restored(guarded_server, before)
    async with calling(guarded_server) as caller:
        assert (await caller.dial(ECHO)).status_code == 201
        await caller.until("session.created")


class Boundless(Caller):
    """A caller who does not hold to the size of messages that it was told."""

    def described(self, answer: str) -> RTCSessionDescription:
        """Return the answer with another bound in it."""
        return RTCSessionDescription(
            answer.replace("a=max-message-size:262144", "a=max-message-size:1073741823"), "answer"
        )


async def begun(caller: Caller) -> Caller:
    """Dial, and wait for the session."""
    answer = await caller.dial(ECHO)
    assert answer.status_code == 201, answer.text
    await caller.until("session.created")
    return caller


def endings(server: Server, reason: str) -> float:
    """Return how many calls ended for this reason."""
    return server.metric("voiceengine_calls_ended_total", reason=reason)


async def ended(server: Server, reason: str, before: float) -> None:
    """Wait until one more call ended for this reason."""
    async with asyncio.timeout(60):
        while endings(server, reason) <= before:
            await asyncio.sleep(0.1)


async def flood(server: Server, count: int, *, most_kib: int = MOST_GROWN_KIB) -> int:
    """Send so many events at once; each has its answer, or the call ends. Return how many had."""
    memory = memory_kib(server.process.pid)
    async with calling(server) as caller:
        mute(caller)
        await begun(caller)
        for number in range(count):
            caller.send("no.such.event", event_id=f"event_{number}", padding="x" * 500)
        while len(caller.events) <= count and caller.connection.connectionState == "connected":
            await asyncio.sleep(0.1)
            assert memory_kib(server.process.pid) - memory < most_kib
        if caller.connection.connectionState == "connected":
            told = [event["error"]["event_id"] for event in caller.events[1:]]
            assert told == [f"event_{number}" for number in range(count)]
    return len(caller.events) - 1


def mute(caller: Caller) -> None:
    """Let a caller send no sound: what it says may be kept, and grows memory by its own right."""
    caller.connection.getSenders()[0].replaceTrack(None)


async def test_messages_in_a_flood_are_answered_or_end_the_call(guarded_server: Server) -> None:
    """Thousands of events at once: each has its answer, or the call ends; memory is bounded."""
    before, many = State(guarded_server), endings(guarded_server, FLOODED)
    async with asyncio.timeout(120):
        answered = await flood(guarded_server, FLOOD)
    assert answered == FLOOD or endings(guarded_server, FLOODED) == many + 1
    await restored(guarded_server, before)


@pytest.mark.parametrize("size", [300_000, 30_000_000], ids=["too large", "without end"])
async def test_message_too_large_ends_the_call(guarded_server: Server, size: int) -> None:
    """A message past 256 KiB is refused with the call, and is not collected to its end."""
    before, memory = State(guarded_server), memory_kib(guarded_server.process.pid)
    many, caller = endings(guarded_server, FLOODED), Boundless(guarded_server)
    try:
        await begun(caller)
        caller.channel.send(json.dumps({"type": "no.such.event", "padding": "x" * size}))
        await ended(guarded_server, FLOODED, many)
        assert memory_kib(guarded_server.process.pid) - memory < MOST_GROWN_KIB
    finally:
        await caller.close()
    await restored(guarded_server, before)


async def test_channels_without_number_end_the_call(guarded_server: Server) -> None:
    """One channel is used, a few more are borne."""
    before, many = State(guarded_server), endings(guarded_server, FLOODED)
    async with calling(guarded_server) as caller:
        await begun(caller)
        for number in range(100):
            caller.connection.createDataChannel(f"more-{number}")
        await ended(guarded_server, FLOODED, many)
    await restored(guarded_server, before)


async def test_reader_who_takes_nothing_ends_the_call(guarded_server: Server) -> None:
    """What waits for a caller that acknowledges nothing is bounded."""
    before, memory = State(guarded_server), memory_kib(guarded_server.process.pid)
    many = endings(guarded_server, "client_too_slow")
    async with calling(guarded_server) as caller:
        await begun(caller)
        deaf(caller)
        for _ in range(40):
            caller.send("session.update", session={**ECHO, "instructions": "x" * 20_000})
        await ended(guarded_server, "client_too_slow", many)
        assert memory_kib(guarded_server.process.pid) - memory < MOST_GROWN_KIB
    await restored(guarded_server, before)


def deaf(caller: Caller) -> None:
    """Let a caller acknowledge no data."""
    sctp: Any = caller.connection.sctp

    async def nothing(_chunk: Any = None) -> None:
        return

    sctp._receive_data_chunk = nothing
