"""What a server must be back to when its clients are gone, however they went."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import websockets

from bench.messages import memory_kib
from tests.functional.client import Client, connected, until, user_text
from tests.functional.relay import Relay
from tests.functional.server import Server

PING_S, PONG_S = 1.0, 1.5
RESTORED_S = 60.0
BRISK = {
    "VOICEENGINE_WS_PING_INTERVAL_S": str(PING_S),
    "VOICEENGINE_WS_PING_TIMEOUT_S": str(PONG_S),
    "VOICEENGINE_SEND_TIMEOUT_S": "2",
    "VOICEENGINE_SEND_QUEUE_BYTES": "262144",
}
"""Settings under which a client that is gone is noticed within seconds."""


class State:
    """What a server holds: sessions, tasks, files and sockets, memory."""

    def __init__(self, server: Server) -> None:
        self.sessions = server.metric("voiceengine_sessions")
        self.tasks = server.metric("voiceengine_tasks")
        self.files = len(list(_open_files(server.process.pid)))
        self.memory_kib = memory_kib(server.process.pid)

    def back_to(self, before: State) -> bool:
        """Say whether no more is held than before; two files are the scrape's own."""
        return (
            self.sessions <= before.sessions
            and self.tasks <= before.tasks
            and self.files <= before.files + 2
        )


def _open_files(process_id: int) -> Iterator[str]:
    """Yield what a process has open, but the database: its pool grows to a bound and stays."""
    for entry in Path(f"/proc/{process_id}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed while we looked
            target = str(entry.readlink())
            if ".db" not in Path(target).suffix:
                yield target


async def restored(server: Server, before: State, *, within_s: float = RESTORED_S) -> State:
    """Wait until the server is back to where it was; return how it is then."""
    found, deadline = State(server), time.monotonic() + within_s
    backlog = server.metric("voiceengine_recorder_backlog_rows")
    while not found.back_to(before) or backlog:
        assert time.monotonic() < deadline, (
            f"{vars(found)}, backlog {backlog}, before {vars(before)}"
        )
        await asyncio.sleep(0.2)
        found = State(server)
        backlog = server.metric("voiceengine_recorder_backlog_rows")
    return found


async def hold_idle(server: Server, count: int) -> float:
    """Hold idle sessions over several pings; return the KiB that each took."""
    before = State(server)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(server)) for _ in range(count)]
        await asyncio.sleep(PING_S + 2 * PONG_S)
        during = State(server)
        assert during.sessions == before.sessions + count
        assert during.tasks <= before.tasks + count, "more than one task for a session"
        for client in clients[:: max(count // 20, 1)]:
            await client.send(type="input_audio_buffer.clear")
            assert (await client.receive())["type"] == "input_audio_buffer.cleared"
    return (during.memory_kib - before.memory_kib) / count


async def stall(server: Server, count: int) -> None:
    """Clients that ask for much and read nothing; return when the server has dropped them."""
    dropped = server.metric("voiceengine_slow_readers_total")
    async with AsyncExitStack() as stack:
        for _ in range(count):
            client = await stack.enter_async_context(connected(server, close_timeout=0.1))
            await _ask_much(client)
        await until(lambda: server.metric("voiceengine_slow_readers_total") == dropped + count)
        await until(lambda: server.metric("voiceengine_sessions") == 0)


async def _ask_much(client: Client) -> None:
    audio = base64.b64encode(bytes(1_500_000)).decode()
    await client.send(type="input_audio_buffer.append", audio=audio)
    await client.send(type="input_audio_buffer.commit")
    item_id = (await client.until("conversation.item.done"))[-1]["item"]["id"]
    transport: Any = client.socket.transport
    transport.pause_reading()
    for _ in range(12):  # 2 MB of answers each
        await client.send(type="conversation.item.retrieve", item_id=item_id)


async def vanish(server: Server, count: int, *, speaking: bool) -> None:
    """Clients whose network goes silent, no FIN; return when their sessions have ended."""
    headers = {"Authorization": f"Bearer {server.key}"}
    gone = server.metric("voiceengine_sessions_ended_total", reason="client_vanished")
    slow = server.metric("voiceengine_slow_readers_total")
    async with Relay(server.port).running() as relay, AsyncExitStack() as stack:
        url = f"ws://127.0.0.1:{relay.port}/v1/realtime?model=echo"
        for _ in range(count):
            socket = await stack.enter_async_context(
                websockets.connect(
                    url,
                    additional_headers=headers,
                    ping_interval=None,
                    close_timeout=0.1,
                    max_queue=None,  # until the silence it reads, and so is no slow reader
                )
            )
            client = Client(socket)
            await client.until("session.created")
            if speaking:
                await client.send(type="conversation.item.create", item=user_text("tone:60000"))
                await client.send(type="response.create")
                await client.until("response.output_audio.delta")
        assert server.metric("voiceengine_sessions") == count
        relay.silence()
        await until(lambda: server.metric("voiceengine_sessions") == 0)
    ended = server.metric("voiceengine_sessions_ended_total", reason="client_vanished") - gone
    ended += server.metric("voiceengine_slow_readers_total") - slow
    assert ended == count
