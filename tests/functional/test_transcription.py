"""Transcription sessions from outside, by the official SDK and the real recogniser (CONTRACT 12)."""

from __future__ import annotations

import asyncio
import base64
import wave
from typing import Any

import pytest
import websockets
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from tests.functional.client import QUESTION
from tests.functional.server import Server
from tests.functional.test_socket import first_and_close

STEP_BYTES = 4_800
WORDS = "what time is it"
TIMEOUT_S = 60
PREFIX = "conversation.item.input_audio_transcription"


def headers(server: Server) -> dict[str, str]:
    """Return the development key's header."""
    return {"Authorization": f"Bearer {server.key}"}


class TestHandshake:
    """What a connection may ask for."""

    async def test_model_beside_the_intent_is_refused(self, plain_server: Server) -> None:
        """A transcription session takes no model in its address."""
        url = f"{plain_server.ws_url}?intent=transcription&model=whisper-1"
        error, code, _ = await first_and_close(url, additional_headers=headers(plain_server))
        assert error["message"] == (
            "You must not provide a model parameter for transcription sessions"
        )
        assert code == 4000

    async def test_unknown_intent_is_refused(self, plain_server: Server) -> None:
        """There is one intent."""
        url = f"{plain_server.ws_url}?intent=dictation"
        error, code, _ = await first_and_close(url, additional_headers=headers(plain_server))
        assert (error["code"], error["param"], code) == ("invalid_value", "intent", 4000)

    async def test_transcription_model_is_no_realtime_model(self, plain_server: Server) -> None:
        """A transcription model's name opens no conversation."""
        url = f"{plain_server.ws_url}?model=whisper-1"
        error, code, reason = await first_and_close(url, additional_headers=headers(plain_server))
        assert "is a transcription model and cannot be used" in error["message"]
        assert (code, reason) == (4000, "invalid_request_error.invalid_model")

    async def test_client_secret_opens_its_kind_of_session(self, plain_server: Server) -> None:
        """A secret of type transcription opens a transcription session, whatever the address."""
        client = AsyncOpenAI(base_url=plain_server.url, api_key=plain_server.key)
        secret = await client.realtime.client_secrets.create(
            session={
                "type": "transcription",
                "audio": {"input": {"transcription": {"model": "whisper-1", "language": "en"}}},
            }
        )
        assert secret.session.type == "transcription"
        bearer = {"Authorization": f"Bearer {secret.value}"}
        for query in ("?intent=transcription", ""):
            url = f"{plain_server.ws_url}{query}"
            async with websockets.connect(url, additional_headers=bearer) as socket:
                created = str(await socket.recv())
            assert '"type":"transcription"' in created
            assert '"model":"whisper-1","language":"en"' in created

    async def test_secret_of_a_conversation_opens_no_transcription(
        self, plain_server: Server
    ) -> None:
        """A secret and an address that ask for different sessions are told so."""
        client = AsyncOpenAI(base_url=plain_server.url, api_key=plain_server.key)
        secret = await client.realtime.client_secrets.create(
            session={"type": "realtime", "model": "echo"}
        )
        bearer = {"Authorization": f"Bearer {secret.value}"}
        url = f"{plain_server.ws_url}?intent=transcription"
        error, code, _ = await first_and_close(url, additional_headers=bearer)
        assert (error["code"], error["param"], code) == ("invalid_value", "session.type", 4000)


@pytest.mark.real
class TestWords:
    """Real audio, real recognition, the SDK's own types."""

    async def test_turns_are_transcribed(self, voice_server: Server) -> None:
        """Under turn detection each turn has its words, and nobody answers."""
        events = await transcribed(voice_server, {"transcription": {"model": "gpt-4o-transcribe"}})
        kinds = [event.type for event in events]
        assert kinds[0] == "input_audio_buffer.speech_started"
        assert f"{PREFIX}.delta" in kinds
        assert not [kind for kind in kinds if kind.startswith(("response.", "rate_limits."))]
        completed = events[-1]
        assert completed.transcript == WORDS
        assert completed.usage.type == "tokens"
        assert completed.item_id == events[0].item_id

    async def test_streamed_words_come_before_the_commit(self, voice_server: Server) -> None:
        """A model that streams tells words before the commit, under the item's later id."""
        heard = {"transcription": {"model": "gpt-live-transcribe"}, "turn_detection": None}
        events = await transcribed(voice_server, heard, commit=True)
        kinds = [event.type for event in events]
        committed = next(e for e in events if e.type == "input_audio_buffer.committed")
        assert kinds.index(f"{PREFIX}.delta") < kinds.index("input_audio_buffer.committed")
        deltas = [event for event in events if event.type == f"{PREFIX}.delta"]
        assert {delta.item_id for delta in deltas} == {committed.item_id}
        completed = events[-1]
        assert "".join(delta.delta for delta in deltas).strip() == completed.transcript
        assert completed.usage.type == "duration"


async def transcribed(server: Server, heard: dict[str, Any], *, commit: bool = False) -> list[Any]:
    """Say the question in a transcription session; return the events up to its transcript.

    A commit follows the first words.
    """
    client = AsyncOpenAI(base_url=server.url, api_key=server.key)
    async with (
        asyncio.timeout(TIMEOUT_S),
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        assert (await connection.recv()).type == "session.created"
        session: Any = {"type": "transcription", "audio": {"input": heard}}
        await connection.session.update(session=session)
        assert (await connection.recv()).type == "session.updated"
        speaking = asyncio.create_task(_say(connection))
        events: list[Any] = []
        while not events or events[-1].type != f"{PREFIX}.completed":
            events.append(await connection.recv())
            if commit and events[-1].type == f"{PREFIX}.delta":
                commit = False
                await speaking
                await connection.input_audio_buffer.commit()
            assert events[-1].type != "error", events[-1]
        await speaking
        return events


async def _say(connection: AsyncRealtimeConnection) -> None:
    with wave.open(str(QUESTION)) as file:
        audio = file.readframes(file.getnframes()) + bytes(48_000)
    for place in range(0, len(audio), STEP_BYTES):
        piece = base64.b64encode(audio[place : place + STEP_BYTES]).decode()
        await connection.input_audio_buffer.append(audio=piece)
        await asyncio.sleep(STEP_BYTES / 48_000)
