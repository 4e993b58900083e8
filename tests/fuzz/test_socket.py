"""A smaller share of the mutations over a real socket: what bytes, frames and time do on top."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time

import pytest
import websockets

from tests.functional.client import connected, until, user_text
from tests.functional.server import Server
from tests.fuzz.campaign import SEED, seed_of_run
from tests.fuzz.laws import Broken, Laws, Shapes
from tests.fuzz.mutations import Mutations
from tests.fuzz.seeds import Json, Seeds

MUTATIONS = int(os.environ.get("VOICEENGINE_FUZZ_SOCKET", "2000"))
PER_SESSION = 50
SETTLED_S = 0.3
MOST_S = 20.0


class Client:
    """One session of a mutating client, with the laws over what it is sent."""

    def __init__(self, seeds: Seeds, shapes: Shapes, seed: str) -> None:
        self._chance = random.Random(seed)
        seeds.reseed(self._chance)
        self._seeds = seeds
        self._mutations = Mutations(self._chance, seeds.an_id, seeds.event)
        self._laws = Laws(shapes)
        self.frames: list[str | bytes] = []
        """What was sent, to be told when a law breaks."""

    async def play(self, server: Server) -> None:
        """Connect, mutate, then talk as anybody would."""
        async with connected(server, max_queue=None) as client:
            reading = asyncio.create_task(self._read(client.socket))
            for number in range(PER_SESSION):
                await self._send(client.socket, self._frame(number))
                if number % 10 == 9:
                    await asyncio.sleep(0)
                if reading.done():
                    break
            await self._converse(client.socket, reading)
            reading.cancel()

    def _frame(self, number: int) -> str | bytes:
        event = self._seeds.event()
        event["event_id"] = f"f:{number}"
        return self._mutations.frame(event)

    async def _send(self, socket: websockets.ClientConnection, frame: str | bytes) -> None:
        self.frames.append(frame)
        self._laws.ask(frame)
        await socket.send(frame)

    async def _read(self, socket: websockets.ClientConnection) -> None:
        async for raw in socket:
            event = json.loads(raw)
            self._laws.look(str(raw), event)
            if event["type"] == "conversation.item.added":
                self._seeds.known.append(event["item"]["id"])

    async def _converse(
        self, socket: websockets.ClientConnection, reading: asyncio.Task[None]
    ) -> None:
        calm: list[Json] = [
            {"type": "session.update", "session": {"type": "realtime", "tools": [],
             "tool_choice": "auto", "output_modalities": ["text"], "max_output_tokens": "inf"}},
            {"type": "response.cancel"},
        ]  # fmt: skip
        for event in calm:
            await self._send(socket, json.dumps(event))
        await self._reached(reading, lambda: not self._laws.live)
        done = self._laws.counts.get("response.done", 0)
        item = user_text("still here")
        await self._send(socket, json.dumps({"type": "conversation.item.create", "item": item}))
        await self._send(
            socket, json.dumps({"type": "response.create", "response": {"input": [item]}})
        )
        await self._reached(reading, lambda: self._laws.counts.get("response.done", 0) > done)

    async def _reached(self, reading: asyncio.Task[None], holds: object) -> None:
        assert callable(holds)
        until_s = time.monotonic() + MOST_S
        while not holds():
            if reading.done():
                reading.result()
                raise Broken("closed", "the server ended the session")
            if time.monotonic() > until_s:
                raise Broken("stuck", f"{self._laws.counts}, live {self._laws.live}")
            await asyncio.sleep(0.01)


@pytest.mark.timeout(600)
async def test_mutations_over_the_socket_break_no_law(plain_server: Server) -> None:
    """The real server, codec and socket: no crash, no stuck session, no frame outside the schema."""
    seed = seed_of_run()
    seeds, shapes = Seeds(random.Random(seed)), Shapes()
    for number in range(-(-MUTATIONS // PER_SESSION)):
        client = Client(seeds, shapes, f"{seed}:socket:{number}")
        try:
            await client.play(plain_server)
        except (Broken, websockets.ConnectionClosed) as wrong:
            told = "\n".join(f"  {frame[:300]!r}" for frame in client.frames[-PER_SESSION:])
            raise AssertionError(f"{SEED}={seed}, session {number}: {wrong}\n{told}") from wrong
    await until(lambda: plain_server.metric("voiceengine_sessions") == 0)
    print(f"seed {seed}: {MUTATIONS} mutations over the socket")
