"""Calls over WebRTC from outside: a real server, a real peer, real media (CONTRACT 3.3, 14)."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from typing import Any

import pytest
import websockets
from aiortc import RTCConfiguration, RTCPeerConnection

from tests.conftest import ROOT
from tests.functional.caller import Caller, calling
from tests.functional.server import Server

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

QUESTION = ROOT / "conformance" / "audio" / "what_time_is_it.wav"
CALL_ID = re.compile(r"/v1/realtime/calls/rtc_[A-Za-z0-9_]+")
ECHO = {"type": "realtime", "model": "echo"}


async def connected(caller: Caller, session: dict[str, Any] | None = None) -> Caller:
    """Dial, and wait for the session."""
    answer = await caller.dial(session or ECHO)
    assert answer.status_code == 201, answer.text
    await caller.until("session.created")
    return caller


async def ended(server: Server, reason: str, before: float) -> None:
    """Wait until one more session ended for this reason."""
    async with asyncio.timeout(30):
        while server.metric("voiceengine_sessions_ended_total", reason=reason) <= before:
            await asyncio.sleep(0.05)


async def nobody(server: Server) -> None:
    """Wait until no call is live."""
    async with asyncio.timeout(30):
        while server.metric("voiceengine_sessions", kind="webrtc"):
            await asyncio.sleep(0.05)


async def secret(caller: Caller, session: dict[str, Any]) -> str:
    """Return an ephemeral key."""
    async with caller.http() as http:
        minted = await http.post("/realtime/client_secrets", json={"session": session})
    return str(minted.json()["value"])


class TestAnswer:
    async def test_answer_is_as_the_contract_has_it(self, plain_server: Server) -> None:
        """201, the SDP, a relative `Location`; DTLS client, a stream for `ontrack`."""
        async with calling(plain_server) as caller:
            answer = await caller.dial(ECHO)
            assert answer.status_code == 201
            assert answer.headers["content-type"].startswith("application/sdp")
            assert CALL_ID.fullmatch(answer.headers["location"])
            lines = answer.text.splitlines()
            assert lines.count("a=setup:active") == 2
            assert "a=sendrecv" in lines
            assert "a=max-message-size:262144" in lines
            assert any(line.startswith("a=msid:") for line in lines)
            assert not any("G722" in line for line in lines)
            assert any("useinbandfec=1" in line for line in lines if line.startswith("a=fmtp:"))
            await caller.until("session.created")

    async def test_session_on_the_channel_is_the_one_asked_for(self, plain_server: Server) -> None:
        """`session.created` comes first, with what the form's session says."""
        async with calling(plain_server) as caller:
            await connected(caller, {**ECHO, "instructions": "Be brief."})
            assert caller.types()[0] == "session.created"
            assert caller.events[0]["session"]["instructions"] == "Be brief."

    async def test_ephemeral_key_brings_its_session(self, plain_server: Server) -> None:
        """A browser posts raw SDP with its `ek_`, and no key of the project's."""
        async with calling(plain_server) as minter:
            key = await secret(minter, {**ECHO, "instructions": "Bound."})
        async with calling(plain_server, key) as caller:
            assert (await caller.dial()).status_code == 201
            created = await caller.until("session.created")
            assert created["session"]["instructions"] == "Bound."

    async def test_form_cannot_change_what_a_key_is_bound_to(self, plain_server: Server) -> None:
        """The model stays, silently, as in an update; another kind of session is refused."""
        async with calling(plain_server) as minter:
            key = await secret(minter, ECHO)
            deaf = await secret(minter, {"type": "transcription"})
        asked = {"type": "realtime", "model": "gpt-realtime", "instructions": "Mine."}
        async with calling(plain_server, key) as caller:
            assert (await caller.dial(asked)).status_code == 201
            created = await caller.until("session.created")
            assert created["session"]["model"] == "echo"
            assert created["session"]["instructions"] == "Mine."
        async with calling(plain_server, deaf) as caller:
            assert (await caller.dial(asked)).status_code == 400

    async def test_model_of_the_query_serves_raw_sdp(self, plain_server: Server) -> None:
        """A habit of the beta that is still met (CONTRACT 3.3)."""
        async with calling(plain_server) as caller:
            assert (await caller.dial(model="echo")).status_code == 201
            created = await caller.until("session.created")
            assert created["session"]["model"] == "echo"

    async def test_browsers_of_any_origin_may_call(self, plain_server: Server) -> None:
        """The preflight allows what SDKs send, and `Location` can be read."""
        async with calling(plain_server) as caller, caller.http() as http:
            preflight = await http.request(
                "OPTIONS",
                "/realtime/calls",
                headers={
                    "Origin": "https://example.com",
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Private-Network": "true",
                    "Access-Control-Request-Headers": "authorization, content-type, "
                    "openai-safety-identifier, x-openai-agents-sdk",
                },
            )
            assert preflight.status_code == 200
            assert preflight.headers["access-control-allow-private-network"] == "true"
            refused = await http.post("/realtime/calls", headers={"Origin": "https://example.com"})
            assert "location" in refused.headers["access-control-expose-headers"].lower()


class TestFaults:
    @pytest.mark.parametrize(
        ("change", "code"),
        [
            (lambda sdp: "", "invalid_offer"),
            (lambda sdp: "v=0\r\n" + "x" * 70_000, None),
            (lambda sdp: re.sub(r"a=fingerprint.*\r\n", "", sdp), "invalid_offer"),
            (lambda sdp: re.sub(r"a=ice-(ufrag|pwd).*\r\n", "", sdp), "invalid_offer"),
            (lambda sdp: sdp.split("m=")[0], "invalid_offer"),
            (lambda sdp: sdp.replace("m=audio", "m=video"), "invalid_offer"),
            (lambda sdp: re.sub(r"opus|PCMU|PCMA", "speex", sdp), "invalid_offer"),
            (lambda sdp: sdp.replace("a=rtpmap:", "a=rtpmap:x"), "invalid_offer"),
        ],
    )
    async def test_offer_that_cannot_be_answered_is_refused(
        self, plain_server: Server, change: Any, code: str | None
    ) -> None:
        """400 in the contract's envelope, and nothing is left of it."""
        async with calling(plain_server) as caller, caller.http() as http:
            refused = await http.post(
                "/realtime/calls?model=echo",
                content=change(await caller.offer()),
                headers={"Content-Type": "application/sdp", "Accept": "application/sdp"},
            )
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == code
        assert refused.json()["error"]["param"] == "sdp"
        await nobody(plain_server)

    async def test_unknown_model_is_refused(self, plain_server: Server) -> None:
        """400 `invalid_model`, as JSON though SDP was asked for."""
        async with calling(plain_server) as caller:
            refused = await caller.dial({"type": "realtime", "model": "nobody"})
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "invalid_model"

    @pytest.mark.parametrize(
        ("session", "param"),
        [("{", "session"), ("[]", "session"), ('{"type":"realtime","voice":1}', "session.voice")],
    )
    async def test_session_that_is_none_is_refused(
        self, plain_server: Server, session: str, param: str
    ) -> None:
        """400 before any media is made."""
        async with calling(plain_server) as caller, caller.http() as http:
            parts = {"sdp": (None, await caller.offer()), "session": (None, session)}
            refused = await http.post("/realtime/calls", files=parts)
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == param

    async def test_form_without_an_offer_is_refused(self, plain_server: Server) -> None:
        """The part's name stands in the error."""
        async with calling(plain_server) as caller, caller.http() as http:
            refused = await http.post("/realtime/calls", files={"session": (None, "{}")})
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "sdp"

    @pytest.mark.parametrize(
        ("control", "body", "code", "param"),
        [
            ("accept", {"type": "realtime"}, "call_not_ringing", None),
            ("accept", {"type": "realtime", "speed": 2}, "unknown_parameter", "speed"),
            ("reject", {}, "call_not_ringing", None),
            ("refer", {"target_uri": "tel:+1"}, "refer_not_supported", None),
            ("refer", {}, "missing_required_parameter", "target_uri"),
        ],
    )
    async def test_controls_of_phones_are_refused(
        self,
        plain_server: Server,
        control: str,
        body: dict[str, object],
        code: str,
        param: str | None,
    ) -> None:
        """A WebRTC call was accepted when it was made (DECISIONS 2.7)."""
        async with calling(plain_server) as caller:
            await connected(caller)
            async with caller.http() as http:
                path = f"/realtime/calls/{caller.call_id}/{control}"
                refused = await http.post(path, json=body)
        assert refused.status_code == 400
        error = refused.json()["error"]
        assert (error["code"], error["param"]) == (code, param)

    @pytest.mark.parametrize("control", ["accept", "reject", "refer", "hangup"])
    async def test_call_that_is_not_there_is_404(self, plain_server: Server, control: str) -> None:
        """Two clients of others match this code (CONTRACT 3.4); the body comes second."""
        async with calling(plain_server) as caller, caller.http() as http:
            refused = await http.post(f"/realtime/calls/rtc_gone/{control}", json={"none": 1})
        assert refused.status_code == 404
        assert refused.json()["error"]["code"] == "call_id_not_found"


class TestMedia:
    async def test_answer_is_heard_and_its_playback_told(self, plain_server: Server) -> None:
        """Two seconds of sound come in two seconds, between `started` and `stopped`."""
        async with calling(plain_server) as caller:
            await connected(caller)
            caller.ask("tone:2000")
            stopped = await caller.until("output_audio_buffer.stopped")
            await asyncio.sleep(0.3)
            kinds = caller.types()
            begin = kinds.index("response.content_part.added")
            assert kinds[begin : begin + 3] == [
                "response.content_part.added",
                "output_audio_buffer.started",
                "response.output_audio_transcript.delta",
            ]
            assert kinds.index("response.done") < kinds.index("output_audio_buffer.stopped")
            assert "response.output_audio.delta" not in kinds
            assert "response.output_audio.done" in kinds
            created = await caller.until("response.created")
            assert stopped["response_id"] == created["response"]["id"]
            loud = caller.loud_s()
            assert 90 <= len(loud) <= 105
            assert loud[-1] - loud[0] > 1.5

    async def test_answer_made_while_another_plays_starts_when_that_one_has_stopped(
        self, plain_server: Server
    ) -> None:
        """What is told of playback is what is heard (CONTRACT 8.14)."""
        async with calling(plain_server) as caller:
            await connected(caller)
            for text in ("tone:1000", "tone:200"):
                place = len(caller.events)
                caller.ask(text)
                await caller.until("response.done", after=place)
            ids = [e["response"]["id"] for e in caller.events if e["type"] == "response.done"]
            await caller.until(
                "output_audio_buffer.stopped", where=lambda event: event["response_id"] == ids[1]
            )
            told = [
                (event["type"].rpartition(".")[2], ids.index(event["response_id"]))
                for event in caller.events
                if event["type"].startswith("output_audio_buffer.")
            ]
        assert told == [("started", 0), ("stopped", 0), ("started", 1), ("stopped", 1)]

    async def test_client_silences_an_answer(self, plain_server: Server) -> None:
        """`output_audio_buffer.clear` is obeyed at once, and the item cut where it was heard."""
        async with calling(plain_server) as caller:
            await connected(caller)
            caller.ask("a" * 400)  # 20 s of sound, made at once
            await caller.until("output_audio_buffer.started")
            while not caller.loud_s():
                await asyncio.sleep(0.02)
            await asyncio.sleep(1)
            caller.send("response.cancel")
            caller.send("output_audio_buffer.clear")
            cut = await caller.until("conversation.item.truncated")
            await asyncio.sleep(0.5)  # what is under way, and a caller that is late to read it
            heard_ms = len(caller.loud_s()) * 20
            await asyncio.sleep(0.5)
            assert len(caller.loud_s()) * 20 == heard_ms
            assert abs(cut["audio_end_ms"] - heard_ms) < 800
            assert "output_audio_buffer.stopped" not in caller.types()


@pytest.mark.usefixtures("skills_python")
class TestVoice:
    async def test_spoken_question_gets_a_spoken_answer(self, voice_server: Server) -> None:
        """Speech in by RTP, the time of day out by RTP, the words on the channel."""
        async with calling(voice_server) as caller:
            await connected(caller, {"type": "realtime", "model": "gpt-realtime"})
            caller.microphone.say(QUESTION)
            await caller.until("output_audio_buffer.stopped")
            said = await caller.until("response.output_audio_transcript.done")
            assert said["transcript"]
            assert len(caller.loud_s()) > 20
            kinds = caller.types()
            assert kinds.index("input_audio_buffer.speech_started") < kinds.index(
                "input_audio_buffer.committed"
            )

    async def test_caller_who_speaks_over_an_answer_silences_it(self, voice_server: Server) -> None:
        """Cleared, cut where it was heard, then closed out, in the contract's order (8.10)."""
        async with calling(voice_server) as caller:
            await connected(caller, {"type": "realtime", "model": "gpt-realtime"})
            caller.ask("what can you do")
            await caller.until("output_audio_buffer.started")
            while len(caller.loud_s()) < 10:
                await asyncio.sleep(0.02)
            after = len(caller.events)
            caller.microphone.say(QUESTION)
            await caller.until("output_audio_buffer.cleared", after=after)
            await caller.until("input_audio_buffer.speech_stopped", after=after)
            kinds = caller.types(after=after)
            begin = kinds.index("input_audio_buffer.speech_started")
            assert kinds[begin : begin + 3] == [
                "input_audio_buffer.speech_started",
                "output_audio_buffer.cleared",
                "conversation.item.truncated",
            ]


class TestOddOffers:
    async def test_caller_who_takes_no_audio_gets_words_and_an_end(
        self, plain_server: Server
    ) -> None:
        """Nothing is played to nobody, and nothing waits for it."""
        async with calling(plain_server) as caller:
            for transceiver in caller.connection.getTransceivers():
                transceiver.direction = "sendonly"
            await connected(caller)
            caller.ask("tone:3000")
            await caller.until("response.done")
            await caller.until("output_audio_buffer.stopped")
            assert caller.loud_s() == []

    async def test_caller_who_only_listens_hears_answers(self, plain_server: Server) -> None:
        """An offer without a microphone is one too (CONTRACT 14)."""
        async with calling(plain_server) as caller:
            for transceiver in caller.connection.getTransceivers():
                transceiver.direction = "recvonly"
            await connected(caller)
            caller.ask("tone:600")
            await caller.until("output_audio_buffer.stopped")
            await caller.pause(0.3)  # what was sent last is on its way
            assert len(caller.loud_s()) >= 15

    async def test_caller_with_a_channel_and_no_audio_converses_in_writing(
        self, plain_server: Server
    ) -> None:
        """Audio appended as an event is heard as on a socket; nothing waits for playback."""
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        async with calling(plain_server) as caller:
            await caller.connection.close()
            caller.connection, caller.channel = peer, peer.createDataChannel("oai-events")
            caller.channel.on("message", caller._message)
            await connected(caller)
            silence = base64.b64encode(bytes(48_000)).decode()
            caller.send("input_audio_buffer.append", audio=silence)
            caller.send("input_audio_buffer.commit")
            await caller.until("input_audio_buffer.committed")
            caller.ask("hello")
            said = await caller.until("response.output_audio_transcript.done")
            assert said["transcript"] == "hello"
            await caller.until("output_audio_buffer.stopped")
            assert "m=audio" not in caller.answer

    async def test_item_too_large_for_a_channel_comes_without_its_audio(
        self, plain_server: Server
    ) -> None:
        """The item is whole but for its audio (DECISIONS 2.6); no error is told."""
        async with calling(plain_server) as caller:
            await connected(caller)
            caller.ask("tone:8000")
            done = await caller.until("response.done")
            item_id = done["response"]["output"][0]["id"]
            caller.send("conversation.item.retrieve", item_id=item_id)
            shown = await caller.until("conversation.item.retrieved")
            assert "audio" not in shown["item"]["content"][0]
            assert shown["item"]["content"][0]["transcript"]
            assert "error" not in caller.types()


class TestEnd:
    async def test_hangup_ends_the_call(self, plain_server: Server) -> None:
        """200 with no body; the peer sees the end; the call is gone."""
        before = plain_server.metric("voiceengine_sessions_ended_total", reason="hung_up")
        async with calling(plain_server) as caller:
            await connected(caller)
            assert await caller.hang_up() == 200
            await caller.closed()
            assert await caller.hang_up() == 404
        await ended(plain_server, "hung_up", before)

    async def test_caller_who_leaves_ends_the_call(self, plain_server: Server) -> None:
        """A browser that closes its connection leaves nothing behind."""
        before = plain_server.metric("voiceengine_sessions_ended_total", reason="client_closed")
        async with calling(plain_server) as caller:
            await connected(caller)
        await ended(plain_server, "client_closed", before)
        await nobody(plain_server)


class TestSideband:
    def attach(self, server: Server, call_id: str, key: str | None = None) -> Any:
        """Open a sideband."""
        headers = {"Authorization": f"Bearer {key or server.key}"}
        url = f"{server.ws_url}?call_id={call_id}"
        return websockets.connect(url, additional_headers=headers, compression=None)

    async def read(self, socket: Any, kind: str) -> dict[str, Any]:
        """Return the next event of a type."""
        async with asyncio.timeout(30):
            while True:
                event = dict(json.loads(await socket.recv()))
                assert event["type"] != "response.output_audio.delta"
                if event["type"] == kind:
                    return event

    async def test_sideband_sees_and_steers_the_call(self, plain_server: Server) -> None:
        """It is shown the session; what it changes and asks for, the caller sees and hears."""
        async with calling(plain_server) as caller:
            await connected(caller)
            async with self.attach(plain_server, caller.call_id) as socket:
                created = json.loads(await socket.recv())
                assert created["type"] == "session.created"
                assert created["session"]["id"] == caller.events[0]["session"]["id"]
                session = {"type": "realtime", "instructions": "Steered."}
                await socket.send(json.dumps({"type": "session.update", "session": session}))
                updated = await caller.until("session.updated")
                assert updated["session"]["instructions"] == "Steered."
                await self.read(socket, "session.updated")
                content = [{"type": "input_text", "text": "tone:300"}]
                item = {"type": "message", "role": "user", "content": content}
                await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
                await socket.send(json.dumps({"type": "response.create"}))
                await caller.until("output_audio_buffer.stopped")
                await self.read(socket, "output_audio_buffer.stopped")

    async def test_errors_go_to_whoever_made_them(self, plain_server: Server) -> None:
        """Another controller's mistakes are not the caller's."""
        async with calling(plain_server) as caller:
            await connected(caller)
            async with self.attach(plain_server, caller.call_id) as socket:
                await socket.send('{"type":"no.such"}')
                await self.read(socket, "error")
                caller.send("input_audio_buffer.clear")
                await caller.until("input_audio_buffer.cleared")
                assert "error" not in caller.types()

    async def test_call_outlives_its_sideband_and_not_the_other_way(
        self, plain_server: Server
    ) -> None:
        """A sideband may leave; when the call ends, the others are closed with 1000."""
        async with calling(plain_server) as caller:
            await connected(caller)
            async with self.attach(plain_server, caller.call_id):
                pass
            async with self.attach(plain_server, caller.call_id) as socket:
                await socket.recv()
                caller.send("input_audio_buffer.clear")
                await self.read(socket, "input_audio_buffer.cleared")
                await caller.hang_up()
                with pytest.raises(websockets.ConnectionClosedOK) as closed:
                    await self.read(socket, "never")
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1000

    async def test_call_of_nobody_is_404_on_the_upgrade(self, plain_server: Server) -> None:
        """No socket is opened for it (CONTRACT 4)."""
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with self.attach(plain_server, "rtc_gone"):
                pass
        assert refused.value.response.status_code == 404

    async def test_ephemeral_key_attaches_to_its_own_call_only(self, plain_server: Server) -> None:
        """Another caller's call is not there for it (DECISIONS 2.7)."""
        async with calling(plain_server) as minter:
            mine, other = await secret(minter, ECHO), await secret(minter, ECHO)
        async with calling(plain_server, mine) as caller:
            assert (await caller.dial()).status_code == 201
            await caller.until("session.created")
            async with self.attach(plain_server, caller.call_id, mine) as socket:
                assert json.loads(await socket.recv())["type"] == "session.created"
            with pytest.raises(websockets.InvalidStatus) as refused:
                async with self.attach(plain_server, caller.call_id, other):
                    pass
            assert refused.value.response.status_code == 404
