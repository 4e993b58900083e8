"""An upstream that refuses the session it is configured with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from gateway.engines.relay.endpoint import RelayEndpoint
from gateway.engines.relay.opening import CONFIGURE, UpstreamFault, open_upstream

REFUSAL = {"type": "invalid_request_error", "code": "invalid_value", "message": "No such voice.",
           "param": "session.audio.output.voice"}  # fmt: skip


async def refused(error: Mapping[str, Any], *, names: str | None = CONFIGURE) -> UpstreamFault:
    """Configure a session at an upstream that says `error` to it, about the event it `names`."""

    async def session(socket: ServerConnection) -> None:
        await socket.send(json.dumps({"type": "session.created", "session": {}}))
        assert json.loads(await socket.recv())["event_id"] == CONFIGURE
        await socket.send(json.dumps({"type": "error", "error": {**error, "event_id": names}}))
        await socket.wait_closed()

    async with serve(session, "127.0.0.1", 0) as server:
        endpoint = RelayEndpoint(
            url=f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/v1/realtime",
            model=None,
            key="",
            key_header="authorization",
            connect_timeout_s=10,
            silence_s=1,
            reconnect_s=1,
            most_message_bytes=100_000,
        )
        with pytest.raises(UpstreamFault) as fault:
            await open_upstream(endpoint, {"type": "realtime"})
    return fault.value


async def test_refused_session_is_told_in_the_upstreams_words() -> None:
    """What the client asked for cannot be: it is told what, and where (CONTRACT 16)."""
    told = (await refused(REFUSAL)).told
    assert told is not None
    assert (told.message, told.code) == ("No such voice.", "invalid_value")
    assert (told.status, told.param) == (400, "session.audio.output.voice")


@pytest.mark.parametrize(
    "error",
    [
        {**REFUSAL, "code": "insufficient_quota"},
        {**REFUSAL, "code": "invalid_model"},
        {**REFUSAL, "type": "server_error"},
    ],
)
async def test_trouble_that_is_not_the_clients_is_not_told(error: dict[str, Any]) -> None:
    """The operator's account and model, and what breaks there, are not the client's doing."""
    assert (await refused(error)).told is None


async def test_refusal_that_names_no_event_is_told_too() -> None:
    """Some endpoints do not say what an error is about; nothing else was sent there."""
    told = (await refused(REFUSAL, names=None)).told
    assert told is not None
    assert (told.status, told.param) == (400, "session.audio.output.voice")


async def test_error_about_something_else_is_not_told() -> None:
    """It is not about the session that was asked for."""
    assert (await refused(REFUSAL, names="another")).told is None
