"""The official Python SDK against any base URL (VOICEENGINE_URL, _KEY, _MODEL, _CONTROL).

Runs under two generations of the SDK, each in an environment of its own
(`requirements/conformance.lock`, `conformance-openai2.lock`). Every event is
validated strictly against the SDK's own types.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from openai import AsyncOpenAI, AuthenticationError, BadRequestError
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from conformance.sdk import conversation as about
from conformance.sdk.conversation import MODEL, TIMEOUT_S, question, words

SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
TOOL = {
    "type": "function",
    "name": "forecast",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@pytest.fixture
def client() -> AsyncOpenAI:
    return AsyncOpenAI(base_url=about.URL, api_key=about.KEY)


async def until(connection: Any, kind: str) -> list[Any]:
    """Return validated events up to and with the first of a type."""
    events: list[Any] = []
    async with asyncio.timeout(TIMEOUT_S):
        while not events or events[-1].type != kind:
            raw = await connection.recv_bytes()
            events.append(SERVER_EVENT.validate_json(raw))
    return events


async def append(connection: Any, audio: bytes) -> None:
    for piece in about.pieces(audio):
        await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())


async def say(connection: Any, text: str) -> None:
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    await connection.conversation.item.create(item=item)


async def test_models_are_listed(client: AsyncOpenAI) -> None:
    """`models.list` knows the names the SDK sends by default."""
    names = [model.id async for model in client.models.list()]
    assert MODEL in names


async def test_wrong_key_raises_the_sdks_error(client: AsyncOpenAI) -> None:
    """401 with the envelope becomes AuthenticationError."""
    with pytest.raises(AuthenticationError) as refused:
        await client.with_options(api_key="sk-wrong").realtime.client_secrets.create()
    assert refused.value.code == "invalid_api_key"
    assert refused.value.request_id


async def test_bad_session_raises_the_sdks_error(client: AsyncOpenAI) -> None:
    """400 names the parameter."""
    with pytest.raises(BadRequestError) as refused:
        await client.realtime.client_secrets.create(
            session={"type": "realtime", "max_output_tokens": 0}
        )
    assert refused.value.param == "session.max_output_tokens"


async def test_client_secret_opens_a_session(client: AsyncOpenAI) -> None:
    """Minted by REST, used on the socket, with its configuration."""
    secret = await client.realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 60},
        session={"type": "realtime", "model": MODEL, "instructions": "Be brief."},
    )
    guest = client.with_options(api_key=secret.value)
    async with guest.realtime.connect(model=MODEL) as connection:
        (created,) = await until(connection, "session.created")
    assert created.session.instructions == "Be brief."


async def test_spoken_turn_by_voice_activity(client: AsyncOpenAI) -> None:
    """A question pushed as a file is heard, answered and spoken."""
    async with client.realtime.connect(model=MODEL) as connection:
        transcription = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
        await connection.session.update(session={"type": "realtime", "audio": transcription})
        await append(connection, question())
        events = await until(connection, "response.done")
    kinds = [event.type for event in events]
    for kind in ("speech_started", "speech_stopped", "committed"):
        assert f"input_audio_buffer.{kind}" in kinds
    heard = [words(e.transcript) for e in events if e.type.endswith("transcription.completed")]
    assert heard == [about.QUESTION_WORDS]
    assert "response.output_audio.delta" in kinds
    assert events[-1].response.status == "completed"


async def test_spoken_turn_by_push_to_talk(client: AsyncOpenAI) -> None:
    """Commit and create by hand."""
    async with client.realtime.connect(model=MODEL) as connection:
        audio = {"input": {"turn_detection": None}}
        await connection.session.update(session={"type": "realtime", "audio": audio})
        await append(connection, question(silence_ms=0))
        await connection.input_audio_buffer.commit()
        await connection.response.create()
        events = await until(connection, "response.done")
    assert "input_audio_buffer.speech_started" not in [event.type for event in events]
    assert events[-1].response.output[0].content[0].transcript


async def test_function_call_and_its_output(client: AsyncOpenAI) -> None:
    """A forced function is called; its output is spoken."""
    async with client.realtime.connect(model=MODEL) as connection:
        await say(connection, "weather in Bern")
        choice = {"type": "function", "name": "forecast"}
        await connection.response.create(response={"tools": [TOOL], "tool_choice": choice})
        done = (await until(connection, "response.done"))[-1]
        call = done.response.output[0]
        assert json.loads(call.arguments)["city"]
        output = {"type": "function_call_output", "call_id": call.call_id, "output": about.WEATHER}
        await connection.conversation.item.create(item=output)
        await connection.response.create()
        spoken = (await until(connection, "response.done"))[-1]
    assert "sunny" in words(spoken.response.output[0].content[0].transcript)


async def test_items_are_retrieved_truncated_and_deleted(client: AsyncOpenAI) -> None:
    """The SDK's item calls on an assistant's spoken item."""
    async with client.realtime.connect(model=MODEL) as connection:
        await say(connection, "flip a coin")
        await connection.response.create()
        done = (await until(connection, "response.done"))[-1]
        item_id = done.response.output[0].id
        await connection.conversation.item.retrieve(item_id=item_id)
        shown = (await until(connection, "conversation.item.retrieved"))[-1].item
        assert shown.content[0].audio
        await connection.conversation.item.truncate(
            item_id=item_id, content_index=0, audio_end_ms=100
        )
        assert (await until(connection, "conversation.item.truncated"))[-1].audio_end_ms == 100
        await connection.conversation.item.delete(item_id=item_id)
        assert (await until(connection, "conversation.item.deleted"))[-1].item_id == item_id


async def test_cancel_without_response_is_an_error_event(client: AsyncOpenAI) -> None:
    """The benign race keeps its code, and the session goes on."""
    async with client.realtime.connect(model=MODEL) as connection:
        await connection.response.cancel(event_id="mine")
        error = (await until(connection, "error"))[-1].error
        assert (error.code, error.event_id) == ("response_cancel_not_active", "mine")
        await connection.input_audio_buffer.clear()
        await until(connection, "input_audio_buffer.cleared")


async def test_refused_update_is_told(client: AsyncOpenAI) -> None:
    """One `error`, no `session.updated`."""
    async with client.realtime.connect(model=MODEL) as connection:
        session: Any = {"type": "realtime", "bogus": 1}
        await connection.send({"type": "session.update", "session": session})
        events = await until(connection, "error")
    assert [event.type for event in events] == ["session.created", "error"]
    assert events[-1].error.param == "session.bogus"


async def test_written_turn_is_answered_in_text(client: AsyncOpenAI) -> None:
    """The text modality, one response at a time."""
    async with client.realtime.connect(model=MODEL) as connection:
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await say(connection, about.QUESTION_WORDS)
        await connection.response.create()
        events = await until(connection, "response.done")
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert events[-1].response.output[0].content[0].text == text != ""


async def long_answer(connection: Any) -> str:
    """Begin an answer that lasts; return the id of its item once some of it was heard."""
    await say(connection, f"Read aloud, word by word: {about.LONG}")
    call = {"type": "function_call", "call_id": "call_much", "name": "count", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "call_much", "output": about.LONG}
    for item in (call, output):
        await connection.conversation.item.create(item=item)
    await connection.response.create()
    heard = 0
    while heard < about.BEGUN_BYTES:
        delta = (await until(connection, "response.output_audio.delta"))[-1]
        heard += len(base64.b64decode(delta.delta))
    return str(delta.item_id)


async def test_speech_interrupts_the_answer(client: AsyncOpenAI) -> None:
    """The response is cancelled, what was not heard is cut off, and the next turn is answered."""
    async with client.realtime.connect(model=MODEL) as connection:
        item_id = await long_answer(connection)
        await append(connection, question())
        await until(connection, "input_audio_buffer.speech_started")
        cancelled = (await until(connection, "response.done"))[-1].response
        assert cancelled.status_details.reason == "turn_detected"
        await connection.conversation.item.truncate(
            item_id=item_id, content_index=0, audio_end_ms=100
        )
        events = await until(connection, "conversation.item.truncated")
        if "response.done" not in [event.type for event in events]:
            events += await until(connection, "response.done")
    done = [event for event in events if event.type == "response.done"]
    assert done[-1].response.status == "completed"


async def test_settings_change_within_the_session(client: AsyncOpenAI) -> None:
    """What is given changes; what is not stays."""
    async with client.realtime.connect(model=MODEL) as connection:
        first = {"type": "realtime", "instructions": "Be brief.", "max_output_tokens": 400}
        await connection.session.update(session=first)
        await until(connection, "session.updated")
        await say(connection, about.QUESTION_WORDS)
        await connection.response.create()
        await until(connection, "response.done")
        second = {"type": "realtime", "tool_choice": "none", "output_modalities": ["text"]}
        await connection.session.update(session=second)
        session = (await until(connection, "session.updated"))[-1].session
        assert (session.instructions, session.max_output_tokens) == ("Be brief.", 400)
        assert (session.tool_choice, session.output_modalities) == ("none", ["text"])


async def test_dropped_socket_is_connected_again(client: AsyncOpenAI) -> None:
    """The SDK's own reconnection, as an application opts into it."""
    retried: list[int] = []
    async with client.realtime.connect(
        model=MODEL, on_reconnecting=lambda event: retried.append(event.attempt)
    ) as connection:
        created = (await until(connection, "session.created"))[-1]
        about.drop_sockets()
        kinds = []
        async with asyncio.timeout(TIMEOUT_S):
            async for event in connection:
                kinds.append(event.type)
                break
        assert event.session.id != created.session.id
        await say(connection, about.QUESTION_WORDS)
        await connection.response.create()
        events = await until(connection, "response.done")
    assert (kinds, retried) == (["session.created"], [1])
    assert events[-1].response.status == "completed"


async def test_transcription_session_only_writes_down(client: AsyncOpenAI) -> None:
    """`?intent=transcription`: items and transcripts, no response."""
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        heard = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
        await connection.session.update(session={"type": "transcription", "audio": heard})
        await append(connection, question())
        done = "conversation.item.input_audio_transcription.completed"
        events = await until(connection, done)
    assert words(events[-1].transcript) == about.QUESTION_WORDS
    assert not [event for event in events if event.type.startswith("response.")]


async def test_image_is_taken_and_given_back(client: AsyncOpenAI) -> None:
    """A data URI in a user's message."""
    content = [{"type": "input_image", "image_url": about.IMAGE, "detail": "low"}]
    item: Any = {"type": "message", "role": "user", "content": content, "id": "item_image"}
    async with client.realtime.connect(model=MODEL) as connection:
        await connection.conversation.item.create(item=item)
        await until(connection, "conversation.item.done")
        await connection.conversation.item.retrieve(item_id="item_image")
        shown = (await until(connection, "conversation.item.retrieved"))[-1].item
    assert (shown.content[0].image_url, shown.content[0].detail) == (about.IMAGE, "low")
