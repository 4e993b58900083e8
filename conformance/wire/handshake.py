"""Connecting: 101 for every attempt, then `error` and CLOSE (CONTRACT 4)."""

from __future__ import annotations

import websockets

from conformance.wire.endpoint import Broken, Talk, Wire
from conformance.wire.scenario import expect, expect_same, scenario

WRONG_KEY = "sk-wrong-key-000000000000"


async def refused(talk: Talk, code: str | None, close_code: int) -> None:
    """Expect one `error` and the CLOSE that names it."""
    await talk.error(code)
    await closed(talk, code, close_code)


async def closed(talk: Talk, code: str | None, close_code: int) -> None:
    """Expect the CLOSE that names a code."""
    try:
        event = await talk.receive()
    except websockets.ConnectionClosed as end:
        received = end.rcvd
    else:
        raise Broken(f"{event['type']} instead of a CLOSE")
    expect(received is not None, "the connection ended without a CLOSE frame")
    if received is not None:
        reason = "invalid_request_error" + (f".{code}" if code else "")
        expect_same((received.code, received.reason), (close_code, reason), "CLOSE")


@scenario("the first event is session.created with the defaults", "CONTRACT 5")
async def fresh_session(wire: Wire) -> None:
    async with wire.session() as talk:
        session = wire.frames[0].event["session"]
        expect_same(session["type"], "realtime", "session.type")
        expect_same(session["output_modalities"], ["audio"], "session.output_modalities")
        expect_same(session["tools"], [], "session.tools")
        expect_same(session["tool_choice"], "auto", "session.tool_choice")
        expect_same(session["max_output_tokens"], "inf", "session.max_output_tokens")
        detection = session["audio"]["input"]["turn_detection"]
        expect_same(detection["type"], "server_vad", "turn_detection.type")
        expect_same(detection["silence_duration_ms"], 200, "silence_duration_ms")
        expect_same(await talk.settled(), [], "what else is sent unasked")


@scenario("a wrong key is told in band and closes 3000", "CONTRACT 4")
async def wrong_key(wire: Wire) -> None:
    async with wire.dial(key=WRONG_KEY) as talk:
        await refused(talk, "invalid_api_key", 3000)
    expect(WRONG_KEY not in wire.frames[0].raw, "the error repeats the whole key")


@scenario("no key closes 3000", "CONTRACT 4")
async def no_key(wire: Wire) -> None:
    async with wire.dial(key="") as talk:
        await refused(talk, None, 3000)


@scenario("an unknown model closes 4000", "CONTRACT 4")
async def unknown_model(wire: Wire) -> None:
    async with wire.dial("?model=gpt-nope") as talk:
        await refused(talk, "invalid_model", 4000)


@scenario("no model closes 4000", "CONTRACT 4")
async def no_model(wire: Wire) -> None:
    async with wire.dial("") as talk:
        await refused(talk, "missing_model", 4000)


@scenario("the beta header is refused with 4000, or served in the beta's shape", "CONTRACT 4, 18")
async def beta_header(wire: Wire) -> None:
    async with wire.dial(headers={"OpenAI-Beta": "realtime=v1"}) as talk:
        first = await talk.receive()
        if first["type"] == "error":
            expect_same(first["error"]["code"], "beta_api_shape_disabled", "error.code")
            await closed(talk, "beta_api_shape_disabled", 4000)
            return
        expect_same(first["type"], "session.created", "the first event")
        expect_same(first["session"].get("modalities"), ["audio", "text"], "session.modalities")
        expect("audio" not in first["session"], "a beta session is flat")
        expect_same((await talk.receive())["type"], "conversation.created", "the second event")
        wire.frames.clear()  # the validators know GA's shapes


@scenario("a browser's subprotocols select realtime", "CONTRACT 2")
async def subprotocols(wire: Wire) -> None:
    offered = ["realtime", f"openai-insecure-api-key.{wire.endpoint.key}"]
    async with wire.dial(key="", subprotocols=offered) as talk:
        expect_same(talk.socket.subprotocol, "realtime", "the subprotocol selected")
        expect_same((await talk.receive())["type"], "session.created", "the first event")
