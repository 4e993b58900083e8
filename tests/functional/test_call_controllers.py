"""A call's controllers stay consistent: the browser's channel and sidebands (CONTRACT 14)."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import websockets

from gateway.ingress.webrtc.channel import without_media
from gateway.ingress.webrtc.offer import most_message_bytes
from tests.functional.caller import Caller, calling
from tests.functional.server import Server

pytestmark = pytest.mark.timeout(90)

ECHO = {"type": "realtime", "model": "echo"}
PERSONAL = {"session.created", "error", "conversation.item.retrieved"}
"""Events that go to one controller."""


class Sideband:
    """One more controller; keeps what it is told."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.events: list[dict[str, Any]] = []

    async def read(self) -> None:
        """Take events until the socket is closed."""
        async for text in self._socket:
            self.events.append(json.loads(text))

    async def send(self, kind: str, **fields: Any) -> None:
        """Send a client event."""
        await self._socket.send(json.dumps({"type": kind, **fields}))


@asynccontextmanager
async def attached(server: Server, call_id: str, key: str) -> AsyncIterator[Sideband]:
    """Attach a sideband."""
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{server.ws_url}?call_id={call_id}"
    async with websockets.connect(url, additional_headers=headers, max_size=None) as socket:
        sideband = Sideband(socket)
        reading = asyncio.create_task(sideband.read())
        yield sideband
        reading.cancel()


async def seen(who: Caller | Sideband, kind: str, **fields: Any) -> dict[str, Any]:
    """Return an event of a type with these fields, once it is there."""
    async with asyncio.timeout(30):
        while True:
            for event in who.events:
                if event["type"] == kind and fields.items() <= event.items():
                    return event
            await asyncio.sleep(0.02)


def shared(who: Caller | Sideband, after: str) -> list[tuple[str, str]]:
    """Return the events for all from one on, by type and id."""
    told = [(event["type"], event["event_id"]) for event in who.events]
    ids = [event_id for _, event_id in told]
    return [(kind, number) for kind, number in told[ids.index(after) :] if kind not in PERSONAL]


async def test_three_controllers_see_and_do_the_same(plain_server: Server) -> None:
    """Updates, calls and their outputs are everybody's; errors and answers are one's own."""
    async with AsyncExitStack() as stack:
        minter = await stack.enter_async_context(calling(plain_server))
        async with minter.http() as http:
            minted = await http.post("/realtime/client_secrets", json={"session": ECHO})
        key = str(minted.json()["value"])
        caller = await stack.enter_async_context(calling(plain_server, key))
        assert (await caller.dial()).status_code == 201
        await caller.until("session.created")
        first, second = [
            await stack.enter_async_context(attached(plain_server, caller.call_id, credential))
            for credential in (plain_server.key, key)
        ]
        everybody = (caller, first, second)
        for one in everybody:
            assert (await seen(one, "session.created"))["session"]["model"] == "echo"

        # the first sideband brings a tool: all are told the same
        tool = {"type": "function", "name": "look_up", "parameters": {"type": "object"}}
        session = {"type": "realtime", "tools": [tool], "tool_choice": "required"}
        await first.send("session.update", session=session)
        told = [await seen(one, "session.updated") for one in everybody]
        start = told[0]["event_id"]
        assert {event["event_id"] for event in told} == {start}
        assert told[0]["session"]["tools"][0]["name"] == "look_up"

        # the browser asks, the model calls, the second sideband answers the call
        caller.ask("what is it")
        calls = [
            (await seen(one, "response.function_call_arguments.done"))["call_id"]
            for one in everybody
        ]
        assert len(set(calls)) == 1
        output = {"type": "function_call_output", "call_id": calls[0], "output": "forty-two"}
        await seen(second, "response.done")
        await second.send("session.update", session={"type": "realtime", "tool_choice": "none"})
        await second.send("conversation.item.create", item=output)
        await second.send("response.create")
        for one in everybody:
            done = await seen(one, "response.output_audio_transcript.done")
            assert done["transcript"] == "forty-two"
            await seen(one, "output_audio_buffer.stopped")

        # the browser's answer to a call that nobody made is the browser's error
        caller.send("conversation.item.create", item={**output, "call_id": "call_none"})
        await second.send("response.cancel", event_id="mine")
        await first.send("conversation.item.retrieve", item_id=done["item_id"])
        assert (await seen(caller, "error"))["error"]["code"] == "invalid_tool_call_id"
        mistake = (await seen(second, "error"))["error"]
        assert (mistake["code"], mistake["event_id"]) == ("response_cancel_not_active", "mine")
        await seen(first, "conversation.item.retrieved")
        caller.send("input_audio_buffer.clear", event_id="last")
        for one in everybody:
            await seen(one, "input_audio_buffer.cleared")
        assert "error" not in {event["type"] for event in first.events}
        assert not [event for event in caller.events if event["type"].endswith("retrieved")]

        stories = [shared(one, start) for one in everybody]
        assert stories[0] == stories[1] == stories[2]
        assert "response.output_audio.delta" not in {kind for kind, _ in stories[0]}

        # whoever ends it ends it for all
        assert await caller.hang_up() == 200
        await caller.closed()


class TestLargeEvents:
    async def test_callers_bound_is_kept(self, plain_server: Server) -> None:
        """An item whose audio passes what this caller takes comes without it, an image too."""
        async with calling(plain_server) as caller:
            offer = await caller.offer()
            offer = re.sub("a=max-message-size:[0-9]+", "a=max-message-size:20000", offer)
            async with caller.http() as http:
                answer = await http.post(
                    "/realtime/calls?model=echo",
                    content=offer,
                    headers={"Content-Type": "application/sdp"},
                )
            caller.call_id = answer.headers["location"].rsplit("/", 1)[1]
            await caller.connection.setRemoteDescription(caller.described(answer.text))
            await caller.until("session.created")
            caller.ask("tone:1000")
            done = await caller.until("response.done")
            item_id = done["response"]["output"][0]["id"]
            caller.send("conversation.item.retrieve", item_id=item_id)
            retrieved = await caller.until("conversation.item.retrieved")
            assert "audio" not in retrieved["item"]["content"][0]
            assert retrieved["item"]["content"][0]["transcript"]
            async with attached(plain_server, caller.call_id, caller.key) as sideband:
                await seen(sideband, "session.created")
                png = "data:image/png;base64," + base64.b64encode(bytes(30_000)).decode()
                shown = {"type": "input_image", "image_url": png}
                item = {"id": "item_image", "type": "message", "role": "user", "content": [shown]}
                await sideband.send("conversation.item.create", item=item)
                added = await caller.until(
                    "conversation.item.added", where=lambda it: it["item"]["id"] == "item_image"
                )
                assert added["item"]["content"][0]["type"] == "input_image"
                session = {"type": "realtime", "instructions": "long " * 5_000}
                await sideband.send("session.update", session=session)
                told = await caller.until("error")
                assert told["error"]["code"] == "event_too_large"
                await seen(sideband, "session.updated")
                assert "error" not in {event["type"] for event in sideband.events}

    @pytest.mark.parametrize(
        ("line", "most"),
        [
            ("", 65_536),
            ("a=max-message-size:0", 262_144),
            ("a=max-message-size:1073741823", 262_144),
            ("a=max-message-size:1000", 1_000),
            ("a=max-message-size:many", 65_536),
        ],
    )
    def test_bound_is_read_from_the_offer(self, line: str, most: int) -> None:
        """What is not said is 64 KiB (RFC 8841); 0 is as much as we ever send."""
        assert most_message_bytes(f"v=0\r\nm=application 9 x\r\n{line}\r\n") == most

    def test_event_without_media_cannot_be_shortened(self) -> None:
        """None: an error must say what is missing."""
        assert without_media('{"type":"session.updated","session":{"x":"yyyyyyyyy"}}', 20) is None
