"""The other ways to call: translations, and the beta's entry (CONTRACT 3.3, 13, 14, 18)."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import pytest
import websockets
from openai import AsyncOpenAI, BadRequestError, NotFoundError

from conformance.schemas import EventSchemas
from realtime.events.schemas import TRANSLATION_EVENTS
from tests.functional.caller import CALLS, Caller, calling
from tests.functional.server import Server
from tests.servers.tones import said

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

BETA = "/realtime"
TRANSLATIONS = "/realtime/translations/calls"
MODEL = "gpt-realtime-translate"
ENTRIES = [CALLS, TRANSLATIONS, BETA]
SCHEMAS = EventSchemas(TRANSLATION_EVENTS)


async def secret(caller: Caller, path: str, session: dict[str, Any]) -> str:
    """Return an ephemeral key."""
    async with caller.http() as http:
        minted = await http.post(path, json={"session": session})
    assert minted.status_code == 200, minted.text
    return str(minted.json()["value"])


def translation(**audio: Any) -> dict[str, Any]:
    """Return a translation session."""
    return {"model": MODEL, "audio": {"output": {"language": "es"}, **audio}}


class TestTranslations:
    async def test_caller_is_heard_in_another_language(
        self, translating_server: Server, tmp_path: Path
    ) -> None:
        """Speech by RTP, both texts on the channel, no audio there; the last word is heard."""
        spoken = tmp_path / "said.wav"
        with wave.open(str(spoken), "wb") as recording:
            recording.setnchannels(1)
            recording.setsampwidth(2)
            recording.setframerate(24_000)
            recording.writeframes(said("what time is it now please"))
        async with calling(translating_server) as minter:
            shown = {"transcription": {"model": "whisper-1"}}
            key = await secret(
                minter, "/realtime/translations/client_secrets", translation(input=shown)
            )
        async with calling(translating_server, key) as caller:
            answer = await caller.dial(to=TRANSLATIONS)
            assert answer.status_code == 201
            assert answer.headers["location"].startswith("/v1/realtime/calls/rtc_")
            created = await caller.until("session.created")
            assert created["session"]["audio"]["output"]["language"] == "es"
            caller.microphone.say(spoken)
            while caller.microphone.speaks:
                await caller.pause(0.1)
            caller.send("session.close")
            await caller.until("session.closed")
            await caller.closed()
        texts = {
            kind: "".join(event["delta"] for event in caller.events if event["type"] == kind)
            for kind in ("session.input_transcript.delta", "session.output_transcript.delta")
        }
        assert texts["session.input_transcript.delta"]
        assert texts["session.output_transcript.delta"].strip().startswith("<")
        assert "session.output_audio.delta" not in caller.types()
        for event in caller.events:
            event.pop("at_s")
            assert not SCHEMAS.faults(event), event
        # 30 ms a character, all of it heard.
        characters = len(texts["session.output_transcript.delta"].strip())
        assert len(caller.loud_s()) >= characters * 30 // 20 * 0.8

    async def test_form_brings_the_session_of_a_projects_key(
        self, translating_server: Server
    ) -> None:
        """Another kind is refused; a language is taken; a sideband sees the same session."""
        async with calling(translating_server) as caller:
            refused = await caller.dial({"type": "realtime", **translation()}, to=TRANSLATIONS)
            assert refused.status_code == 400
        async with calling(translating_server) as caller:
            taken = await caller.dial({"type": "translation", **translation()}, to=TRANSLATIONS)
            assert taken.status_code == 201, taken.text
            created = await caller.until("session.created")
            headers = {"Authorization": f"Bearer {caller.key}"}
            url = f"{translating_server.ws_url}?call_id={caller.call_id}"
            async with websockets.connect(url, additional_headers=headers) as socket:
                assert json.loads(await socket.recv())["session"] == created["session"]
                update = {"audio": {"output": {"language": "fr"}}}
                await socket.send(json.dumps({"type": "session.update", "session": update}))
                updated = await caller.until("session.updated")
            assert updated["session"]["audio"]["output"]["language"] == "fr"
            assert await caller.hang_up() == 200

    async def test_keys_open_their_own_kind_only(self, translating_server: Server) -> None:
        """A secret of conversations translates nothing, and the other way round."""
        async with calling(translating_server) as minter:
            talks = await secret(
                minter, "/realtime/client_secrets", {"type": "realtime", "model": "echo"}
            )
            translates = await secret(
                minter, "/realtime/translations/client_secrets", translation()
            )
        for key, entry in ((talks, TRANSLATIONS), (translates, CALLS), (translates, BETA)):
            async with calling(translating_server, key) as caller:
                refused = await caller.dial(to=entry)
            found = (refused.status_code, refused.json()["error"]["code"])
            assert found == (401, "invalid_api_key")

    async def test_model_is_needed(self, translating_server: Server) -> None:
        """In the query, the form or the key."""
        async with calling(translating_server) as caller:
            refused = await caller.dial(to=TRANSLATIONS)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "missing_model")


class TestBeta:
    async def test_old_entry_speaks_the_old_dialect(self, plain_server: Server) -> None:
        """201 and SDP; flat sessions, the beta's names, audio by RTP only."""
        async with calling(plain_server) as caller:
            answer = await caller.dial(to=BETA, model="echo")
            assert answer.status_code == 201
            assert answer.headers["content-type"].startswith("application/sdp")
            created = await caller.until("session.created")
            assert created["session"]["modalities"] == ["audio", "text"]
            await caller.until("conversation.created")
            caller.send("session.update", session={"instructions": "Be brief.", "voice": "ash"})
            updated = await caller.until("session.updated")
            assert updated["session"]["instructions"] == "Be brief."
            caller.ask("tone:500")
            await caller.until("response.audio_transcript.done")
            await caller.until("output_audio_buffer.stopped")
            kinds = caller.types()
            assert "conversation.item.created" in kinds
            assert not {"response.audio.delta", "conversation.item.added"} & set(kinds)
            await caller.pause(0.3)  # what was sent last is on its way
            assert len(caller.loud_s()) >= 15
            assert await caller.hang_up() == 200

    async def test_beta_may_be_switched_off(self, strict_server: Server) -> None:
        """Refused as the live service refuses it."""
        async with calling(strict_server) as caller:
            refused = await caller.dial(to=BETA, model="echo")
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (400, "beta_api_shape_disabled")

    async def test_only_sdp_is_taken(self, plain_server: Server) -> None:
        """The beta had no form."""
        async with calling(plain_server) as caller:
            refused = await caller.dial({"type": "realtime"}, to=BETA, model="echo")
        assert refused.status_code == 415


class TestEveryEntry:
    @pytest.mark.parametrize("entry", ENTRIES)
    async def test_browsers_of_any_origin_may_call(self, plain_server: Server, entry: str) -> None:
        """The preflight allows what SDKs send; errors can be read, too."""
        origin = {"Origin": "https://example.com"}
        async with calling(plain_server) as caller, caller.http() as http:
            preflight = await http.request(
                "OPTIONS",
                entry,
                headers={
                    **origin,
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Private-Network": "true",
                    "Access-Control-Request-Headers": "authorization, content-type, "
                    "openai-safety-identifier, x-openai-agents-sdk",
                },
            )
            refused = await http.post(entry, headers=origin)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-private-network"] == "true"
        allowed = preflight.headers["access-control-allow-headers"].lower()
        for name in ("authorization", "content-type", "openai-safety-identifier"):
            assert name in allowed
        assert refused.status_code == 415
        assert refused.headers["access-control-allow-origin"] in {"*", "https://example.com"}
        exposed = refused.headers["access-control-expose-headers"].lower()
        assert {"location", "x-request-id"} <= {name.strip() for name in exposed.split(",")}

    @pytest.mark.parametrize("entry", ENTRIES)
    @pytest.mark.parametrize(
        ("content", "kind", "status", "code"),
        [
            (b"v=0", "application/sdp", 400, "invalid_offer"),
            (b"v=0\r\n" + b"x" * 70_000, "application/sdp", 400, None),
            (b"\xff\xfe", "application/sdp", 400, None),
            (b"{}", "application/json", 415, "unsupported_content_type"),
            (b"", "text/plain", 415, "unsupported_content_type"),
        ],
    )
    async def test_faults_are_envelopes(
        self, translating_server: Server, entry: str, content: bytes, kind: str, status: int,
        code: str | None,
    ) -> None:  # fmt: skip
        """JSON though SDP is accepted, with all four keys."""
        model = MODEL if entry == TRANSLATIONS else "echo"
        async with calling(translating_server) as caller, caller.http() as http:
            refused = await http.post(
                f"{entry}?model={model}",
                content=content,
                headers={"Content-Type": kind, "Accept": "application/sdp"},
            )
        assert refused.status_code == status
        assert refused.headers["content-type"] == "application/json"
        assert set(refused.json()["error"]) == {"message", "type", "param", "code"}
        assert refused.json()["error"]["code"] == code

    @pytest.mark.parametrize("entry", ENTRIES)
    async def test_key_is_needed(self, plain_server: Server, entry: str) -> None:
        """401, before anything is read."""
        async with calling(plain_server, "sk-nobody") as caller:
            refused = await caller.dial(to=entry, model="echo")
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


class TestForms:
    @pytest.mark.parametrize(
        "parts",
        [
            lambda sdp, session: {"sdp": (None, sdp), "session": (None, session)},
            lambda sdp, session: {
                "sdp": (None, sdp, "application/sdp"),
                "session": (None, session, "application/json"),
            },
            lambda sdp, session: {
                "sdp": ("blob", sdp, "application/sdp"),
                "session": ("blob", session, "application/json"),
            },
            lambda sdp, session: {
                "session": (None, session),
                "sdp": (None, sdp),
                "more": (None, "ignored"),
            },
        ],
        ids=["strings", "typed", "blobs", "any order"],
    )
    async def test_form_is_taken_as_clients_write_it(
        self, plain_server: Server, parts: Any
    ) -> None:
        """With and without content types and file names (CONTRACT 3.3); long tools as well."""
        session = json.dumps(
            {"type": "realtime", "model": "echo", "instructions": "Be brief. " * 9_000}
        )
        async with calling(plain_server) as caller, caller.http() as http:
            answer = await http.post(CALLS, files=parts(await caller.offer(), session))
            assert answer.status_code == 201, answer.text
            described = caller.described(answer.text)
            await caller.connection.setRemoteDescription(described)
            created = await caller.until("session.created")
        assert created["session"]["instructions"].startswith("Be brief.")

    @pytest.mark.parametrize("name", [None, "blob"])
    async def test_offer_over_its_bound_is_refused_by_its_name(
        self, plain_server: Server, name: str | None
    ) -> None:
        """64 KiB, however the part is written."""
        parts = {"sdp": (name, "v=0\r\n" + "x" * 70_000), "session": (None, '{"model":"echo"}')}
        async with calling(plain_server) as caller, caller.http() as http:
            refused = await http.post(CALLS, files=parts)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "sdp")


class TestSdk:
    async def test_official_client_calls_steers_and_hangs_up(self, plain_server: Server) -> None:
        """Its form, its raw SDP, its sideband, its controls and their errors."""
        async with (
            AsyncOpenAI(api_key=plain_server.key, base_url=plain_server.url) as client,
            calling(plain_server) as caller,
        ):
            answer = await client.realtime.calls.create(
                sdp=await caller.offer(), session={"type": "realtime", "model": "echo"}
            )
            call_id = answer.response.headers["location"].rsplit("/", 1)[1]
            described = caller.described(answer.response.text)
            await caller.connection.setRemoteDescription(described)
            await caller.until("session.created")
            async with client.realtime.connect(call_id=call_id) as sideband:
                assert (await sideband.recv()).type == "session.created"
                await sideband.session.update(
                    session={"type": "realtime", "instructions": "Steered."}
                )
                updated = await caller.until("session.updated")
            assert updated["session"]["instructions"] == "Steered."
            with pytest.raises(BadRequestError) as refused:
                await client.realtime.calls.refer(call_id, target_uri="tel:+15550100")
            assert refused.value.code == "refer_not_supported"
            await client.realtime.calls.hangup(call_id)
            await caller.closed()
            with pytest.raises(NotFoundError) as gone:
                await client.realtime.calls.hangup(call_id)
            assert gone.value.code == "call_id_not_found"
