"""The Python SDK of the last generation with `client.beta.realtime` (VOICEENGINE_URL, _KEY).

Runs in an environment of its own (`requirements/conformance-beta.lock`). Every
event is validated strictly against the SDK's own types.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from beta_types import faults
from openai import AsyncOpenAI, BadRequestError, OpenAI
from openai.resources.beta.realtime.realtime import AsyncRealtimeConnection

from conformance.sdk import conversation as about

MODEL = "gpt-4o-realtime-preview"
"""The types refuse any name that is younger than the SDK."""
SOCKETS = about.URL.replace("http", "ws", 1)
TOOL: Any = {
    "type": "function",
    "name": "forecast",
    "description": "Tell the weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@pytest.fixture
def client() -> AsyncOpenAI:
    return AsyncOpenAI(base_url=about.URL, websocket_base_url=SOCKETS, api_key=about.KEY)


async def until(connection: AsyncRealtimeConnection, kind: str) -> list[Any]:
    """Return validated events up to and with the first of a type."""
    events: list[Any] = []
    async with asyncio.timeout(about.TIMEOUT_S):
        while not events or events[-1].type != kind:
            raw = await connection.recv_bytes()
            assert faults(json.loads(raw)) == []
            events.append(connection.parse_event(raw))
    return events


def kinds(events: list[Any]) -> list[str]:
    """Return the types of events, repeats of one as one."""
    found: list[str] = []
    for event in events:
        if not found or found[-1] != event.type:
            found.append(event.type)
    return found


async def append(connection: AsyncRealtimeConnection, audio: bytes) -> None:
    for piece in about.pieces(audio):
        await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())


async def say(connection: AsyncRealtimeConnection, text: str) -> None:
    content: Any = [{"type": "input_text", "text": text}]
    await connection.conversation.item.create(
        item={"type": "message", "role": "user", "content": content}
    )


async def call(connection: AsyncRealtimeConnection) -> Any:
    """Have the tool called; return the call's item."""
    await say(connection, "weather in Bern")
    choice: Any = {"type": "function", "name": "forecast"}
    await connection.response.create(response={"tools": [TOOL], "tool_choice": choice})
    done = (await until(connection, "response.done"))[-1]
    return done.response.output[0]


async def answer_call(connection: AsyncRealtimeConnection, call_id: str, output: str) -> None:
    await connection.conversation.item.create(
        item={"type": "function_call_output", "call_id": call_id, "output": output}
    )
    await until(connection, "conversation.item.created")


async def test_written_conversation_in_the_betas_order(client: AsyncOpenAI) -> None:
    """The session, its conversation, one event per item, the allowance at the beginning."""
    async with client.beta.realtime.connect(model=MODEL) as connection:
        created, conversation = await until(connection, "conversation.created")
        assert created.session.modalities == ["audio", "text"]
        assert created.session.temperature == 0.8
        assert conversation.conversation.id.startswith("conv_")
        await say(connection, "flip a coin")
        await connection.response.create(response={"modalities": ["text"], "temperature": 1.1})
        events = await until(connection, "response.done")
    assert kinds(events) == [
        "conversation.item.created",
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.created",
        "response.content_part.added",
        "response.text.delta",
        "response.text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    response = events[-1].response
    assert response.conversation_id == conversation.conversation.id
    assert (response.temperature, response.modalities) == (1.1, ["text"])
    assert response.output[0].content[0].text == events[7].text


async def test_spoken_turn_by_voice_activity(client: AsyncOpenAI) -> None:
    """A question is heard, transcribed, answered and spoken."""
    async with client.beta.realtime.connect(model=MODEL) as connection:
        await connection.session.update(
            session={"input_audio_transcription": {"model": "whisper-1"}}
        )
        await append(connection, about.question())
        events = await until(connection, "response.done")
    found = kinds(events)
    for kind in ("speech_started", "speech_stopped", "committed"):
        assert f"input_audio_buffer.{kind}" in found
    heard = [e.transcript for e in events if e.type.endswith("transcription.completed")]
    assert [about.words(text) for text in heard] == [about.QUESTION_WORDS]
    audio = b"".join(
        base64.b64decode(event.delta) for event in events if event.type == "response.audio.delta"
    )
    assert len(audio) > 24_000
    spoken = "".join(
        event.delta for event in events if event.type == "response.audio_transcript.delta"
    )
    assert events[-1].response.output[0].content[0].transcript == spoken


async def test_spoken_turn_by_push_to_talk(client: AsyncOpenAI) -> None:
    """Commit and create by hand, with telephone audio both ways."""
    async with client.beta.realtime.connect(model=MODEL) as connection:
        await connection.session.update(
            session={"output_audio_format": "g711_ulaw", "turn_detection": None}
        )
        await append(connection, about.question(silence_ms=0))
        await connection.input_audio_buffer.commit()
        await connection.response.create()
        events = await until(connection, "response.done")
    response = events[-1].response
    assert response.output_audio_format == "g711_ulaw"
    assert response.output[0].content[0].transcript


async def test_tool_is_called_and_its_output_spoken(client: AsyncOpenAI) -> None:
    """The call comes with its arguments; what it gave is said."""
    async with client.beta.realtime.connect(model=MODEL) as connection:
        made = await call(connection)
        assert made.name == "forecast"
        assert json.loads(made.arguments)["city"]
        await answer_call(connection, made.call_id, about.WEATHER)
        await connection.response.create()
        spoken = (await until(connection, "response.done"))[-1].response
    assert "sunny" in about.words(spoken.output[0].content[0].transcript)


async def test_answer_is_cancelled_and_truncated(client: AsyncOpenAI) -> None:
    """The response ends as cancelled; the item is cut to what was heard."""
    async with client.beta.realtime.connect(model=MODEL) as connection:
        made = await call(connection)
        await answer_call(connection, made.call_id, about.LONG)
        await connection.response.create()
        item_id = (await until(connection, "response.audio.delta"))[-1].item_id
        await connection.response.cancel()
        done = (await until(connection, "response.done"))[-1].response
        assert (done.status, done.status_details.reason) == ("cancelled", "client_cancelled")
        await connection.conversation.item.truncate(
            item_id=item_id, content_index=0, audio_end_ms=10
        )
        assert (await until(connection, "conversation.item.truncated"))[-1].audio_end_ms == 10
        await connection.conversation.item.retrieve(item_id=item_id)
        shown = (await until(connection, "conversation.item.retrieved"))[-1].item
        assert (shown.content[0].type, bool(shown.content[0].audio)) == ("audio", True)
        await connection.conversation.item.delete(item_id=item_id)
        assert (await until(connection, "conversation.item.deleted"))[-1].item_id == item_id


async def test_session_update_is_echoed_or_refused_in_the_betas_words(client: AsyncOpenAI) -> None:
    """What was set is shown flat; a fault names the flat field."""
    wanted: Any = {
        "modalities": ["text"],
        "instructions": "Be brief.",
        "voice": "sage",
        "input_audio_format": "g711_alaw",
        "output_audio_format": "g711_alaw",
        "input_audio_noise_reduction": {"type": "near_field"},
        "turn_detection": None,
        "tools": [TOOL],
        "tool_choice": "none",
        "temperature": 0.6,
        "max_response_output_tokens": 200,
        "speed": 1.1,
    }
    async with client.beta.realtime.connect(model=MODEL) as connection:
        await connection.session.update(session=wanted)
        shown = (await until(connection, "session.updated"))[-1].session.to_dict()
        assert {name: shown[name] for name in wanted} == wanted
        vad: Any = {"type": "server_vad", "threshold": 2.0}
        await connection.session.update(session={"turn_detection": vad}, event_id="mine")
        error = (await until(connection, "error"))[-1].error
        assert (error.param, error.event_id) == ("session.turn_detection.threshold", "mine")


async def test_secret_opens_its_session(client: AsyncOpenAI) -> None:
    """`sessions.create` gives a secret in the old place, and a flat session."""
    session = await client.beta.realtime.sessions.create(
        model=MODEL, modalities=["text"], instructions="Be brief.", temperature=0.7
    )
    assert (session.modalities, session.temperature) == (["text"], 0.7)
    guest = client.with_options(api_key=session.client_secret.value)
    async with guest.beta.realtime.connect(model=MODEL) as connection:
        (created,) = await until(connection, "session.created")
    assert (created.session.instructions, created.session.temperature) == ("Be brief.", 0.7)
    with pytest.raises(BadRequestError) as refused:
        await client.beta.realtime.sessions.create(temperature=2.0)
    assert refused.value.param == "temperature"


async def test_transcription_session_hears(client: AsyncOpenAI) -> None:
    """Minted by REST or asked for by intent; what is said is transcribed and not answered."""
    minted = await client.beta.realtime.transcription_sessions.create(
        input_audio_transcription={"model": "whisper-1"}
    )
    assert minted.client_secret.value.startswith("ek_")
    query = {"intent": "transcription"}
    async with client.beta.realtime.connect(model=MODEL, extra_query=query) as connection:
        await until(connection, "transcription_session.created")
        await connection.transcription_session.update(
            session={"input_audio_transcription": {"model": "whisper-1"}}
        )
        updated = (await until(connection, "transcription_session.updated"))[-1]
        assert updated.session.input_audio_transcription.model == "whisper-1"
        await append(connection, about.question())
        events = await until(connection, "conversation.item.input_audio_transcription.completed")
    assert about.words(events[-1].transcript) == about.QUESTION_WORDS
    assert not [event for event in events if event.type.startswith("response.")]


def test_blocking_client_converses_too() -> None:
    """The same protocol through the SDK's other connection class."""
    client = OpenAI(base_url=about.URL, websocket_base_url=SOCKETS, api_key=about.KEY)
    with client.beta.realtime.connect(model=MODEL) as connection:
        connection.session.update(session={"modalities": ["text"]})
        content: Any = [{"type": "input_text", "text": "flip a coin"}]
        connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": content}
        )
        connection.response.create()
        for event in connection:
            assert faults(event.to_dict()) == []
            if event.type == "response.done":
                break
    assert event.response.status == "completed"
