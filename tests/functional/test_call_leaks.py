"""Calls that end leave nothing: objects in our own process, and everything else in the server's."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.ingress.webrtc.codecs import OpusStream, OpusVoice
from gateway.ingress.webrtc.connection import MediaConnection
from gateway.ingress.webrtc.ice import IceConnection
from gateway.ingress.webrtc.leg import WebRtcLeg
from gateway.ingress.webrtc.peer import Peer
from gateway.ingress.webrtc.sending import Stream
from gateway.ingress.webrtc.sockets import MediaSocket
from gateway.ingress.webrtc.voice import Voice, VoiceTrack
from gateway.sessions.calls import Call
from realtime.media.playout import Playout
from tests.functional import server as servers
from tests.functional.caller import calling
from tests.functional.client import until
from tests.functional.lifetimes import BRISK, State, restored
from tests.functional.server import Server
from tests.functional.test_leaks import Inside, folder, inside

__all__ = ["folder", "inside"]

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

OF_A_CALL = (
    Call, IceConnection, MediaConnection, MediaSocket, OpusStream, OpusVoice, Peer, Playout,
    Stream, Voice, VoiceTrack, WebRtcLeg,
)  # fmt: skip
INSIDE, CALLS = 6, 18
ECHO = {"type": "realtime", "model": "echo"}


async def short_call(server: Any, number: int) -> None:
    """Speak and listen for a moment, and end in one of three ways."""
    async with calling(server) as caller:
        assert (await caller.dial(ECHO)).status_code == 201
        await caller.until("session.created")
        caller.ask("tone:5000")
        await caller.until("output_audio_buffer.started")
        while not caller.loud_s():
            await asyncio.sleep(0.02)
        if number % 3 == 0:
            assert await caller.hang_up() == 200
            await caller.closed()
        elif number % 3 == 1:
            caller.send("output_audio_buffer.clear")
            await caller.until("output_audio_buffer.cleared")


def alive() -> Counter[str]:
    """Count the objects of calls."""
    gc.collect()
    found = (type(thing) for thing in gc.get_objects())
    return Counter(kind.__name__ for kind in found if kind in OF_A_CALL)


class _Inside:
    """The server in this process, as a caller knows it."""

    def __init__(self, inside: Inside) -> None:
        self.url = inside.url.split("/realtime")[0].replace("ws:", "http:")
        self.key = inside.key


async def test_no_object_of_a_call_outlives_it(inside: Inside) -> None:
    """However it ended: connection, sockets, leg, codecs, tasks."""
    tasks = len(asyncio.all_tasks())
    for number in range(INSIDE):
        await short_call(_Inside(inside), number)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    await until(lambda: not alive())


@pytest.fixture(scope="module")
def brisk_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that notices within seconds that a caller is gone."""
    server = servers.start(tmp_path_factory.mktemp("brisk"), env=BRISK)
    server.wait_ready()
    yield server
    assert server.stop() == 0


async def calls(server: Server, count: int, *, at_once: int = 6) -> None:
    """Make short calls, some at once."""
    for first in range(0, count, at_once):
        async with asyncio.TaskGroup() as tasks:
            for number in range(first, min(first + at_once, count)):
                tasks.create_task(short_call(server, number))


async def test_calls_leave_the_server_as_it_was(brisk_server: Server) -> None:
    """Tasks, sockets and files are back; memory needs more calls to tell, which the soak makes."""
    before = State(brisk_server)
    await calls(brisk_server, CALLS)
    await restored(brisk_server, before)
