"""`session.update`: merge and refusal (CONTRACT 6)."""

from __future__ import annotations

from typing import Any

from conformance.wire.answers import QUESTION, TOOL
from conformance.wire.endpoint import Event, Talk, Wire
from conformance.wire.scenario import expect_same, scenario


async def update(talk: Talk, **session: Any) -> Event:
    """Update the session; return it as told."""
    await talk.send("session.update", session={"type": "realtime", **session})
    told: Event = (await talk.one("session.updated"))["session"]
    return told


@scenario("an update changes what it names, and nothing else", "CONTRACT 6.2")
async def merged(wire: Wire) -> None:
    async with wire.session() as talk:
        before = wire.frames[0].event["session"]
        detection = {"type": "server_vad", "silence_duration_ms": 700}
        transcription = {"model": "gpt-4o-transcribe"}
        given = {"turn_detection": detection, "transcription": transcription}
        after = await update(talk, instructions="Be brief.", tools=[TOOL], audio={"input": given})
        expect_same(after["instructions"], "Be brief.", "instructions")
        expect_same(after["tools"], [TOOL], "tools")
        heard = after["audio"]["input"]
        expect_same(heard["turn_detection"]["silence_duration_ms"], 700, "silence_duration_ms")
        echoed = {"model": "gpt-4o-transcribe", "language": None, "prompt": None}
        expect_same(heard["transcription"], echoed, "transcription")
        expect_same(after["audio"]["output"], before["audio"]["output"], "audio.output")
        cleared = {"turn_detection": None, "transcription": None}
        last = await update(talk, instructions="", tools=[], audio={"input": cleared})
        expect_same(last["instructions"], "", "cleared instructions")
        expect_same(last["tools"], [], "cleared tools")
        expect_same(last["audio"]["input"]["turn_detection"], None, "cleared turn_detection")


@scenario("a refused update changes nothing", "CONTRACT 6.4")
async def refused(wire: Wire) -> None:
    async with wire.session() as talk:
        before = wire.frames[0].event["session"]
        session = {"type": "realtime", "instructions": "changed", "bogus": 1}
        await talk.send("session.update", session=session, event_id="bad")
        await talk.error("unknown_parameter", param="session.bogus", event_id="bad")
        expect_same(await talk.settled(), [], "what else is sent")
        after = await update(talk)
        expect_same(after["instructions"], before["instructions"], "instructions")


@scenario("faults of an update name the parameter", "CONTRACT 16")
async def named(wire: Wire) -> None:
    low = {"input": {"format": {"type": "audio/pcm", "rate": 16_000}}}
    cases: list[tuple[Event, str, str]] = [
        ({}, "missing_required_parameter", "session.type"),
        ({"type": "session"}, "invalid_value", "session.type"),
        ({"type": "realtime", "tools": 5}, "invalid_type", "session.tools"),
        (
            {"type": "realtime", "audio": low},
            "integer_below_min_value",
            "session.audio.input.format.rate",
        ),
    ]
    async with wire.session() as talk:
        for session, code, param in cases:
            await talk.send("session.update", session=session)
            await talk.error(code, param=param)


@scenario("another model is ignored, another voice after audio refused", "CONTRACT 6.6")
async def immutable(wire: Wire) -> None:
    async with wire.session() as talk:
        before = wire.frames[0].event["session"]
        after = await update(talk, model="gpt-other", instructions="Be brief.")
        expect_same(after["model"], before["model"], "model")
        expect_same(after["instructions"], "Be brief.", "instructions")
        await talk.say(QUESTION)
        await talk.answer()
        await talk.until("rate_limits.updated")
        kept = before["audio"]["output"]["voice"]
        await update(talk, audio={"output": {"voice": kept}})
        other = "verse" if kept != "verse" else "ash"
        session = {"type": "realtime", "audio": {"output": {"voice": other}}}
        await talk.send("session.update", session=session)
        await talk.error("cannot_update_voice", param=None)
