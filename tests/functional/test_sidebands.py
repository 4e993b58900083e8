"""Sidebands are bounded, counted, and gone with their key (issue "Calls")."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import websockets

from gateway.identity.service import DEFAULT_ORGANISATION, DEFAULT_PROJECT
from gateway.recording.calls import CallAsked, CallRecord
from gateway.sessions.calls import MOST_SIDEBANDS
from gateway.sessions.revocation import RevocationWatch
from realtime.session.inputs import EndReason
from tests.functional.caller import Caller, calling
from tests.functional.client import until
from tests.functional.inside import Inside, inside

pytestmark = pytest.mark.timeout(60)

REQUESTS = MOST_SIDEBANDS + 2


@pytest.fixture
async def house(folder: Path) -> AsyncIterator[Inside]:
    """A server that counts closely."""
    async with inside(folder, requests_per_minute=REQUESTS) as made:
        yield made


@asynccontextmanager
async def called(house: Inside) -> AsyncIterator[Caller]:
    """A call that began; it is one request."""
    async with calling(house) as caller:
        answer = await caller.dial({"type": "realtime", "model": "echo"})
        assert answer.status_code == 201
        await caller.until("session.created")
        yield caller


def attached(house: Inside, caller: Caller, key: str) -> Any:
    """Return the connection of a sideband."""
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{house.ws_url}?call_id={caller.call_id}"
    return websockets.connect(url, additional_headers=headers, max_size=None)


async def end_of(socket: Any) -> tuple[str | None, int]:
    """Return the last event's fault and the code that the server closed with."""
    told: dict[str, Any] = {}
    with suppress(websockets.ConnectionClosed):
        async for text in socket:
            told = json.loads(text)
    return told.get("error", {}).get("code"), socket.close_code


async def test_sideband_ends_with_its_key_and_the_call_goes_on(house: Inside) -> None:
    """Whoever's key is void controls nothing any more; another's sideband stays."""
    services = house.services
    other = await services.identity.create_key("other")
    revoked = (await services.identity.authenticate(other)).key_id
    async with called(house) as caller, attached(house, caller, house.key) as stays:
        async with attached(house, caller, other) as goes:
            await goes.recv()
            await services.identity.revoke_key(revoked)
            await RevocationWatch(services.identity, services.directory, poll_s=9).look()
            assert await end_of(goes) == ("invalid_api_key", 3000)
        await until(lambda: len(services.directory.keys()) == 1)
        caller.send("input_audio_buffer.clear")
        await caller.until("input_audio_buffer.cleared")
        assert json.loads(await stays.recv())["type"] == "session.created"
        assert json.loads(await stays.recv())["type"] == "input_audio_buffer.cleared"


async def test_sidebands_of_a_call_are_bounded_and_counted(house: Inside) -> None:
    """One too many is told so; each is a request; a place that is left is free again."""
    async with called(house) as caller, AsyncExitStack() as stack:
        first, *_ = [
            await stack.enter_async_context(attached(house, caller, house.key))
            for _ in range(MOST_SIDEBANDS)
        ]
        async with attached(house, caller, house.key) as ninth:
            assert await end_of(ninth) == ("too_many_sidebands", 1013)
        async with attached(house, caller, house.key) as tenth:
            assert await end_of(tenth) == ("rate_limit_exceeded", 1013)
        assert len(house.services.calls) == 1
        await first.close()
        await until(lambda: house.only_call().sidebands < MOST_SIDEBANDS)


class TestElsewhere:
    """Calls of other instances on the same database."""

    @staticmethod
    async def write(house: Inside, call_id: str, **changed: Any) -> CallRecord:
        """Record a call of another instance."""
        asked = CallAsked(
            call_id=call_id, organisation_id=DEFAULT_ORGANISATION, project_id=DEFAULT_PROJECT,
            key_id="k", client_secret_id=None, ingress="webrtc", kind="realtime", model="echo",
            node="another",
        )  # fmt: skip
        record = CallRecord(house.services.recorder, replace(asked, **changed))
        if changed.get("model") == "over":
            record.ended(EndReason.HUNG_UP, "")
        await until(lambda: not house.services.recorder._rows)
        async with asyncio.timeout(30):
            while call_id not in {row["id"] for row in await house.record.calls()}:
                await asyncio.sleep(0)
        return record

    async def test_live_call_of_another_instance_is_not_told_to_be_over(
        self, house: Inside
    ) -> None:
        """503 and a close code that is retried, since 404 would end the client's interest."""
        await self.write(house, "rtc_there")
        headers = {"Authorization": f"Bearer {house.key}"}
        async with httpx.AsyncClient(base_url=house.url, headers=headers) as http:
            answer = await http.post("/realtime/calls/rtc_there/hangup")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "call_elsewhere")
        assert "another" not in answer.text
        url = f"{house.ws_url}?call_id=rtc_there"
        async with websockets.connect(url, additional_headers=headers) as socket:
            assert await end_of(socket) == ("call_elsewhere", 1013)

    @pytest.mark.parametrize("changed", [{"model": "over"}, {"node": ""}, {}])
    async def test_call_that_is_over_or_foreign_is_404(
        self, house: Inside, changed: dict[str, Any]
    ) -> None:
        """As if there were none: ended, lost here, begun by another than this secret."""
        if "node" in changed:
            changed = {"node": house.services.node}
        await self.write(house, "rtc_x", **changed)
        key = house.key
        if not changed:
            owner = await house.services.identity.authenticate(key)
            key, _ = await house.services.identity.mint(owner, {}, ttl_s=60, request_id="r")
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=house.url, headers=headers) as http:
            answer = await http.post("/realtime/calls/rtc_x/hangup")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "call_id_not_found")
