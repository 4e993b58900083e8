"""What policy is asked about calls, before anything is made or done (DECISIONS 1.5, 2.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import websockets

from gateway.identity.service import DEFAULT_PROJECT
from gateway.ingress.webrtc import opening
from gateway.sessions.admission import Allowed, Denied, both
from gateway.sessions.opening import OpenedSession
from tests.functional.caller import Caller, calling
from tests.functional.inside import Inside, inside

NO = Denied("outside_hours", "Try again at nine.", "d1")
ECHO = {"type": "realtime", "model": "echo"}

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def house(folder: Path) -> AsyncIterator[Inside]:
    """A server whose policy a test decides."""
    async with inside(folder) as made:
        yield made


async def connected(caller: Caller) -> None:
    """Dial, and wait for the session."""
    assert (await caller.dial(ECHO)).status_code == 201
    await caller.until("session.created")


class TestCreate:
    async def test_policy_knows_what_is_asked_for(self, house: Inside) -> None:
        """Who, which way, which model, how many calls the project has; then the session."""
        async with calling(house) as first, calling(house) as second:
            await connected(first)
            await connected(second)
            facts = house.policy.facts_of("calls.create")
        assert facts["call_id"] == second.call_id
        assert facts["project_id"] == DEFAULT_PROJECT
        told = {name: facts[name] for name in ("transport", "session_type", "model", "live_calls")}
        assert told == {
            "transport": "webrtc", "session_type": "realtime", "model": "echo", "live_calls": 1,
        }  # fmt: skip
        asked = [action for action, _ in house.policy.asked]
        assert asked[:2] == ["calls.create", "realtime.connect"]

    async def test_denial_makes_nothing(
        self, house: Inside, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """403 with the remedy; no media is touched, the offer is not looked at, the row has why."""
        house.policy.verdicts["calls.create"] = NO
        made: list[Any] = []
        monkeypatch.setattr(opening, "Peer", lambda *_: made.append("peer"))
        monkeypatch.setattr(opening, "checked_offer", made.append)
        async with calling(house) as caller:
            with structlog.testing.capture_logs() as lines:
                refused = await caller.dial(ECHO)
            assert refused.status_code == 403
            error = refused.json()["error"]
            assert error["code"] == "policy_denied"
            assert "Try again at nine." in error["message"]
            row = await house.ended_call()
        assert (row["end_reason"], row["why"], row["session_id"]) == (
            "refused", "outside_hours", None,
        )  # fmt: skip
        assert made == []
        (line,) = [line for line in lines if line["event"] == "denied"]
        assert (line["action"], line["decision_id"], line["call_id"]) == (
            "calls.create", "d1", row["id"],
        )  # fmt: skip

    async def test_what_policy_takes_away_is_taken_from_the_call(self, house: Inside) -> None:
        """What either question obliges to counts."""
        house.policy.verdicts["calls.create"] = Allowed({"blocked_skills": ["timer"]})
        house.policy.verdicts["realtime.connect"] = Allowed({"blocked_skills": ["alarm"]})
        async with calling(house) as caller:
            await connected(caller)
            opened = house.only_call().opened
            assert isinstance(opened, OpenedSession)
            assert opened._blocked_skills == ("timer", "alarm")


class TestControl:
    @pytest.mark.parametrize(
        ("control", "body"),
        [
            ("hangup", None),
            ("accept", {"type": "realtime"}),
            ("reject", {}),
            ("refer", {"target_uri": "tel:+1"}),
        ],
    )
    async def test_denied_control_leaves_the_call_alone(
        self, house: Inside, control: str, body: dict[str, str] | None
    ) -> None:
        """403, and the call goes on; policy knew which call."""
        house.policy.verdicts[f"calls.{control}"] = NO
        async with calling(house) as caller:
            await connected(caller)
            async with caller.http() as http:
                refused = await http.post(f"/realtime/calls/{caller.call_id}/{control}", json=body)
            assert refused.status_code == 403
            assert refused.json()["error"]["code"] == "policy_denied"
            facts = house.policy.facts_of(f"calls.{control}")
            assert (facts["call_id"], facts["model"]) == (caller.call_id, "echo")
            caller.send("input_audio_buffer.clear")
            await caller.until("input_audio_buffer.cleared")

    async def test_denied_sideband_is_told_and_closed(self, house: Inside) -> None:
        """In band, with 3003, as every connect failure of policy's."""
        house.policy.verdicts["realtime.attach"] = NO
        async with calling(house) as caller:
            await connected(caller)
            headers = {"Authorization": f"Bearer {house.key}"}
            url = f"{house.ws_url}?call_id={caller.call_id}"
            async with websockets.connect(url, additional_headers=headers) as socket:
                assert '"policy_denied"' in str(await socket.recv())
                with pytest.raises(websockets.ConnectionClosedError) as closed:
                    await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 3003

    async def test_call_of_another_project_is_not_asked_about(self, house: Inside) -> None:
        """Policy is no oracle of what is there."""
        async with calling(house) as caller, caller.http() as http:
            assert (await http.post("/realtime/calls/rtc_gone/hangup")).status_code == 404
        assert not [action for action, _ in house.policy.asked if action == "calls.hangup"]


def test_obligations_of_two_questions_are_joined() -> None:
    """Lists grow, in order and without doubles; anything else is the later's."""
    first = Allowed({"blocked_skills": ["a", "b"], "region": "eu", "record": True})
    second = Allowed({"blocked_skills": ["b", "c"], "region": "us"})
    assert both(first, second).obligations == {
        "blocked_skills": ("a", "b", "c"), "region": "us", "record": True,
    }  # fmt: skip
