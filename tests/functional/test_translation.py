"""Translation sessions from outside: the real server, stand-ins for model, ears and voice."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import time
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import websockets
from openai import AsyncOpenAI, BadRequestError
from openai.types.realtime import RealtimeTranslationServerEvent
from pydantic import TypeAdapter

from conformance.schemas import EventSchemas
from realtime.events.schemas import TRANSLATION_EVENTS
from tests.functional import server as servers
from tests.functional.client import QUESTION, Client, connected, until
from tests.functional.conftest import by_stand_ins
from tests.functional.server import Server
from tests.functional.test_rest import request
from tests.servers import chat, speech
from tests.servers.chat import ChatServer
from tests.servers.speech import SpeechServer
from tests.servers.tones import said

MODEL = "gpt-realtime-translate"
SECRETS = "/v1/realtime/translations/client_secrets"
APPEND = "session.input_audio_buffer.append"
SOURCE, TARGET = "session.input_transcript.delta", "session.output_transcript.delta"
AUDIO = "session.output_audio.delta"
FRAME_BYTES = 9_600
SCHEMAS = EventSchemas(TRANSLATION_EVENTS)
SDK_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeTranslationServerEvent)


@pytest.fixture(scope="module")
def model() -> Iterator[ChatServer]:
    """A chat-completions server."""
    with chat.running() as running:
        yield running


@pytest.fixture(scope="module")
def service() -> Iterator[SpeechServer]:
    """Speech endpoints."""
    with speech.running() as running:
        yield running


@asynccontextmanager
async def translating(
    server: Server, *, query: str = f"model={MODEL}", key: str | None = None
) -> AsyncIterator[Client]:
    """Connect; the first event is the caller's to read."""
    headers = {"Authorization": f"Bearer {key or server.key}"}
    url = f"{server.ws_url}/translations?{query}"
    async with websockets.connect(url, additional_headers=headers, max_size=None) as socket:
        yield Client(socket)


async def append(client: Client, audio: bytes, *, ms: int = 200, pace_s: float = 0.0) -> None:
    """Send audio in pieces."""
    for place in range(0, len(audio), ms * 48):
        piece = base64.b64encode(audio[place : place + ms * 48]).decode()
        await client.send(type=APPEND, audio=piece)
        await asyncio.sleep(pace_s)


async def to_the_end(client: Client) -> list[dict[str, Any]]:
    """Close; return every event that still comes, each of which fits its schema."""
    await client.send(type="session.close")
    events = await client.until("session.closed")
    with pytest.raises(websockets.ConnectionClosed) as ended:
        await client.receive()
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1000
    for event in events:
        assert not SCHEMAS.faults(event), event
    return events


def text(events: list[dict[str, Any]], kind: str) -> str:
    return "".join(event["delta"] for event in events if event["type"] == kind)


def audio(events: list[dict[str, Any]]) -> list[bytes]:
    return [base64.b64decode(event["delta"]) for event in events if event["type"] == AUDIO]


def heard(server: Server, what: str, query: str, session_id: str) -> list[Any]:
    """Return what the record has of a session."""
    with closing(sqlite3.connect(server.data_dir / "voiceengine.db")) as database:
        return database.execute(f"select {query} from {what}", (session_id,)).fetchall()


class TestTranslation:
    """Speech in, speech and both texts out."""

    async def test_speech_comes_back_translated(self, translating_server: Server) -> None:
        """Both transcripts, frames of 200 ms without a gap, and an orderly end."""
        async with translating(translating_server) as client:
            created = (await client.receive())["session"]
            session = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
            await client.send(type="session.update", session=session)
            assert (await client.receive())["type"] == "session.updated"
            await append(client, said("what time is it now please"))
            events = await to_the_end(client)
        assert text(events, SOURCE) == "what time is it now please"
        assert text(events, TARGET).strip() == "<what time is it now please>."
        frames = audio(events)
        assert {len(frame) for frame in frames} == {FRAME_BYTES}
        assert sum(any(frame) for frame in frames) >= 4  # 30 ms a character
        elapsed = [event["elapsed_ms"] for event in events if event["type"] == AUDIO]
        assert elapsed == list(range(200, 200 * len(elapsed) + 1, 200))
        await asyncio.sleep(0.5)  # the record is written behind
        (row,) = heard(
            translating_server, "sessions where id = ?", "model, engine, end_reason", created["id"]
        )
        assert row == (MODEL, "translation", "client_closed")
        usage = heard(
            translating_server, "usage where session_id = ?", "status, body", created["id"]
        )
        assert [status for status, _ in usage] == ["completed"]
        assert json.loads(usage[0][1])["output_token_details"]["audio_tokens"] > 10

    async def test_malformed_frames_are_answered_and_the_session_goes_on(
        self, translating_server: Server
    ) -> None:
        """Whatever comes: an error with the event's id, never an end."""
        async with translating(translating_server) as client:
            await client.receive()
            for frame in ("nonsense", b"\0", "[]", '{"type":1}', "[" * 99 + "]" * 99):
                await client.socket.send(frame)
                assert (await client.receive())["type"] == "error"
            await client.send(type=APPEND, audio="&&", event_id="mine")
            error = (await client.receive())["error"]
            assert (error["param"], error["event_id"]) == ("audio", "mine")
            await client.send(type=APPEND, audio="AAAA", more=1)
            assert (await client.receive())["error"]["code"] == "unknown_parameter"
            await client.send(type=APPEND, audio="AA==", event_id="half a sample")
            assert (await to_the_end(client))[-1]["type"] == "session.closed"

    async def test_client_that_leaves_ends_its_session(self, translating_server: Server) -> None:
        """Nothing of it goes on."""
        async with translating(translating_server) as client:
            await client.receive()
            await append(client, said("what time"))
        async with asyncio.timeout(30):
            while translating_server.metric("voiceengine_sessions"):
                await asyncio.sleep(0.1)

    @pytest.mark.parametrize(
        ("scenario", "tokens", "code"),
        [
            ("500", "15000000", "model_unavailable"),
            ("translates", "100", "rate_limit_exceeded"),
        ],
    )
    async def test_what_fails_is_told_and_the_session_goes_on(
        self, model: ChatServer, service: SpeechServer, tmp_path: Path,
        scenario: str, tokens: str, code: str,
    ) -> None:  # fmt: skip
        """There is no response that could fail: `error` says it."""
        env = by_stand_ins(model, service, scenario) | {"VOICEENGINE_TOKENS_PER_MINUTE": tokens}
        server = servers.start(tmp_path, env=env)
        server.wait_ready()
        try:
            async with translating(server) as client:
                await client.receive()
                await append(client, said("what time is it"))
                events = await to_the_end(client)
        finally:
            assert server.stop() == 0
        (error,) = [event["error"] for event in events if event["type"] == "error"]
        assert error["code"] == code
        assert not text(events, TARGET)


async def test_declared_model_translates_on_its_own_parts_and_terms(
    model: ChatServer, service: SpeechServer, tmp_path: Path
) -> None:
    """Where nothing else translates: its ears, endpoint and voice, its price, its one place."""
    endpoint = {"kind": "openai", "url": service.url, "model": "words", "api_key": speech.KEY}
    env = {
        "VOICEENGINE_RECOGNISERS": json.dumps(
            {"default": {**endpoint, "model": "500"}, "good": endpoint}
        ),
        "VOICEENGINE_SYNTHESISER": json.dumps({**endpoint, "model": "500"}),
        "VOICEENGINE_SYNTHESISERS": json.dumps({"good": endpoint}),
        "VOICEENGINE_MODELS_POLL_S": "0.2",
    }
    declared = {
        "kind": "translation", "recogniser": "good", "synthesiser": "good", "voice": "house",
        "voices": {"house": "af_sky"}, "chat": {"url": model.url, "model": "translates"},
        "prices": {"per_minute": 60.0}, "limits": {"sessions": 1, "session_minutes": 5},
    }  # fmt: skip
    (tmp_path / "own.json").write_text(json.dumps({"models": {"interpreter": declared}}))
    server = servers.start(tmp_path / "data", env=env)
    server.wait_ready()
    try:
        command = ("put", str(tmp_path / "own.json"))
        servers.command(server, "models", *command, env=env)
        await until(lambda: request(server, "/v1/models/interpreter")[0] == 200)
        async with translating(server, query="model=interpreter") as client:
            created = (await client.receive())["session"]
            assert 200 < created["expires_at"] - time.time() <= 300
            async with translating(server, query="model=interpreter") as second:
                refused = (await second.receive())["error"]
                assert refused["code"] == "rate_limit_exceeded"
            await append(client, said("what time is it"))
            events = await to_the_end(client)
        assert text(events, TARGET).strip() == "<what time is it>."
        assert service.asked("speech")[-1]["voice"] == "af_sky"
        async with translating(server) as client:  # the usual one has no chat model
            assert (await client.receive())["error"]["code"] == "invalid_model"
        await until(
            lambda: (
                heard(server, "sessions where id = ?", "cost_micros > 0", created["id"]) == [(1,)]
            )
        )
    finally:
        assert server.stop() == 0


class TestAccess:
    """Who may open what (CONTRACT 2, 3.2)."""

    async def test_secret_opens_translations_as_it_was_minted(
        self, translating_server: Server
    ) -> None:
        """Its configuration is the session's, and it opens nothing else."""
        session = {"model": MODEL, "audio": {"output": {"language": "fr"}}}
        minted = request(translating_server, SECRETS, body={"session": session})
        status, _, body = minted
        assert status == 200
        assert list(body) == ["value", "expires_at", "session"]
        assert body["session"]["expires_at"] == body["expires_at"]
        assert list(body["session"]) == ["id", "type", "expires_at", "model", "audio"]
        async with translating(translating_server, query="", key=body["value"]) as client:
            created = (await client.receive())["session"]
        assert created["audio"]["output"] == {"language": "fr"}
        url = f"{translating_server.ws_url}?model=gpt-realtime"
        await self._refused(url, body["value"], 3000)
        by_it = request(translating_server, SECRETS, body={"session": session}, key=body["value"])
        assert by_it[0] == 401

    async def test_secret_of_a_conversation_opens_no_translation(
        self, translating_server: Server
    ) -> None:
        """The other way round."""
        _, _, minted = request(translating_server, "/v1/realtime/client_secrets", body={})
        url = f"{translating_server.ws_url}/translations?model={MODEL}"
        await self._refused(url, minted["value"], 3000)

    async def _refused(self, url: str, key: str, code: int) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        async with websockets.connect(url, additional_headers=headers) as socket:
            assert json.loads(await socket.recv())["type"] == "error"
            with pytest.raises(websockets.ConnectionClosed) as ended:
                await socket.recv()
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == code

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({}, "session"),
            ({"session": {}}, "session.model"),
            ({"session": {"model": MODEL, "type": "translation"}}, "session.type"),
            ({"session": {"model": MODEL, "instructions": "x"}}, "session.instructions"),
            (
                {"session": {"model": MODEL}, "expires_after": {"seconds": 1}},
                "expires_after.seconds",
            ),
        ],
    )
    def test_secret_of_a_wrong_body_is_refused(
        self, translating_server: Server, body: dict[str, Any], param: str
    ) -> None:
        """400 with the parameter."""
        status, _, answer = request(translating_server, SECRETS, body=body)
        assert (status, answer["error"]["param"]) == (400, param)

    async def test_gateway_without_a_model_says_so(self, plain_server: Server) -> None:
        """The contract's code for a model that cannot be had, and what is missing."""
        status, _, answer = request(plain_server, SECRETS, body={"session": {"model": MODEL}})
        assert (status, answer["error"]["code"]) == (400, "invalid_model")
        async with translating(plain_server) as client:
            error = (await client.receive())["error"]
            assert error["code"] == "invalid_model"
            assert "no chat model" in error["message"]
            with pytest.raises(websockets.ConnectionClosed) as ended:
                await client.receive()
        assert ended.value.rcvd is not None
        assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (
            4000, "invalid_request_error.invalid_model",
        )  # fmt: skip

    async def test_conversations_know_no_translation_model(
        self, translating_server: Server
    ) -> None:
        """It is listed, and refused at the other socket."""
        listed = request(translating_server, "/v1/models")[2]["data"]
        assert MODEL in {entry["id"] for entry in listed}
        headers = {"Authorization": f"Bearer {translating_server.key}"}
        url = f"{translating_server.ws_url}?model={MODEL}"
        async with websockets.connect(url, additional_headers=headers) as socket:
            assert json.loads(await socket.recv())["error"]["code"] == "invalid_model"


class TestOfficialSdk:
    """The Python SDK's translations, with its own types."""

    async def test_sdk_converses_from_secret_to_close(self, translating_server: Server) -> None:
        """`client_secrets.create`, `connect`, `update`, `append`, `close`; every event is typed."""
        sdk = AsyncOpenAI(base_url=translating_server.url, api_key=translating_server.key)
        session: Any = {"model": MODEL, "audio": {"output": {"language": "de"}}}
        secret = await sdk.realtime.translations.client_secrets.create(session=session)
        assert secret.session.type == "translation"
        user = AsyncOpenAI(base_url=translating_server.url, api_key=secret.value)
        events = []
        async with user.realtime.translations.connect(model=MODEL) as connection:
            update: Any = {"audio": {"input": {"transcription": {"model": "gpt-realtime-whisper"}}}}
            await connection.session.update(session=update)
            for place in range(0, 48_000, FRAME_BYTES):
                spoken = said("what time is it now please")[place : place + FRAME_BYTES]
                encoded = base64.b64encode(spoken).decode()
                await connection.session.input_audio_buffer.append(audio=encoded)
            await connection.session.close()
            while not events or events[-1].type != "session.closed":
                events.append(SDK_EVENT.validate_json(await connection.recv_bytes()))
        assert events[0].session.audio.output.language == "de"
        assert any(event.type == AUDIO for event in events)
        assert "".join(event.delta for event in events if event.type == SOURCE)

    async def test_sdk_tells_what_is_refused(self, translating_server: Server) -> None:
        """A body that does not fit is the SDK's own error."""
        sdk = AsyncOpenAI(base_url=translating_server.url, api_key=translating_server.key)
        session: Any = {"model": "gpt-realtime"}
        with pytest.raises(BadRequestError) as refused:
            await sdk.realtime.translations.client_secrets.create(session=session)
        assert refused.value.code == "invalid_model"


@pytest.mark.real
class TestRealSpeech:
    """The real worker finds, hears and speaks."""

    async def test_recorded_question_is_translated_while_the_session_goes_on(
        self, model: ChatServer, tmp_path: Path, speech_python: Path
    ) -> None:
        """Twice asked in real time: each comes back spoken before the session is closed."""
        env = {
            **servers.voice(speech_python),
            "VOICEENGINE_SKILLS": "false",
            "VOICEENGINE_CHAT_URL": model.url,
            "VOICEENGINE_CHAT_MODEL": "translates",
        }
        server = servers.start(tmp_path, env=env)
        server.wait_ready()
        try:
            async with translating(server) as client:
                await client.receive()
                session = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
                await client.send(type="session.update", session=session)
                speaking = asyncio.create_task(self._ask_twice(client))
                events = await self._until_spoken(client, speaking)
                events += await to_the_end(client)
        finally:
            assert server.stop() == 0
        assert text(events, SOURCE) == "what time is it what time is it"
        translation = text(events, TARGET).split()
        assert " ".join(translation) == "<what time is it>. <what time is it>."
        frames = audio(events)
        assert {len(frame) for frame in frames} == {FRAME_BYTES}
        runs = [len(run) for run in "".join(".#"[any(frame)] for frame in frames).split(".") if run]
        assert sum(runs) * 0.2 > 1.0  # espeak says the words twice

    async def _ask_twice(self, client: Client) -> None:
        with wave.open(str(QUESTION)) as file:
            question = file.readframes(file.getnframes())
        for _ in range(2):
            await append(client, question + bytes(2 * 48_000), ms=100, pace_s=0.1)

    async def _until_spoken(
        self, client: Client, speaking: asyncio.Task[None]
    ) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        # Frames follow what is heard: after the last append none may come any more.
        receiving = asyncio.ensure_future(client.receive())
        while not speaking.done():
            await asyncio.wait({receiving, speaking}, return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                events.append(receiving.result())
                receiving = asyncio.ensure_future(client.receive())
        receiving.cancel()
        await asyncio.wait({receiving})
        if not receiving.cancelled():
            events.append(receiving.result())
        await speaking
        heard_first = [event["type"] for event in events].index(TARGET)
        assert any(any(frame) for frame in audio(events[heard_first:]))
        return events


async def test_other_sessions_are_untouched(translating_server: Server) -> None:
    """The same server converses."""
    async with connected(translating_server, model="echo") as client:
        await client.send(type="session.close")
        assert (await client.receive())["error"]["code"] == "invalid_value"
