"""Every way a call ends has its reason, in its row, in the metric, told once (issue "Calls")."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCSessionDescription
from websockets.asyncio.client import connect

from gateway.sessions.admission import Denied
from gateway.telemetry import metrics
from realtime.errors import KeyRevoked, PolicyDenied
from realtime.session.inputs import EndReason, Revoked
from tests.functional.caller import Caller, calling
from tests.functional.client import until
from tests.functional.inside import Inside, inside

ECHO = {"type": "realtime", "model": "echo"}

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def house(folder: Path) -> AsyncIterator[Inside]:
    """A server that gives up on callers soon."""
    async with inside(folder, call_connect_timeout_s=3.0) as made:
        yield made


async def connected(caller: Caller) -> None:
    """Dial, and wait for the session."""
    answer = await caller.dial(ECHO)
    assert answer.status_code == 201, answer.text
    await caller.until("session.created")


def counted(reason: str, ingress: str = "webrtc") -> float:
    """Return how many calls ended for a reason."""
    return metrics.CALLS_ENDED.labels(ingress, reason)._value.get()


class TestBegun:
    """Calls that were answered."""

    async def test_hangup_by_rest(self, house: Inside) -> None:
        """The row has every instant, whose call it was, and its session."""
        before = counted("hung_up")
        async with calling(house) as caller:
            await connected(caller)
            await caller.hang_up()
            row = await house.ended_call()
        assert counted("hung_up") == before + 1
        assert row["end_reason"] == "hung_up"
        assert row["id"] == caller.call_id
        assert row["session_id"] == caller.events[0]["session"]["id"]
        assert (row["ingress"], row["kind"], row["model"]) == ("webrtc", "realtime", "echo")
        assert row["key_id"]
        assert row["created_at"] <= row["answered_at"] <= row["connected_at"] <= row["ended_at"]
        session = await house.record.session(row["session_id"])
        assert session is not None
        assert session["end_reason"] == "hung_up"

    async def test_peer_closes_its_connection(self, house: Inside) -> None:
        """A browser that leaves says so by DTLS."""
        async with calling(house) as caller:
            await connected(caller)
        assert (await house.ended_call())["end_reason"] == "client_closed"

    async def test_peer_closes_its_channel(self, house: Inside) -> None:
        """Nobody controls the call any more."""
        async with calling(house) as caller:
            await connected(caller)
            caller.channel.close()
            assert (await house.ended_call())["end_reason"] == "client_closed"

    async def test_peer_vanishes(self, folder: Path) -> None:
        """Consent to send is not renewed any more: nobody says goodbye."""
        soon: dict[str, Any] = {"ice_consent_interval_s": 0.2, "ice_consent_timeout_s": 1.0}
        async with inside(folder, **soon) as house, calling(house) as caller:
            await connected(caller)
            for transport in caller.connection._RTCPeerConnection__iceTransports:  # type: ignore[attr-defined]
                for protocol in transport._connection._protocols:
                    protocol.transport.abort()
            assert (await house.ended_call())["end_reason"] == "client_vanished"

    async def test_peer_never_comes(self, house: Inside) -> None:
        """An answer that nobody takes costs nothing for long."""
        caller = Caller(house)
        async with caller.http() as http:
            answer = await http.post(
                "/realtime/calls?model=echo",
                content=await caller.offer(),
                headers={"Content-Type": "application/sdp"},
            )
        assert answer.status_code == 201
        row = await house.ended_call()
        await caller.close()
        assert (row["end_reason"], row["connected_at"]) == ("never_connected", None)
        assert row["answered_at"] is not None

    async def test_media_cannot_be_connected(self, house: Inside) -> None:
        """The certificate is not the one that was offered: DTLS fails at once."""
        caller = Caller(house)
        offer = re.sub(
            r"(a=fingerprint:sha-256 )\S+", r"\1" + ":".join(["AB"] * 32), await caller.offer()
        )
        async with caller.http() as http:
            answer = await http.post(
                "/realtime/calls?model=echo",
                content=offer,
                headers={"Content-Type": "application/sdp"},
            )
        await caller.connection.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        row = await house.ended_call()
        await caller.close()
        assert (row["end_reason"], row["connected_at"]) == ("connect_failed", None)

    async def test_session_expires(self, house: Inside) -> None:
        """After its longest time, which is told before the end (CONTRACT 14)."""
        async with calling(house) as caller:
            await connected(caller)
            runner = house.only_call().opened.runner
            runner._handler.expire(runner.now_ms() + 61 * 60_000)
            runner._settle(None)
            told = await caller.until("error")
            assert told["error"]["code"] == "session_expired"
            assert (await house.ended_call())["end_reason"] == "expired"

    async def test_sideband_of_a_session_that_expires_is_closed_for_good(
        self, house: Inside
    ) -> None:
        """With 1000: for 1001 SDKs dial anew, and find no call (CONTRACT 4)."""
        async with calling(house) as caller:
            await connected(caller)
            url = f"{house.ws_url}?call_id={caller.call_id}"
            headers = {"Authorization": f"Bearer {house.key}"}
            async with connect(url, additional_headers=headers) as sideband:
                await sideband.recv()
                runner = house.only_call().opened.runner
                runner._handler.expire(runner.now_ms() + 61 * 60_000)
                runner._settle(None)
                told = [json.loads(text)["type"] async for text in sideband]
            assert told == ["error"]
            assert sideband.close_code == 1000

    async def test_key_is_revoked(self, house: Inside) -> None:
        """The caller is told, then the call ends."""
        async with calling(house) as caller:
            await connected(caller)
            call = house.only_call()
            house.services.directory.revoke_key(call.principal.key_id, KeyRevoked())
            assert (await caller.until("error"))["error"]["code"] == "invalid_api_key"
            assert (await house.ended_call())["end_reason"] == "revoked"

    async def test_policy_withdraws_its_leave(self, house: Inside) -> None:
        """Told apart from a key that is void."""
        async with calling(house) as caller:
            await connected(caller)
            house.only_call().opened.runner.post(Revoked(PolicyDenied("Enough.")))
            assert (await caller.until("error"))["error"]["code"] == "policy_denied"
            assert (await house.ended_call())["end_reason"] == "withdrawn"

    async def test_caller_floods_its_channel(self, house: Inside) -> None:
        """A channel cannot be paused."""
        async with calling(house) as caller:
            await connected(caller)
            house.policy.answers.clear()
            for _ in range(400):
                caller.send("session.update", session={"type": "realtime"})
            row = await house.ended_call()
            house.policy.answers.set()
            assert row["end_reason"] == "client_flooded"

    async def test_caller_takes_no_events(self, folder: Path) -> None:
        """Who reads too slowly is let go, as on a socket."""
        async with inside(folder, send_queue_bytes=65_536) as house, calling(house) as caller:
            await connected(caller)
            for _ in range(3):
                caller.ask("x" * 100_000)
            assert (await house.ended_call())["end_reason"] == "client_too_slow"

    async def test_fault_of_ours(self, house: Inside) -> None:
        """It costs this call alone."""
        async with calling(house) as caller:
            await connected(caller)
            house.only_call().opened.runner._effects = {}
            caller.send("input_audio_buffer.clear")
            assert (await house.ended_call())["end_reason"] == "server_fault"

    async def test_server_stops(self, folder: Path) -> None:
        """The row is written before the database is closed."""
        async with inside(folder) as house, calling(house) as caller:
            await connected(caller)
            await house.stop()
            row = await house.record.call(caller.call_id)
        assert row is not None
        assert row["end_reason"] == "server_shutdown"


class TestRefused:
    """Calls that never began; each is in the record with why."""

    async def refused(self, house: Inside, caller: Caller, **query: str) -> dict[str, Any]:
        """Dial in vain; return the row."""
        answer = await caller.dial(None, **({"model": "echo"} | query))
        assert answer.status_code >= 400
        row = await house.ended_call()
        assert (row["end_reason"], row["answered_at"]) == ("refused", None)
        assert not house.services.calls._calls
        return row

    async def test_policy_refuses(self, house: Inside) -> None:
        """The reason stands there, from policy's own list."""
        house.policy.verdicts["realtime.connect"] = Denied("outside_hours", "", "d1")
        async with calling(house) as caller:
            row = await self.refused(house, caller)
        assert (row["why"], row["session_id"]) == ("outside_hours", None)

    async def test_model_is_not_there(self, house: Inside) -> None:
        """The name that was asked for is kept, as much of it as there is room for."""
        async with calling(house) as caller:
            row = await self.refused(house, caller, model="no" * 100)
        assert (row["why"], row["model"]) == ("invalid_model", "no" * 64)

    async def test_offer_cannot_be_answered(self, house: Inside) -> None:
        """A known caller's bad SDP."""
        caller = Caller(house)
        async with caller.http() as http:
            await http.post(
                "/realtime/calls?model=echo",
                content="v=0",
                headers={"Content-Type": "application/sdp"},
            )
        await caller.close()
        row = await house.ended_call()
        assert (row["end_reason"], row["why"]) == ("refused", "invalid_offer")

    async def test_library_cannot_answer(
        self, house: Inside, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The session that was begun for it ends with it, and has its id in the row."""

        async def fails(*_: Any) -> None:
            raise ValueError("nothing that anybody foresaw")

        caller = Caller(house)
        offer = await caller.offer()
        monkeypatch.setattr("aiortc.RTCPeerConnection.setRemoteDescription", fails)
        async with caller.http() as http:
            answer = await http.post(
                "/realtime/calls?model=echo",
                content=offer,
                headers={"Content-Type": "application/sdp"},
            )
        await caller.close()
        assert answer.json()["error"]["code"] == "invalid_offer"
        row = await house.ended_call()
        assert (row["end_reason"], row["why"]) == ("refused", "invalid_offer")
        assert row["session_id"] is not None
        await until(lambda: not len(house.services.directory))

    async def test_no_room(self, folder: Path) -> None:
        """As many calls as are taken are live."""
        async with inside(folder, calls_most=0) as house, calling(house) as caller:
            row = await self.refused(house, caller)
        assert row["why"] == "too_many_calls"


async def test_call_of_a_process_that_died_is_lost(folder: Path) -> None:
    """Its row, and its session's, are closed by the next start; others' are left alone."""
    async with inside(folder) as house, calling(house) as caller:
        await connected(caller)
        await until(lambda: not house.services.recorder._rows)
        (row,) = await house.record.calls()
        house.services.recorder.put = lambda row: None  # type: ignore[method-assign]
        await house.stop()  # nothing of this reaches the database, as after a kill
    assert row["ended_at"] is None
    before = counted("lost")
    async with inside(folder) as house:
        row = await house.ended_call()
        session = await house.record.session(str(row["session_id"]))
    assert counted("lost") == before + 1
    assert row["end_reason"] == "lost"
    assert session is not None
    assert session["end_reason"] == "lost"


def test_every_reason_belongs_to_somebody() -> None:
    """The list is closed: whoever adds a reason adds its test here or with its part."""
    assert {reason.value for reason in EndReason} == {
        "client_closed", "client_vanished", "client_too_slow", "client_flooded",
        "never_connected", "connect_failed", "relay_lost", "hung_up", "expired", "revoked", "withdrawn",
        "refused", "server_shutdown", "server_fault", "engine_failed", "lost",
    }  # fmt: skip


async def test_end_is_told_once(house: Inside) -> None:
    """Whatever follows the first reason changes nothing."""
    async with calling(house) as caller:
        await connected(caller)
        call = house.only_call()
        call.end(EndReason.HUNG_UP)
        call.end(EndReason.SERVER_FAULT)
        assert (await house.ended_call())["end_reason"] == "hung_up"
        call.book.ended(EndReason.SERVER_FAULT)
        assert (await house.ended_call())["end_reason"] == "hung_up"
