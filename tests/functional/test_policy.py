"""What policy's answers bring about in a session, and what becomes of one that does not come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import websockets

from gateway.sessions.admission import Allowed
from gateway.telemetry import metrics
from tests.functional.caller import calling
from tests.functional.client import Client
from tests.functional.inside import Inside, inside

pytestmark = pytest.mark.timeout(60)

TOOLS = [{"type": "function", "name": name} for name in ("pay", "look")]


@pytest.fixture
async def house(folder: Path) -> AsyncIterator[Inside]:
    """A server whose policy a test decides."""
    async with inside(folder) as made:
        yield made


@asynccontextmanager
async def connected(house: Inside) -> AsyncIterator[Client]:
    """Connect, as far as it goes."""
    headers = {"Authorization": f"Bearer {house.key}"}
    url = f"{house.ws_url}?model=gpt-realtime"
    async with websockets.connect(url, additional_headers=headers) as socket:
        yield Client(socket)


async def called(client: Client) -> tuple[str, list[str]]:
    """Ask for a call; return how the response ended, and which functions it called."""
    await client.send(type="response.create")
    response = (await client.until("response.done"))[-1]["response"]
    return response["status"], [item["name"] for item in response["output"]]


class TestWithheldTools:
    async def test_session_goes_without_what_policy_takes_away(self, house: Inside) -> None:
        """With its leave to connect, and with any answer later; echoes show what was asked for."""
        house.policy.verdicts["realtime.connect"] = Allowed({"withheld_tools": ["pay"]})
        async with connected(house) as client:
            session = {"type": "realtime", "tools": TOOLS, "tool_choice": "required"}
            await client.send(type="session.update", session=session)
            updated = (await client.until("session.updated"))[-1]["session"]
            assert [tool["name"] for tool in updated["tools"]] == ["pay", "look"]
            assert await called(client) == ("completed", ["look"])
            house.policy.verdicts["response.create"] = Allowed({"withheld_tools": ["look"]})
            assert await called(client) == ("failed", [])


class TestSilentPolicy:
    @pytest.fixture(autouse=True)
    def _hurry(self, house: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(house.timed, "_timeout_s", 0.05)

    async def test_nobody_is_let_in_and_clients_try_again(self, house: Inside) -> None:
        """503, or close 1013, and the reason is counted (DECISIONS 2.2)."""
        before = _timeouts()
        house.policy.answers.clear()
        async with connected(house) as client:
            error = (await client.until("error"))[-1]["error"]
            await client.socket.wait_closed()
            assert (error["code"], error["type"]) == ("policy_unavailable", "server_error")
            assert client.socket.close_code == 1013
        headers = {"Authorization": f"Bearer {house.key}"}
        async with httpx.AsyncClient(base_url=house.url, headers=headers) as http:
            refused = await http.post("/realtime/client_secrets", json={})
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "policy_unavailable"
        async with calling(house) as caller:
            assert (await caller.dial({"type": "realtime", "model": "echo"})).status_code == 503
        row = await house.ended_call()
        assert (row["end_reason"], row["why"]) == ("refused", "policy_timeout")
        assert _timeouts() == before + 3

    async def test_session_goes_on_without_what_was_asked(self, house: Inside) -> None:
        """The event is refused with its id, and what comes behind it is taken."""
        async with connected(house) as client:
            await client.until("session.created")
            house.policy.answers.clear()
            await client.send(type="response.create", event_id="mine")
            error = (await client.until("error"))[-1]["error"]
            assert (error["code"], error["event_id"]) == ("policy_unavailable", "mine")
            await client.send(type="input_audio_buffer.clear")
            await client.until("input_audio_buffer.cleared")


async def test_evaluator_that_fails_lets_nobody_in(
    house: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of policy's is no leave."""

    async def broken(*_: Any) -> Any:
        await asyncio.sleep(0)
        raise RuntimeError("no rules")

    monkeypatch.setattr(house.policy, "admit", broken)
    async with connected(house) as client:
        assert (await client.until("error"))[-1]["error"]["code"] == "policy_unavailable"


def _timeouts() -> float:
    return metrics.DENIALS.labels("policy_timeout")._value.get()  # type: ignore[no-any-return]
