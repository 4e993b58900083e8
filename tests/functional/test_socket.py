"""The WebSocket from outside, with the echo engine."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import sqlite3
import string
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import websockets

from tests.functional import server as servers
from tests.functional.client import connected, types, until, user_text
from tests.functional.server import Server

TEXT_TURN = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


async def first_and_close(url: str, **options: Any) -> tuple[dict[str, Any], int, str]:
    """Connect, and return the error and the CLOSE that follow."""
    async with websockets.connect(url, **options) as socket:
        error = json.loads(await socket.recv())
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
    received = closed.value.rcvd
    assert received is not None
    return error["error"], received.code, received.reason


class TestHandshake:
    """CONTRACT 4: 101 for every attempt, then error and CLOSE."""

    async def test_wrong_key_closes_3000(self, plain_server: Server) -> None:
        """A bad key is told in band."""
        headers = {"Authorization": "Bearer sk-wrong-key-000000000000"}
        error, code, reason = await first_and_close(
            f"{plain_server.ws_url}?model=echo", additional_headers=headers
        )
        assert (code, reason) == (3000, "invalid_request_error.invalid_api_key")
        assert error["code"] == "invalid_api_key"
        assert "sk-wrong-key" not in error["message"]

    async def test_fault_of_ours_at_connect_is_told_and_can_be_tried_again(
        self, tmp_path: Path
    ) -> None:
        """What breaks before the session began is a server error, and a close that SDKs retry."""
        server = servers.start(tmp_path)
        try:
            server.wait_ready()
            key = servers.command(server, "keys", "create").strip()  # the server knows its own
            with closing(sqlite3.connect(tmp_path / "voiceengine.db")) as database:
                database.execute("DROP TABLE api_keys")
            error, code, reason = await first_and_close(
                f"{server.ws_url}?model=echo",
                additional_headers={"Authorization": f"Bearer {key}"},
            )
        finally:
            server.stop()
        assert (code, reason) == (1011, "server_error")
        assert (error["type"], error["code"]) == ("server_error", None)
        assert "api_key" not in error["message"]

    async def test_no_key_closes_3000(self, plain_server: Server) -> None:
        """No credential has no code."""
        error, code, reason = await first_and_close(f"{plain_server.ws_url}?model=echo")
        assert (code, reason) == (3000, "invalid_request_error")
        assert error["message"] == "Missing bearer or basic authentication in header"
        assert error["code"] is None

    @pytest.mark.parametrize(
        ("query", "code"), [("?model=gpt-nope", "invalid_model"), ("", "missing_model")]
    )
    async def test_bad_model_closes_4000(self, plain_server: Server, query: str, code: str) -> None:
        """An unknown or absent model ends the connection."""
        headers = {"Authorization": f"Bearer {plain_server.key}"}
        error, closed, reason = await first_and_close(
            plain_server.ws_url + query, additional_headers=headers
        )
        assert (error["code"], closed) == (code, 4000)
        assert reason == f"invalid_request_error.{code}"

    async def test_unknown_call_is_404(self, plain_server: Server) -> None:
        """A sideband to a call that is not there is refused before the upgrade."""
        headers = {"Authorization": f"Bearer {plain_server.key}"}
        url = f"{plain_server.ws_url}?call_id=rtc_none"
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url, additional_headers=headers)
        assert refused.value.response.status_code == 404

    async def test_sideband_without_a_key_closes_3000(self, plain_server: Server) -> None:
        """Who is nobody learns of no call."""
        _, code, _ = await first_and_close(f"{plain_server.ws_url}?call_id=rtc_none")
        assert code == 3000

    async def test_browser_subprotocols_select_realtime(self, plain_server: Server) -> None:
        """A browser's key rides in a subprotocol, which is never echoed."""
        offered = ["realtime", f"openai-insecure-api-key.{plain_server.key}"]
        url = f"{plain_server.ws_url}?model=echo"
        async with websockets.connect(url, subprotocols=offered) as socket:
            assert socket.subprotocol == "realtime"
            assert json.loads(await socket.recv())["type"] == "session.created"

    async def test_compression_is_declined(self, plain_server: Server) -> None:
        """permessage-deflate costs three times the CPU, so it is not negotiated."""
        async with connected(plain_server) as client:
            assert client.socket.protocol.extensions == []


class TestConversation:
    """Whole turns."""

    async def test_text_turn_order(self, plain_server: Server) -> None:
        """CONTRACT 8.1, to the event."""
        async with connected(plain_server) as client:
            await client.send(
                type="session.update", session={"type": "realtime", "output_modalities": ["text"]}
            )
            assert (await client.receive())["type"] == "session.updated"
            await client.send(type="conversation.item.create", item=user_text("good morning"))
            created = await client.until("conversation.item.done")
            assert types(created) == ["conversation.item.added", "conversation.item.done"]
            await client.send(type="response.create")
            events = await client.until("rate_limits.updated")
        assert types(events) == TEXT_TURN
        done = events[-2]["response"]
        assert done["output"][0]["content"] == [{"type": "output_text", "text": "good morning"}]

    async def test_audio_is_paced_and_whole(self, plain_server: Server) -> None:
        """The first 100 ms come at once, and all audio arrives before the part is done."""
        async with connected(plain_server) as client:
            await client.send(type="conversation.item.create", item=user_text("a" * 40))
            await client.send(type="response.create")
            events = await client.until("rate_limits.updated")
        deltas = [e for e in events if e["type"] == "response.output_audio.delta"]
        sizes = [len(base64.b64decode(event["delta"])) for event in deltas]
        assert sizes[0] <= 4_800
        assert sum(sizes) == 2_000 * 48
        assert max(sizes) <= 9_600

    async def test_cancel_closes_out(self, plain_server: Server) -> None:
        """A cancel ends what is open, and the response says why."""
        async with connected(plain_server) as client:
            await client.send(type="conversation.item.create", item=user_text("tone:20000"))
            await client.send(type="response.create")
            await client.until("response.output_audio.delta")
            await client.send(type="response.cancel")
            events = await client.until("response.done")
        assert events[-1]["response"]["status_details"] == {
            "type": "cancelled",
            "reason": "client_cancelled",
        }
        assert events[-1]["response"]["output"][0]["status"] == "incomplete"
        assert types(events)[-6:] == [
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]

    async def test_g711_output_is_eight_bit(self, plain_server: Server) -> None:
        """An answer in mu-law has one byte a sample at 8 kHz."""
        audio = {"output": {"format": {"type": "audio/pcmu"}}}
        async with connected(plain_server) as client:
            await client.send(type="session.update", session={"type": "realtime", "audio": audio})
            await client.send(type="conversation.item.create", item=user_text("a" * 20))
            await client.send(type="response.create")
            events = await client.until("response.done")
        deltas = [e for e in events if e["type"] == "response.output_audio.delta"]
        total = sum(len(base64.b64decode(event["delta"])) for event in deltas)
        assert abs(total - 8_000) <= 40

    async def test_retrieve_returns_the_audio_sent(self, plain_server: Server) -> None:
        """An item is shown with exactly the audio that went out."""
        async with connected(plain_server) as client:
            await client.send(type="conversation.item.create", item=user_text("abcdef"))
            await client.send(type="response.create")
            events = await client.until("response.done")
            sent = b"".join(
                base64.b64decode(event["delta"])
                for event in events
                if event["type"] == "response.output_audio.delta"
            )
            item_id = events[-1]["response"]["output"][0]["id"]
            await client.send(type="conversation.item.retrieve", item_id=item_id)
            shown = (await client.until("conversation.item.retrieved"))[-1]["item"]
        assert base64.b64decode(shown["content"][0]["audio"]) == sent

    async def test_push_to_talk_commit(self, plain_server: Server) -> None:
        """What was appended becomes an item; less than 100 ms is refused."""
        async with connected(plain_server) as client:
            await client.send(type="input_audio_buffer.commit", event_id="mine")
            refused = (await client.until("error"))[-1]["error"]
            assert refused["code"] == "input_audio_buffer_commit_empty"
            assert refused["event_id"] == "mine"
            half_second = base64.b64encode(bytes(24_000)).decode()
            await client.send(type="input_audio_buffer.append", audio=half_second)
            await client.send(type="input_audio_buffer.commit")
            events = await client.until("conversation.item.done")
        assert types(events) == [
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
        ]


class TestBounds:
    """What a client must not be able to break."""

    async def test_fifteen_mebibytes_are_legal(self, plain_server: Server) -> None:
        """The largest legal append is taken."""
        audio = base64.b64encode(bytes(15 * 1024 * 1024)).decode()
        async with connected(plain_server) as client:
            await client.send(type="input_audio_buffer.append", audio=audio)
            await client.send(type="input_audio_buffer.commit")
            events = await client.until("conversation.item.done")
        assert types(events)[0] == "input_audio_buffer.committed"

    async def test_malformed_messages_leave_the_session_usable(self, plain_server: Server) -> None:
        """A thousand bad messages of every kind each get an error, and a turn still works."""
        choose = random.Random(7)
        async with connected(plain_server) as client:
            reader = asyncio.create_task(count_errors(client, 1_000))
            for number in range(1_000):
                await client.socket.send(malformed(choose, number))
            assert await reader == 1_000
            await client.send(type="conversation.item.create", item=user_text("still here"))
            await client.send(type="response.create")
            events = await client.until("response.done")
        assert events[-1]["response"]["status"] == "completed"

    async def test_client_that_vanishes_is_told_from_one_that_leaves(
        self, plain_server: Server
    ) -> None:
        """A connection that ends without a CLOSE is a vanished client."""
        ended = "voiceengine_sessions_ended_total"
        left, gone = {"reason": "client_closed"}, {"reason": "client_vanished"}
        before = (plain_server.metric(ended, **left), plain_server.metric(ended, **gone))
        async with connected(plain_server):
            pass
        async with connected(plain_server) as client:
            client.socket.transport.abort()
        after = (before[0] + 1, before[1] + 1)
        await until(
            lambda: (
                (plain_server.metric(ended, **left), plain_server.metric(ended, **gone)) == after
            )
        )

    async def test_slow_reader_is_dropped(self, plain_server: Server) -> None:
        """A client that stops reading loses its session; nothing of it stays."""
        before = plain_server.metric("voiceengine_slow_readers_total")
        async with connected(plain_server) as slow:
            audio = base64.b64encode(bytes(1_500_000)).decode()
            await slow.send(type="input_audio_buffer.append", audio=audio)
            await slow.send(type="input_audio_buffer.commit")
            item_id = (await slow.until("conversation.item.done"))[-1]["item"]["id"]
            slow.socket.transport.pause_reading()
            for _ in range(30):  # 2 MB of answers each
                await slow.send(type="conversation.item.retrieve", item_id=item_id)
            await until(lambda: plain_server.metric("voiceengine_slow_readers_total") == before + 1)
            await until(lambda: plain_server.metric("voiceengine_sessions") == 0)
            slow.socket.transport.resume_reading()
            with pytest.raises(websockets.ConnectionClosed):
                await slow.until("nothing of this type")
        async with connected(plain_server) as client:
            await client.send(type="input_audio_buffer.clear")
            assert (await client.receive())["type"] == "input_audio_buffer.cleared"


async def count_errors(client: Any, wanted: int) -> int:
    count = 0
    while count < wanted:
        event = await client.receive()
        assert event["type"] == "error", event
        count += 1
    return count


def malformed(choose: random.Random, number: int) -> str | bytes:
    kinds: list[Any] = [
        lambda: bytes(choose.randrange(50)),
        lambda: "".join(choose.choice(string.printable) for _ in range(20)) + "{",
        lambda: json.dumps(choose.choice([1, None, True, "x", [], [1]])),
        lambda: json.dumps({"type": f"nope{number}"}),
        lambda: json.dumps({}),
        lambda: json.dumps({"type": 5}),
        lambda: json.dumps({"type": "session.update", "session": {"type": "realtime", "x": 1}}),
        lambda: json.dumps({"type": "session.update"}),
        lambda: json.dumps({"type": "input_audio_buffer.append", "audio": "!!!"}),
        lambda: json.dumps({"type": "input_audio_buffer.append", "audio": 5}),
        lambda: json.dumps({"type": "conversation.item.create", "item": {"type": "message"}}),
        lambda: json.dumps({"type": "conversation.item.delete", "item_id": "none"}),
        lambda: json.dumps({"type": "conversation.item.retrieve", "item_id": 9}),
        lambda: json.dumps({"type": "response.cancel", "extra": 1}),
        lambda: json.dumps({"type": "response.create", "response": []}),
        lambda: '{"type":"response.create","response":' + "[" * 300 + "]" * 300 + "}",
        lambda: (
            '{"type":"session.update","session":{"type":"realtime","audio":{"output":'
            '{"speed":1e999}}}}'
        ),
        lambda: '{"type":"response.create","event_id":"\\ud800"}',
        lambda: json.dumps({"type": "output_audio_buffer.clear"}),
        lambda: json.dumps({"type": "input_audio_buffer.commit", "event_id": "e" * 600}),
    ]
    return choose.choice(kinds)()
