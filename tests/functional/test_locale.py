"""Language, time zone, wake word and unasked speech, from the socket to the skills."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import websockets

from tests.functional.client import Client, user_text
from tests.functional.server import Server
from tests.functional.test_socket import first_and_close

RING_TIMEOUT_S = 30


def headers(server: Server) -> dict[str, str]:
    """Return the development key's header."""
    return {"Authorization": f"Bearer {server.key}"}


@asynccontextmanager
async def connected(server: Server, query: str) -> AsyncIterator[Client]:
    """Connect with more in the query than a model."""
    url = f"{server.ws_url}?{query}"
    async with websockets.connect(url, additional_headers=headers(server)) as socket:
        client = Client(socket)
        assert (await client.receive())["type"] == "session.created"
        yield client


async def answer(client: Client, question: str) -> str:
    """Ask in writing; return what was written back."""
    await client.send(type="conversation.item.create", item=user_text(question))
    await client.send(type="response.create", response={"output_modalities": ["text"]})
    return _text((await client.until("response.done"))[-1])


def _text(done: dict[str, Any]) -> str:
    (item,) = done["response"]["output"]
    (part,) = item["content"]
    return str(part.get("text") or part.get("transcript"))


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("language=german", "language"),
        ("timezone=Mars/Olympus", "timezone"),
        ("wake_word=hey_nobody", "wake_word"),
    ],
)
async def test_locale_that_means_nothing_is_refused(
    plain_server: Server, query: str, param: str
) -> None:
    """A bad value ends the connection with an error that names its parameter."""
    url = f"{plain_server.ws_url}?model=echo&{query}"
    error, code, reason = await first_and_close(url, additional_headers=headers(plain_server))
    assert (error["code"], error["param"]) == ("invalid_value", param)
    assert (code, reason) == (4000, "invalid_request_error.invalid_value")


@pytest.mark.real
async def test_time_is_told_in_the_session_s_zone(voice_server: Server) -> None:
    """Two callers ask the same and live elsewhere."""
    for zone in ("Pacific/Kiritimati", "Pacific/Midway"):  # never the same day
        query = f"model=gpt-realtime&timezone={zone}"
        async with connected(voice_server, query) as client:
            told = await answer(client, "what day is it")
        day = datetime.now(ZoneInfo(zone))
        assert str(day.day) in told or day.strftime("%A").lower() in told.lower(), (zone, told)


@pytest.mark.real
async def test_timer_that_rings_is_a_response_of_its_own(voice_server: Server) -> None:
    """Nobody asked: a skill's own speech comes as a response, with sound, in the live session."""
    async with connected(voice_server, "model=gpt-realtime") as client:
        assert "starting now" in await answer(client, "set a timer for three seconds")
        async with asyncio.timeout(RING_TIMEOUT_S):
            events = await client.until("response.done")
        kinds = {event["type"] for event in events}
        assert {"response.created", "response.output_audio.delta"} <= kinds
        assert events[-1]["response"]["status"] == "completed"
        assert "timer is up" in _text(events[-1])
        assert await answer(client, "flip a coin")


@pytest.mark.real
async def test_question_without_the_wake_word_is_not_heard(voice_server: Server) -> None:
    """Behind a wake word, speech without it makes no turn; the session works otherwise."""
    async with connected(voice_server, "model=gpt-realtime&wake_word=okay_nabu") as client:
        await client.say()
        await client.send(type="conversation.item.create", item=user_text("flip a coin"))
        await client.send(type="response.create", response={"output_modalities": ["text"]})
        events = await client.until("response.done")
        assert "input_audio_buffer.speech_started" not in {event["type"] for event in events}
    async with connected(voice_server, "model=gpt-realtime") as client:
        await client.say()
        await client.until("input_audio_buffer.speech_started")
