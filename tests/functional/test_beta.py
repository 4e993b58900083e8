"""Clients of the retired beta, from outside: handshake, secrets, sessions of both kinds."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets

from conformance import clients
from conformance.wire.endpoint import Endpoint
from tests.conftest import missing
from tests.functional.client import Client, connected, types, user_text
from tests.functional.server import Server
from tests.functional.test_rest import request
from tests.functional.test_socket import first_and_close

SESSIONS = "/v1/realtime/sessions"
TRANSCRIPTION_SESSIONS = "/v1/realtime/transcription_sessions"
HEADER = {"OpenAI-Beta": "realtime=v1"}


@asynccontextmanager
async def beta(
    server: Server, query: str = "model=echo", *, key: str | None = None
) -> AsyncIterator[tuple[Client, dict[str, Any]]]:
    """Connect as an old client does; yield what `…session.created` says, too."""
    headers = {"Authorization": f"Bearer {key or server.key}", **HEADER}
    async with websockets.connect(
        f"{server.ws_url}?{query}", additional_headers=headers, max_size=None
    ) as socket:
        client = Client(socket)
        yield client, await client.receive()


class TestHandshake:
    async def test_subprotocol_words_choose_the_dialect(self, plain_server: Server) -> None:
        """A browser has no headers; `realtime` is what is echoed, and never a credential."""
        words = ["realtime", f"openai-insecure-api-key.{plain_server.key}"]
        async with websockets.connect(
            f"{plain_server.ws_url}?model=echo",
            subprotocols=[websockets.Subprotocol(w) for w in [*words, "openai-beta.realtime-v1"]],
        ) as socket:
            assert socket.subprotocol == "realtime"
            assert "modalities" in (await Client(socket).receive())["session"]

    async def test_switched_off_it_is_refused_as_the_live_service_does(
        self, strict_server: Server
    ) -> None:
        """An error that names the reason, and a CLOSE that repeats it."""
        headers = {"Authorization": f"Bearer {strict_server.key}", **HEADER}
        error, code, reason = await first_and_close(
            f"{strict_server.ws_url}?model=echo", additional_headers=headers
        )
        assert (error["code"], code) == ("beta_api_shape_disabled", 4000)
        assert reason == "invalid_request_error.beta_api_shape_disabled"

    async def test_sessions_are_counted_by_dialect(self, plain_server: Server) -> None:
        """Operators see who still speaks the beta."""
        name = "voiceengine_sessions_started_total"
        before = plain_server.metric(name, dialect="beta")
        async with beta(plain_server):
            pass
        async with connected(plain_server):
            pass
        assert plain_server.metric(name, dialect="beta") == before + 1
        assert plain_server.metric(name, dialect="ga") >= 1


class TestSessions:
    """CONTRACT 3.5."""

    def test_secret_comes_with_the_flat_session(self, plain_server: Server) -> None:
        """What was asked for is effective; the secret lives for a minute, or as long as asked."""
        asked = {"model": "echo", "modalities": ["text"], "temperature": 0.7, "voice": "sage"}
        status, _, body = request(
            plain_server, SESSIONS, body=asked, **{"OpenAI-Beta": "assistants=v2"}
        )
        assert status == 200
        assert (body["object"], body["expires_at"]) == ("realtime.session", 0)
        assert {name: body[name] for name in asked} == asked
        assert body["client_secret"]["value"].startswith("ek_")
        assert 55 <= body["client_secret"]["expires_at"] - time.time() <= 61
        asked = {"client_secret": {"expires_after": {"anchor": "created_at", "seconds": 300}}}
        _, _, body = request(plain_server, SESSIONS, body=asked)
        assert 295 <= body["client_secret"]["expires_at"] - time.time() <= 301
        assert (body["model"], body["temperature"]) == ("gpt-realtime", 0.8)

    async def test_secret_opens_that_session_in_either_dialect(self, plain_server: Server) -> None:
        """The temperature is known to the beta alone; everything else holds in both."""
        asked = {
            "model": "echo",
            "modalities": ["text"],
            "temperature": 0.7,
            "instructions": "Be brief.",
            "turn_detection": None,
            "input_audio_format": "g711_ulaw",
        }
        _, _, body = request(plain_server, SESSIONS, body=asked)
        key = body["client_secret"]["value"]
        async with beta(plain_server, "", key=key) as (_, created):
            shown = created["session"]
            assert {name: shown[name] for name in asked} == asked
        async with connected(plain_server, key=key) as client:
            await client.send(type="session.update", session={"type": "realtime"})
            shown = (await client.receive())["session"]
        assert shown["instructions"] == "Be brief."
        assert shown["output_modalities"] == ["text"]
        assert shown["audio"]["input"]["format"] == {"type": "audio/pcmu"}
        assert shown["audio"]["input"]["turn_detection"] is None
        assert "temperature" not in shown

    @pytest.mark.parametrize(
        ("body", "code", "param"),
        [
            ({"temperature": 2.0}, "decimal_above_max_value", "temperature"),
            ({"audio": {}}, "unknown_parameter", "audio"),
            ({"input_audio_format": "mp3"}, "invalid_value", "input_audio_format"),
            ({"model": "gpt-nope"}, "invalid_model", None),
            (
                {"turn_detection": {"type": "server_vad", "threshold": 2.0}},
                "decimal_above_max_value",
                "turn_detection.threshold",
            ),
            (
                {"client_secret": {"expires_after": {"seconds": 9}}},
                "integer_below_min_value",
                "client_secret.expires_after.seconds",
            ),
        ],
    )
    def test_fault_names_the_field_of_the_body(
        self, plain_server: Server, body: dict[str, Any], code: str, param: str | None
    ) -> None:
        """The body is the session itself, so there is no `session.` in the path."""
        status, _, answer = request(plain_server, SESSIONS, body=body)
        assert (status, answer["error"]["code"]) == (400, code)
        assert answer["error"]["param"] == param

    def test_switched_off_they_answer_as_the_live_service_does(self, strict_server: Server) -> None:
        """400 for one, 404 for the other."""
        status, _, answer = request(strict_server, SESSIONS, body={})
        assert (status, answer["error"]["code"]) == (400, "beta_api_shape_disabled")
        assert request(strict_server, TRANSCRIPTION_SESSIONS, body={})[0] == 404

    def test_secret_cannot_mint(self, plain_server: Server) -> None:
        """An ephemeral key makes no other, whichever endpoint is asked."""
        _, _, body = request(plain_server, SESSIONS, body={})
        key = body["client_secret"]["value"]
        assert request(plain_server, SESSIONS, body={}, key=key)[0] == 401
        assert request(plain_server, TRANSCRIPTION_SESSIONS, body={}, key=key)[0] == 401


class TestTranscriptionSessions:
    async def test_intent_opens_one_with_its_own_events(self, plain_server: Server) -> None:
        """The old SDK always sends a model; it means nothing here."""
        query = "intent=transcription&model=gpt-4o-transcribe"
        async with beta(plain_server, query) as (client, created):
            assert created["type"] == "transcription_session.created"
            assert created["session"]["object"] == "realtime.transcription_session"
            await client.send(
                type="transcription_session.update",
                session={
                    "input_audio_transcription": {"model": "whisper-1", "language": "en"},
                    "turn_detection": {"type": "server_vad", "create_response": True},
                    "input_audio_format": "g711_alaw",
                },
            )
            updated = await client.receive()
        assert updated["type"] == "transcription_session.updated"
        shown = updated["session"]
        assert shown["input_audio_transcription"]["model"] == "whisper-1"
        assert shown["input_audio_format"] == "g711_alaw"
        assert "create_response" not in shown["turn_detection"]

    async def test_secret_opens_one(self, plain_server: Server) -> None:
        """Its session is flat on the way out, and configured on the socket."""
        asked = {"input_audio_transcription": {"model": "whisper-1"}, "turn_detection": None}
        status, _, body = request(plain_server, TRANSCRIPTION_SESSIONS, body=asked)
        assert status == 200
        assert body["object"] == "realtime.transcription_session"
        async with beta(plain_server, "", key=body["client_secret"]["value"]) as (_, created):
            assert created["type"] == "transcription_session.created"
            assert created["session"]["input_audio_transcription"]["model"] == "whisper-1"
            assert created["session"]["turn_detection"] is None

    async def test_session_update_of_the_other_kind_is_refused(self, plain_server: Server) -> None:
        """A conversation's update does not fit a transcription session."""
        async with beta(plain_server, "intent=transcription") as (client, _):
            await client.send(type="session.update", session={"instructions": "x"})
            error = await client.receive()
        assert error["type"] == "error"
        assert error["error"]["event_id"] is None


@pytest.mark.real
@pytest.mark.timeout(400)
def test_sdk_of_the_betas_generation_converses_unmodified(voice_server: Server) -> None:
    """Written and spoken turns, tools, cancel, updates, secrets; every event is of its types."""
    held = clients.hold(clients.BETA, Endpoint(voice_server.url, voice_server.key))
    for outcome in held.outcomes:
        if outcome.state == "not run":
            missing(outcome.suite, outcome.reason)
    failed = [f"{found.rule}: {found.reason}" for found in held.outcomes if found.state == "fail"]
    assert failed == []
    assert len(held.outcomes) >= 9
    assert held.seen.received["response.audio.delta"] > 0
    assert not any(kind.startswith("response.output_audio.") for kind in held.seen.received)


async def test_each_of_several_requests_is_answered_in_the_old_names(plain_server: Server) -> None:
    """A tool, its output, a cancel and an answer beside the conversation."""
    async with beta(plain_server, "model=gpt-realtime") as (client, _):
        await client.until("conversation.created")
        tool = {"type": "function", "name": "f", "description": "", "parameters": {}}
        choice = {"type": "function", "function": {"name": "f"}}
        await client.send(type="conversation.item.create", item=user_text("Do it."))
        await client.send(type="response.create", response={"tools": [tool], "tool_choice": choice})
        events = await client.until("response.done")
        assert "response.function_call_arguments.done" in types(events)
        (call,) = events[-1]["response"]["output"]
        assert (call["object"], call["type"]) == ("realtime.item", "function_call")
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "Done."}
        await client.send(type="conversation.item.create", item=output)
        await client.until("conversation.item.created")
        await client.send(type="response.create", response={"modalities": ["text"]})
        events = await client.until("response.done")
        assert "response.text.done" in types(events)
        outside = {"conversation": "none", "modalities": ["text"], "input": [user_text("Hi.")]}
        await client.send(type="response.create", response=outside)
        events = await client.until("response.done")
        assert "conversation.item.created" not in types(events)
        assert events[-1]["response"]["conversation_id"] is None
        await client.send(type="response.cancel", event_id="mine")
        error = (await client.receive())["error"]
        assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "mine")
