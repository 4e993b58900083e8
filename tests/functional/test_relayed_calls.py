"""Calls to a model that another endpoint answers for: its voice is played here, and heard there."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import websockets

from tests.functional import server as servers
from tests.functional.caller import Caller, calling
from tests.functional.client import QUESTION, Client, types
from tests.functional.server import Server
from tests.servers import upstream
from tests.servers.upstream import KEY

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

SPOKEN_MS = 9_000
PLAYBACK = "output_audio_buffer."


@pytest.fixture(scope="module")
def gateway(plain_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway that relays to a second one, and to a stand-in."""
    with upstream.running() as url:
        theirs = {"url": url, "model": "theirs", "api_key": KEY}
        echo = {"url": plain_server.ws_url, "model": "echo", "api_key": plain_server.key}
        models = {"relayed": echo, "stand-in": theirs}
        env = {"VOICEENGINE_RELAYS": json.dumps(models)}
        server = servers.start(tmp_path_factory.mktemp("relayed-calls"), env=env)
        server.wait_ready()
        yield server
        assert server.stop() == 0


@asynccontextmanager
async def called(gateway: Server, model: str = "stand-in") -> AsyncIterator[Caller]:
    """Call a model."""
    async with calling(gateway) as caller:
        answer = await caller.dial({"type": "realtime", "model": model})
        assert answer.status_code == 201, answer.text
        await caller.until("session.created")
        if model == "stand-in":
            caller.send("vendor.forget")
        yield caller


@asynccontextmanager
async def beside(caller: Caller) -> AsyncIterator[Client]:
    """Control the call from a sideband."""
    url = f"{caller.server.ws_url}?call_id={caller.call_id}"
    headers = {"Authorization": f"Bearer {caller.key}"}
    async with websockets.connect(url, additional_headers=headers, max_size=None) as socket:
        yield Client(socket)


async def audible(caller: Caller, ms: int) -> None:
    """Wait until so much was heard."""
    async with asyncio.timeout(30):
        while len(caller.loud_s()) * 20 < ms:
            await asyncio.sleep(0.02)


async def sent_up(caller: Caller, kind: str) -> list[dict[str, Any]]:
    """Return what the stand-in got of a type."""
    after = len(caller.events)
    caller.send("vendor.tell", only=kind)
    told = await caller.until("vendor.told", after=after)
    return list(told["received"])


def playback(caller: Caller) -> list[str]:
    """Return what was told of playback."""
    return [kind.removeprefix(PLAYBACK) for kind in caller.types() if kind.startswith(PLAYBACK)]


async def test_answer_is_heard_and_told_as_one_of_ours(gateway: Server) -> None:
    """RTP, playback in the contract's order, no audio on the channel (CONTRACT 8.14)."""
    async with called(gateway, "relayed") as caller:
        assert caller.events[0]["session"]["model"] == "relayed"
        caller.ask("tone:600")
        await caller.until("output_audio_buffer.stopped")
        kinds = caller.types()
        began = kinds.index("output_audio_buffer.started")
        assert kinds[began - 1] == "response.content_part.added"
        assert kinds.index("response.done") < kinds.index("output_audio_buffer.stopped")
        assert "response.output_audio.done" in kinds
        assert "response.output_audio.delta" not in kinds
        assert playback(caller) == ["started", "stopped"]
        await audible(caller, 500)
        assert len(caller.loud_s()) * 20 <= 800


async def test_session_that_the_endpoint_refuses_is_told_in_its_words(gateway: Server) -> None:
    """It is the caller's mistake, not ours: 400, and where it is (CONTRACT 3.3, 16)."""
    session = {"type": "realtime", "model": "relayed", "audio": {"output": {"voice": "nope"}}}
    async with calling(gateway) as caller:
        answer = await caller.dial(session)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error["code"], error["param"]) == ("invalid_value", "session.audio.output.voice")
    assert "nope" in error["message"]


async def test_field_of_a_form_that_only_the_endpoint_knows_reaches_it(gateway: Server) -> None:
    """As in an update; what is known here is checked here, and our own models refuse it."""
    known = {"type": "realtime", "model": "stand-in"}
    async with calling(gateway) as caller:
        assert (await caller.dial({**known, "vendor_field": {"of": "theirs"}})).status_code == 201
        created = await caller.until("session.created")
        assert created["session"]["vendor_field"] == {"of": "theirs"}
    for wrong in ({**known, "instructions": 7, "x": 1}, {**known, "model": "echo", "x": 1}):
        async with calling(gateway) as caller:
            assert (await caller.dial(wrong)).status_code == 400


async def test_microphone_goes_up_as_the_session_has_it(gateway: Server) -> None:
    """24 kHz PCM, in the client's order, whatever the track's codec is."""
    async with called(gateway) as caller:
        caller.microphone.say(QUESTION)
        await asyncio.sleep(1.5)
        appended = await sent_up(caller, "input_audio_buffer.append")
    audio = b"".join(base64.b64decode(event["audio"]) for event in appended)
    samples = np.frombuffer(audio, "<i2").astype(float)
    assert 0.8 * 24_000 < len(samples) < 4 * 24_000
    assert np.abs(samples).max() > 1_000


@pytest.mark.parametrize("ask", ["speak", "speak-on"])
async def test_caller_who_speaks_cuts_the_answer_where_it_was_heard(
    gateway: Server, ask: str
) -> None:
    """Silence, `cleared`, and the upstream's item cut at the heard millisecond (CONTRACT 8.10)."""
    async with called(gateway) as caller:
        caller.ask(f"{ask}:{SPOKEN_MS}")
        await audible(caller, 600)
        after = len(caller.events)
        caller.send("vendor.do", what="speech")
        cut = await caller.until("conversation.item.truncated", after=after)
        assert 300 < cut["audio_end_ms"] < SPOKEN_MS
        kinds = caller.types(after=after)
        assert kinds.index("input_audio_buffer.speech_started") < kinds.index(PLAYBACK + "cleared")
        assert kinds.index(PLAYBACK + "cleared") < kinds.index("conversation.item.truncated")
        await caller.until("response.done")
        (told,) = await sent_up(caller, "conversation.item.truncate")
        assert caller.types().count("conversation.item.truncated") == 1
        assert (told["item_id"], told["audio_end_ms"]) == (cut["item_id"], cut["audio_end_ms"])
        quiet_from = len(caller.levels) + 20
        await asyncio.sleep(1)
        assert cut["audio_end_ms"] < len(caller.loud_s()) * 20 + 600
        assert not [loud for _, loud in caller.levels[quiet_from:] if loud > 100]
        assert playback(caller) == ["started", "cleared"]


async def test_next_answer_is_heard_after_an_interrupted_one(gateway: Server) -> None:
    """What was cleared blocks nothing."""
    async with called(gateway) as caller:
        caller.ask(f"speak-on:{SPOKEN_MS}")
        await audible(caller, 200)
        caller.send("output_audio_buffer.clear")
        await caller.until("output_audio_buffer.cleared")
        caller.send("vendor.do", what="speech")
        await caller.until("response.done")
        caller.ask("speak:300")
        await caller.until("output_audio_buffer.stopped")
        assert playback(caller) == ["started", "cleared", "started", "stopped"]
        (cleared,) = await sent_up(caller, "conversation.item.truncate")
        assert cleared["audio_end_ms"] < SPOKEN_MS
        assert not await sent_up(caller, "output_audio_buffer.clear")


async def test_written_answer_plays_nothing(gateway: Server) -> None:
    """Text has no playback."""
    async with called(gateway) as caller:
        caller.ask("Hello?")
        await caller.until("rate_limits.updated")
        assert playback(caller) == []


async def test_call_outlives_its_upstream(gateway: Server) -> None:
    """What was played already ends as stopped; the next answer is heard over a new connection."""
    async with called(gateway) as caller:
        caller.ask("speak-on:400")
        await audible(caller, 100)
        caller.send("vendor.do", what="die")
        failed = await caller.until("response.done")
        assert failed["response"]["status"] == "failed"
        await caller.until("output_audio_buffer.stopped")
        after = len(caller.events)
        caller.ask("speak:300")
        await caller.until("output_audio_buffer.stopped", after=after)


async def test_sideband_sees_and_steers_a_relayed_call(gateway: Server) -> None:
    """It is shown the session, all events but audio, and only its own errors."""
    async with called(gateway, "relayed") as caller, beside(caller) as sideband:
        shown = await sideband.receive()
        assert (shown["type"], shown["session"]["model"]) == ("session.created", "relayed")
        bad = {"type": "realtime", "output_modalities": ["smell"]}
        await sideband.send(type="session.update", event_id="mine", session=bad)
        error = (await sideband.until("error"))[-1]
        assert error["error"]["event_id"] == "mine"
        text = {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "tone:300"}],
        }
        await sideband.send(type="conversation.item.create", item=text)
        await sideband.send(type="response.create")
        seen = types(await sideband.until("output_audio_buffer.stopped"))
        assert "response.output_audio.delta" not in seen
        await caller.until("output_audio_buffer.stopped")
        assert "error" not in caller.types()
        assert caller.types().count("session.created") == 1
        assert await caller.hang_up() == 200
        await caller.closed()
